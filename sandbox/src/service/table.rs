//! The table of scenarios: each by name, with a line that says what it does.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::scenario::{Endpoint, Fault, Layer, RetryAfter, Why};
use crate::http::Wire;

/// One line of the table.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// On which layer it strikes.
    pub layer: Layer,
    /// Where it can strike.
    pub on: &'static [Endpoint],
    /// The value where none is given; `None`: it takes none.
    pub value: Option<&'static str>,
    /// What it does, in a line.
    pub about: &'static str,
    /// What goes wrong.
    pub fault: Fault,
}

const G: &[Endpoint] = &[Endpoint::Generate];
const S: &[Endpoint] = &[Endpoint::Status];
const D: &[Endpoint] = &[Endpoint::Download];
const GS: &[Endpoint] = &[Endpoint::Generate, Endpoint::Status];
const ALL: &[Endpoint] = &[Endpoint::Generate, Endpoint::Status, Endpoint::Download];

const fn entry(
    name: &'static str,
    layer: Layer,
    on: &'static [Endpoint],
    value: Option<&'static str>,
    fault: Fault,
    about: &'static str,
) -> Entry {
    Entry { name, layer, on, value, about, fault }
}

/// The table.
#[rustfmt::skip]
pub const TABLE: &[Entry] = &[
    entry("revoked", Layer::Access, GS, None, Fault::Revoked, "401: the key was revoked"),
    entry("trial", Layer::Access, GS, None, Fault::Trial, "403: the organization is on a trial plan"),
    entry("unknown_key", Layer::Access, GS, None, Fault::UnknownKey, "401: nobody knows the key"),

    entry("keys_forgotten", Layer::Idempotency, G, Some("60"), Fault::KeysForgotten, "idempotency keys are forgotten after VALUE seconds"),
    entry("keys_per_organization", Layer::Idempotency, G, None, Fault::KeysPerOrganization, "idempotency keys are the namespace's, not the API key's"),
    entry("conflict_in_work", Layer::Idempotency, G, Some("10"), Fault::ConflictInWork, "409 to a repeated key for VALUE seconds, while the first is in work"),
    entry("errors_kept", Layer::Idempotency, G, None, Fault::ErrorsKept, "an error, whatever it was but 429, is remembered under its key and repeated"),

    entry("http_400", Layer::Request, ALL, None, Fault::Http(400, "invalid_request"), "400 invalid_request"),
    entry("http_401", Layer::Request, ALL, None, Fault::Http(401, "unauthorized"), "401"),
    entry("http_403", Layer::Request, ALL, None, Fault::Http(403, "forbidden"), "403"),
    entry("http_404", Layer::Request, ALL, None, Fault::Http(404, "not_found"), "404 not_found"),
    entry("http_408", Layer::Request, ALL, None, Fault::Http(408, "timeout"), "408"),
    entry("http_409", Layer::Request, ALL, None, Fault::Http(409, "idempotency_conflict"), "409 idempotency_conflict"),
    entry("request_in_progress", Layer::Request, G, None, Fault::Http(409, "request_in_progress"), "409 request_in_progress: another request with this key is in work"),
    entry("ambiguous_template", Layer::Request, G, None, Fault::Http(409, "ambiguous_template_name"), "409 ambiguous_template_name"),
    entry("http_410", Layer::Request, ALL, None, Fault::Http(410, "gone"), "410"),
    entry("http_416", Layer::Request, D, None, Fault::Http(416, "invalid_request"), "416, whatever range was asked for"),
    entry("http_422", Layer::Request, ALL, None, Fault::Http(422, "invalid_request"), "422"),
    entry("http_425", Layer::Request, ALL, None, Fault::Http(425, "too_early"), "425"),
    entry("http_429", Layer::Request, ALL, Some("5"), Fault::Limited(RetryAfter::Seconds), "429 with Retry-After: VALUE seconds"),
    entry("http_429_date", Layer::Request, ALL, Some("5"), Fault::Limited(RetryAfter::Date), "429 with Retry-After: the date in VALUE seconds"),
    entry("http_429_fraction", Layer::Request, ALL, Some("1.5"), Fault::Limited(RetryAfter::Fraction), "429 with Retry-After: a fraction"),
    entry("http_429_negative", Layer::Request, ALL, None, Fault::Limited(RetryAfter::Negative), "429 with Retry-After: -5"),
    entry("http_429_past", Layer::Request, ALL, None, Fault::Limited(RetryAfter::Past), "429 with Retry-After: a date an hour ago"),
    entry("http_429_huge", Layer::Request, ALL, None, Fault::Limited(RetryAfter::Huge), "429 with Retry-After: 99999999999999999999"),
    entry("http_429_missing", Layer::Request, ALL, None, Fault::Limited(RetryAfter::Missing), "429 without Retry-After"),
    entry("http_429_text", Layer::Request, ALL, Some("20s"), Fault::Limited(RetryAfter::Text), "429 with Retry-After: VALUE, whatever it says, such as 20s or inf"),
    entry("insufficient_credits", Layer::Request, G, Some("402"), Fault::NoCredits, "insufficient_credits: the balance is too low; VALUE is the status"),
    entry("http_500", Layer::Request, ALL, None, Fault::Http(500, "internal"), "500"),
    entry("http_502", Layer::Request, ALL, None, Fault::Http(502, "bad_gateway"), "502"),
    entry("http_503", Layer::Request, ALL, Some(""), Fault::Http(503, "unavailable"), "503, with Retry-After: VALUE seconds where one is given"),
    entry("http_504", Layer::Request, ALL, None, Fault::Http(504, "timeout"), "504"),
    entry("made_then_500", Layer::Request, G, None, Fault::MadeThen(500), "the job is made, and then 500"),
    entry("made_then_408", Layer::Request, G, None, Fault::MadeThen(408), "the job is made, and then 408"),
    entry("made_then_302", Layer::Request, G, None, Fault::MadeThen(302), "the job is made, and then a redirect"),
    entry("made_then_401", Layer::Request, G, None, Fault::MadeThen(401), "the job is made, and then 401"),
    entry("not_found_at_first", Layer::Request, S, Some("10"), Fault::NotFoundAtFirst, "404 for the job's first VALUE seconds"),
    entry("redirect_302", Layer::Request, GS, Some("/elsewhere"), Fault::Redirect(302), "302 to VALUE"),
    entry("redirect_307", Layer::Request, GS, Some("/elsewhere"), Fault::Redirect(307), "307 to VALUE"),
    entry("rate_limit", Layer::Request, GS, Some("1"), Fault::RateLimit, "429 above VALUE requests a second for each key"),

    entry("takes", Layer::Pace, S, Some("1"), Fault::Takes, "the job takes VALUE seconds"),
    entry("fail_after", Layer::Job, S, Some("1"), Fault::FailAfter(Why::Both), "the job fails at its VALUE-th poll"),
    entry("fail_code_only", Layer::Job, S, Some("1"), Fault::FailAfter(Why::Code), "the same; its error has a code only"),
    entry("fail_message_only", Layer::Job, S, Some("1"), Fault::FailAfter(Why::Message), "the same; its error has a message only"),
    entry("fail_text", Layer::Job, S, Some("1"), Fault::FailAfter(Why::Text), "the same; its error is a text"),
    entry("fail_null", Layer::Job, S, Some("1"), Fault::FailAfter(Why::Null), "the same; its error is null"),
    entry("fail_nested", Layer::Job, S, Some("1"), Fault::FailAfter(Why::Nested), "the same; its error is in an error"),
    entry("never_ends", Layer::Job, S, None, Fault::NeverEnds, "the job is processing for ever"),
    entry("unknown_status", Layer::Job, S, Some("polishing"), Fault::UnknownStatus, "the status is VALUE, which nobody has seen"),
    entry("step_back", Layer::Job, S, None, Fault::StepBack, "processing becomes pending again"),
    entry("no_downloads", Layer::Job, S, None, Fault::NoDownloads, "completed, with no downloads"),
    entry("late_downloads", Layer::Job, S, Some("2"), Fault::LateDownloads, "completed, with no downloads for VALUE polls"),
    entry("downloads_null", Layer::Job, S, None, Fault::DownloadsNull, "downloads is null"),
    entry("fewer_variants", Layer::Job, S, None, Fault::FewerVariants, "the last variant is missing"),
    entry("other_format", Layer::Job, S, Some("key"), Fault::OtherFormat, "the format is VALUE"),
    entry("unknown_fields", Layer::Job, S, None, Fault::UnknownFields, "fields that nobody has seen"),
    entry("numbers_for_text", Layer::Job, S, None, Fault::NumbersForText, "numbers where text was, and text where numbers were"),

    entry("html", Layer::Body, ALL, None, Fault::Html, "a proxy's HTML page, with 200"),
    entry("empty", Layer::Body, GS, None, Fault::Empty, "no body"),
    entry("cut_json", Layer::Body, GS, None, Fault::CutJson, "JSON cut in the middle, of the length that it says"),
    entry("not_utf8", Layer::Body, GS, None, Fault::NotUtf8, "a byte that is no UTF-8"),
    entry("bom", Layer::Body, GS, None, Fault::Bom, "a byte order mark before the JSON"),
    entry("deep", Layer::Body, GS, Some("100000"), Fault::Deep, "arrays nested VALUE deep"),
    entry("duplicate_keys", Layer::Body, GS, None, Fault::DuplicateKeys, "every key twice; the last one counts"),
    entry("large_body", Layer::Body, GS, Some("52428800"), Fault::Large, "a body of VALUE bytes"),
    entry("gzip", Layer::Body, GS, None, Fault::Gzip, "compressed, though nobody asked"),
    entry("gzip_bomb", Layer::Body, GS, None, Fault::GzipBomb, "a small body that unpacks to 100 MB"),
    entry("wrong_content_type", Layer::Body, GS, None, Fault::WrongContentType, "text/plain"),
    entry("lone_surrogate", Layer::Body, GS, None, Fault::LoneSurrogate, "a title cut in an emoji, as JavaScript writes it: half of a surrogate pair"),
    entry("not_a_number", Layer::Body, GS, None, Fault::NotANumber, "NaN and -Infinity, as Python writes them"),
    entry("long_text", Layer::Body, GS, Some("5000000"), Fault::LongText, "a further text of VALUE bytes"),
    entry("content_encoding", Layer::Body, ALL, Some("utf-8"), Fault::ContentEncoding, "Content-Encoding: VALUE; the bytes are as they were"),

    entry("expired", Layer::File, D, Some("403"), Fault::Expired, "the URL has expired: VALUE is 401, 403, 404 or 410"),
    entry("signature_refused", Layer::File, D, None, Fault::SignatureRefused, "403: the signature is refused"),
    entry("ranges_ignored", Layer::File, D, None, Fault::RangesIgnored, "200 with the whole file, whatever range was asked for"),
    entry("etag_changes", Layer::File, D, Some("0"), Fault::EtagChanges, "another file with another ETag each time, cut after VALUE bytes (0: whole)"),
    entry("cut_at", Layer::File, D, Some("1000"), Fault::CutAt, "the connection ends after VALUE bytes of the body"),
    entry("wrong_length", Layer::File, D, None, Fault::WrongLength, "a Content-Length below the file's"),
    entry("zip_cut", Layer::File, D, None, Fault::ZipCut, "a zip without its end, of the length that it says"),
    entry("zip_bad_crc", Layer::File, D, None, Fault::ZipBadCrc, "a zip in which a checksum is wrong"),
    entry("not_a_zip", Layer::File, D, None, Fault::NotAZip, "bytes that are no zip"),
    entry("zip_without_presentation", Layer::File, D, None, Fault::ZipWithoutPresentation, "a sound zip that is no presentation"),
    entry("gigabyte", Layer::File, D, Some("1073741824"), Fault::Gigabyte, "VALUE bytes"),
    entry("zero_bytes", Layer::File, D, None, Fault::ZeroBytes, "an empty file"),
    entry("redirect_once", Layer::File, D, None, Fault::RedirectOnce, "302 to the same file"),
    entry("redirect_loop", Layer::File, D, None, Fault::RedirectLoop, "302 for ever"),
    entry("redirect_to", Layer::File, D, Some("http://192.0.2.1/file"), Fault::RedirectTo, "302 to VALUE, wherever it is"),
    entry("redirect_other_host", Layer::File, D, None, Fault::RedirectOtherHost, "302 to the same file by another name of this machine, localhost"),
    entry("redirect_to_http", Layer::File, D, None, Fault::RedirectToHttp, "302 to the same file by plain http; with --tls, from https"),

    entry("resume_without_etag", Layer::File, D, None, Fault::ResumeWithoutEtag, "a part of the file has no ETag"),
    entry("resume_weak_etag", Layer::File, D, None, Fault::ResumeWeakEtag, "the ETag of a part is a weak one"),
    entry("resume_overlaps", Layer::File, D, Some("500"), Fault::ResumeOverlaps, "a part begins VALUE bytes before what was asked for"),
    entry("resume_without_range", Layer::File, D, None, Fault::ResumeWithoutRange, "a part does not say which it is"),

    entry("reset_before", Layer::Before, ALL, None, Fault::OnTheWire(Wire::ResetBefore), "reset before the request is read"),
    entry("reset_after", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::ResetAfter), "reset after all is done, before the answer"),
    entry("close_after", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::CloseAfter), "closed after all is done, before the answer"),
    entry("half_answer", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::Half), "half of the answer, then a reset"),
    entry("drip", Layer::Wire, ALL, Some("1000"), Fault::OnTheWire(Wire::Drip(1000)), "one byte, then a pause of VALUE milliseconds of the wall's"),
    entry("no_answer", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::NoAnswer), "not a byte, for ever"),
    entry("stall_head", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::StallHead), "half of the head, then nothing for ever"),
    entry("stall_body", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::StallBody), "half of the body, then nothing for ever"),
    entry("length_long", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::LengthLong), "a Content-Length above what comes"),
    entry("length_short", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::LengthShort), "a Content-Length below what comes"),
    entry("ends_by_reset", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::EndsByReset), "no Content-Length; all that there is, and then a reset, in TLS without its own end"),
    entry("dies_between", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::DiesBetween), "the connection is kept, and reset at the next request"),
    entry("connection_refused", Layer::Wire, ALL, Some("1000"), Fault::OnTheWire(Wire::ThenRefused(1000)), "answered; then all connections are refused for VALUE milliseconds of the wall's"),
    entry("continue_100", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::Continue), "100 Continue before the answer"),
    entry("early_hints_103", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::EarlyHints), "103 Early Hints before the answer"),
    entry("huge_headers", Layer::Wire, ALL, Some("512"), Fault::OnTheWire(Wire::HugeHeaders(512)), "VALUE kilobytes of further headers"),
    entry("many_headers", Layer::Wire, ALL, Some("300"), Fault::OnTheWire(Wire::ManyHeaders(300)), "VALUE further header lines"),
    entry("folded_headers", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::FoldedHeaders), "a header line that goes on in the next one"),
    entry("forbidden_headers", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::ForbiddenHeaders), "header lines that HTTP forbids"),
];

/// All names, as a refusal lists them.
pub fn names() -> String {
    let known: Vec<&str> = TABLE.iter().map(|entry| entry.name).collect();
    known.join(", ")
}

/// The table as programs read it: `value` is the default, null where there is none to give.
pub fn described() -> Vec<Value> {
    let one = |entry: &Entry| {
        let on: Vec<&str> = entry.on.iter().map(|endpoint| endpoint.name()).collect();
        json!({
            "name": entry.name, "layer": entry.layer.name(), "endpoints": on, "value": entry.value,
            "about": entry.about,
        })
    };
    TABLE.iter().map(one).collect()
}

/// The table as people read it.
pub fn listing() -> String {
    let mut text = String::from(
        "A scenario is written NAME[=VALUE][@ENDPOINT][*TIMES][+SKIP], several with commas between them.\n\
         Strongest first: rules of the admin API (POST /_sandbox/rules), the header X-Perceptis-Sandbox, the key\n\
         (sk-sandbox-NAMESPACE--SCENARIO--...), a directive in the prompt ([[sandbox: SCENARIO]]).\n\
         Seconds are the sandbox's own unless a line says otherwise.\n\n",
    );
    for entry in TABLE {
        let on: Vec<&str> = entry.on.iter().map(|endpoint| endpoint.name()).collect();
        let default =
            entry.value.filter(|value| !value.is_empty()).map_or(String::new(), |value| format!("={value}"));
        let name = format!("{}{default}", entry.name);
        let _ = writeln!(text, "{name:<36} {:<26} {}", on.join(","), entry.about);
    }
    text += "\nIn a key, beside scenarios:\n";
    let _ = writeln!(
        text,
        "{:<36} another key of the same organization, which sees none of the others' jobs",
        "user=N"
    );
    text += "\nOf all connections, at once (POST /_sandbox/refuse {\"ms\": N}):\n";
    let _ = writeln!(
        text,
        "{:<36} connections are refused for N milliseconds of the wall's; 0: no longer",
        "refuse"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<_> = TABLE.iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        assert_eq!(listing().split("\n\n").nth(1).unwrap().lines().count(), TABLE.len());
    }
}
