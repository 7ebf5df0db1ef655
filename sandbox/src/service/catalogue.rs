//! The catalogue of scenarios: the name of each, and a line that says what it does.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::fault::{Endpoint, ErrorShape, Fault, Layer, RetryAfter};
use crate::http::Wire;
use crate::tls;

/// One scenario of the catalogue.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The layer of its fault.
    pub layer: Layer,
    /// The endpoints that it can apply to.
    pub on: &'static [Endpoint],
    /// The default value. `None`: it takes no value.
    pub value: Option<&'static str>,
    /// A line that says what it does.
    pub about: &'static str,
    /// The fault.
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

/// The scenarios.
#[rustfmt::skip]
pub const CATALOGUE: &[Entry] = &[
    entry("revoked", Layer::Access, GS, None, Fault::Revoked, "401: the API key was revoked"),
    entry("trial", Layer::Access, GS, None, Fault::Trial, "403: the organization is on a trial plan"),
    entry("unknown_key", Layer::Access, GS, None, Fault::UnknownKey,
        "401: the service does not know the API key"),

    entry("keys_forgotten", Layer::Idempotency, G, Some("60"), Fault::KeysForgotten,
        "idempotency keys are forgotten after VALUE seconds"),
    entry("keys_per_organization", Layer::Idempotency, G, None, Fault::KeysPerOrganization,
        "one set of idempotency keys for all API keys of the namespace"),
    entry("conflict_in_work", Layer::Idempotency, G, Some("10"), Fault::ConflictInWork,
        "409 to a repeated idempotency key for VALUE seconds, as if the first request were in work"),
    entry("errors_kept", Layer::Idempotency, G, None, Fault::ErrorsKept,
        "errors other than 429 are remembered under their idempotency key, and repeated"),

    entry("http_400", Layer::Response, ALL, None, Fault::Http(400, "invalid_request"), "400 invalid_request"),
    entry("http_401", Layer::Response, ALL, None, Fault::Http(401, "unauthorized"), "401"),
    entry("http_403", Layer::Response, ALL, None, Fault::Http(403, "forbidden"), "403"),
    entry("http_404", Layer::Response, ALL, None, Fault::Http(404, "not_found"), "404 not_found"),
    entry("http_408", Layer::Response, ALL, None, Fault::Http(408, "timeout"), "408"),
    entry("http_409", Layer::Response, ALL, None, Fault::Http(409, "idempotency_conflict"),
        "409 idempotency_conflict"),
    entry("request_in_progress", Layer::Response, G, None, Fault::Http(409, "request_in_progress"),
        "409 request_in_progress: another request with this idempotency key is in work"),
    entry("ambiguous_template", Layer::Response, G, None, Fault::Http(409, "ambiguous_template_name"),
        "409 ambiguous_template_name"),
    entry("http_410", Layer::Response, ALL, None, Fault::Http(410, "gone"), "410"),
    entry("http_416", Layer::Response, D, None, Fault::Http(416, "invalid_request"),
        "416, whatever range the request asks for"),
    entry("http_422", Layer::Response, ALL, None, Fault::Http(422, "invalid_request"), "422"),
    entry("http_425", Layer::Response, ALL, None, Fault::Http(425, "too_early"), "425"),
    entry("http_429", Layer::Response, ALL, Some("5"), Fault::Limited(RetryAfter::Seconds),
        "429 with Retry-After: VALUE seconds"),
    entry("http_429_date", Layer::Response, ALL, Some("5"), Fault::Limited(RetryAfter::Date),
        "429 with Retry-After: a date in VALUE seconds"),
    entry("http_429_fraction", Layer::Response, ALL, Some("1.5"), Fault::Limited(RetryAfter::Fraction),
        "429 with Retry-After: VALUE, a fraction of a second"),
    entry("http_429_negative", Layer::Response, ALL, None, Fault::Limited(RetryAfter::Negative),
        "429 with Retry-After: -5"),
    entry("http_429_past", Layer::Response, ALL, None, Fault::Limited(RetryAfter::Past),
        "429 with Retry-After: a date an hour ago"),
    entry("http_429_huge", Layer::Response, ALL, None, Fault::Limited(RetryAfter::Huge),
        "429 with Retry-After: 99999999999999999999"),
    entry("http_429_missing", Layer::Response, ALL, None, Fault::Limited(RetryAfter::Missing),
        "429 without Retry-After"),
    entry("http_429_text", Layer::Response, ALL, Some("20s"), Fault::Limited(RetryAfter::Text),
        "429 with Retry-After: VALUE, which is any text, such as 20s or inf"),
    entry("insufficient_credits", Layer::Response, G, Some("402"), Fault::NoCredits,
        "insufficient_credits: the balance is too low; VALUE is the status"),
    entry("http_500", Layer::Response, ALL, None, Fault::Http(500, "internal"), "500"),
    entry("http_502", Layer::Response, ALL, None, Fault::Http(502, "bad_gateway"), "502"),
    entry("http_503", Layer::Response, ALL, Some(""), Fault::Http(503, "unavailable"),
        "503; with a VALUE, Retry-After: VALUE seconds"),
    entry("http_504", Layer::Response, ALL, None, Fault::Http(504, "timeout"), "504"),
    entry("made_then_500", Layer::Response, G, None, Fault::MadeThen(500),
        "the job is created, but the response is 500"),
    entry("made_then_408", Layer::Response, G, None, Fault::MadeThen(408),
        "the job is created, but the response is 408"),
    entry("made_then_302", Layer::Response, G, None, Fault::MadeThen(302),
        "the job is created, but the response is a redirect"),
    entry("made_then_401", Layer::Response, G, None, Fault::MadeThen(401),
        "the job is created, but the response is 401"),
    entry("not_found_at_first", Layer::Response, S, Some("10"), Fault::NotFoundAtFirst,
        "404 for the first VALUE seconds of the job"),
    entry("redirect_302", Layer::Response, GS, Some("/elsewhere"), Fault::Redirect(302), "302 to VALUE"),
    entry("redirect_307", Layer::Response, GS, Some("/elsewhere"), Fault::Redirect(307), "307 to VALUE"),
    entry("rate_limit", Layer::Response, GS, Some("1"), Fault::RateLimit,
        "429 to each API key above VALUE requests a second"),

    entry("takes", Layer::Pace, S, Some("1"), Fault::Takes, "the job takes VALUE seconds"),
    entry("fail_after", Layer::Job, S, Some("1"), Fault::FailAfter(ErrorShape::Both),
        "the job fails at its VALUE-th poll"),
    entry("fail_code_only", Layer::Job, S, Some("1"), Fault::FailAfter(ErrorShape::Code),
        "like fail_after; the error has a code only"),
    entry("fail_message_only", Layer::Job, S, Some("1"), Fault::FailAfter(ErrorShape::Message),
        "like fail_after; the error has a message only"),
    entry("fail_text", Layer::Job, S, Some("1"), Fault::FailAfter(ErrorShape::Text),
        "like fail_after; the error is a text"),
    entry("fail_null", Layer::Job, S, Some("1"), Fault::FailAfter(ErrorShape::Null),
        "like fail_after; the error is null"),
    entry("fail_nested", Layer::Job, S, Some("1"), Fault::FailAfter(ErrorShape::Nested),
        "like fail_after; the error is inside another error"),
    entry("never_ends", Layer::Job, S, None, Fault::NeverEnds, "the job stays in processing"),
    entry("unknown_status", Layer::Job, S, Some("polishing"), Fault::UnknownStatus,
        "the status is VALUE, which is not documented"),
    entry("step_back", Layer::Job, S, None, Fault::StepBack,
        "the status goes back from processing to pending"),
    entry("no_downloads", Layer::Job, S, None, Fault::NoDownloads, "completed, but without downloads"),
    entry("late_downloads", Layer::Job, S, Some("2"), Fault::LateDownloads,
        "completed, but without downloads for VALUE polls"),
    entry("downloads_null", Layer::Job, S, None, Fault::DownloadsNull, "downloads is null"),
    entry("fewer_variants", Layer::Job, S, None, Fault::FewerVariants, "the last variant is missing"),
    entry("other_format", Layer::Job, S, Some("key"), Fault::OtherFormat, "the format is VALUE"),
    entry("unknown_fields", Layer::Job, S, None, Fault::UnknownFields,
        "the response has fields that are not documented"),
    entry("numbers_for_text", Layer::Job, S, None, Fault::NumbersForText,
        "numbers in the place of texts, and texts in the place of numbers"),

    entry("html", Layer::Body, ALL, None, Fault::Html, "200 with the HTML page of a proxy"),
    entry("empty", Layer::Body, GS, None, Fault::Empty, "the body is empty"),
    entry("cut_json", Layer::Body, GS, None, Fault::CutJson,
        "the first half of the JSON; Content-Length agrees"),
    entry("not_utf8", Layer::Body, GS, None, Fault::NotUtf8, "the JSON has a byte that is not UTF-8"),
    entry("bom", Layer::Body, GS, None, Fault::Bom, "a byte order mark before the JSON"),
    entry("deep", Layer::Body, GS, Some("100000"), Fault::Deep, "arrays that are nested VALUE deep"),
    entry("duplicate_keys", Layer::Body, GS, None, Fault::DuplicateKeys,
        "every key twice; the second value is the right one"),
    entry("large_body", Layer::Body, GS, Some("52428800"), Fault::Large, "a body of VALUE bytes"),
    entry("gzip", Layer::Body, GS, None, Fault::Gzip,
        "the body is compressed, though the request did not accept that"),
    entry("gzip_bomb", Layer::Body, GS, None, Fault::GzipBomb,
        "a small compressed body that unpacks to 100 MB"),
    entry("wrong_content_type", Layer::Body, GS, None, Fault::WrongContentType, "Content-Type: text/plain"),
    entry("lone_surrogate", Layer::Body, GS, None, Fault::LoneSurrogate,
        "a title that is cut inside an emoji: one half of a surrogate pair"),
    entry("not_a_number", Layer::Body, GS, None, Fault::NotANumber,
        "NaN and -Infinity, as Python writes them"),
    entry("long_text", Layer::Body, GS, Some("5000000"), Fault::LongText,
        "one more field, a text of VALUE bytes"),
    entry("content_encoding", Layer::Body, ALL, Some("utf-8"), Fault::ContentEncoding,
        "Content-Encoding: VALUE, but the bytes are not encoded"),

    entry("expired", Layer::File, D, Some("403"), Fault::Expired,
        "the URL has expired; VALUE is the status: 401, 403, 404 or 410"),
    entry("signature_refused", Layer::File, D, None, Fault::SignatureRefused,
        "403: the signature is refused"),
    entry("ranges_ignored", Layer::File, D, None, Fault::RangesIgnored,
        "200 with the whole file, whatever range the request asks for"),
    entry("etag_changes", Layer::File, D, Some("0"), Fault::EtagChanges,
        "each response is another file with another ETag, cut after VALUE bytes (0: not cut)"),
    entry("cut_at", Layer::File, D, Some("1000"), Fault::CutAt,
        "the connection ends after VALUE bytes of the body"),
    entry("wrong_length", Layer::File, D, None, Fault::WrongLength,
        "a Content-Length below the length of the file"),
    entry("zip_cut", Layer::File, D, None, Fault::ZipCut,
        "a zip without its last third; Content-Length agrees"),
    entry("zip_bad_crc", Layer::File, D, None, Fault::ZipBadCrc, "a zip with a wrong checksum"),
    entry("not_a_zip", Layer::File, D, None, Fault::NotAZip, "bytes that are not a zip"),
    entry("zip_without_presentation", Layer::File, D, None, Fault::ZipWithoutPresentation,
        "a correct zip that is not a presentation"),
    entry("gigabyte", Layer::File, D, Some("1073741824"), Fault::Gigabyte, "a file of VALUE bytes"),
    entry("zero_bytes", Layer::File, D, None, Fault::ZeroBytes, "an empty file"),
    entry("redirect_once", Layer::File, D, None, Fault::RedirectOnce, "302 to the same file"),
    entry("redirect_loop", Layer::File, D, None, Fault::RedirectLoop, "302 to the same file, each time"),
    entry("redirect_to", Layer::File, D, Some("http://192.0.2.1/file"), Fault::RedirectTo,
        "302 to VALUE, on any host"),
    entry("redirect_other_host", Layer::File, D, None, Fault::RedirectOtherHost,
        "302 to the same file on localhost, another name of this machine"),
    entry("redirect_to_http", Layer::File, D, None, Fault::RedirectToHttp,
        "302 to the same file over plain HTTP; with --tls, from https"),

    entry("resume_without_etag", Layer::File, D, None, Fault::ResumeWithoutEtag,
        "a partial response has no ETag"),
    entry("resume_weak_etag", Layer::File, D, None, Fault::ResumeWeakEtag,
        "a partial response has a weak ETag"),
    entry("resume_overlaps", Layer::File, D, Some("500"), Fault::ResumeOverlaps,
        "a partial response begins VALUE bytes before the range of the request"),
    entry("resume_without_range", Layer::File, D, None, Fault::ResumeWithoutRange,
        "a partial response has no Content-Range"),

    entry("reset_before", Layer::Before, ALL, None, Fault::OnTheWire(Wire::ResetBefore),
        "the connection is reset before the request is read"),
    entry("reset_after", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::ResetAfter),
        "the request takes effect, then the connection is reset without a response"),
    entry("close_after", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::CloseAfter),
        "the request takes effect, then the connection is closed without a response"),
    entry("half_answer", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::Half),
        "the first half of the response, then a reset"),
    entry("drip", Layer::Wire, ALL, Some("1000"), Fault::OnTheWire(Wire::Drip(1000)),
        "the response byte by byte, with VALUE milliseconds of real time after each"),
    entry("no_answer", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::NoAnswer),
        "no byte of a response; the connection stays open"),
    entry("stall_head", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::StallHead),
        "half of the head, and no more; the connection stays open"),
    entry("stall_body", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::StallBody),
        "half of the body, and no more; the connection stays open"),
    entry("length_long", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::LengthLong),
        "a Content-Length above the length of the body"),
    entry("length_short", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::LengthShort),
        "a Content-Length below the length of the body"),
    entry("ends_by_reset", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::EndsByReset),
        "the whole response without Content-Length, then a reset (TLS: without close_notify)"),
    entry("dies_between", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::DiesBetween),
        "the connection stays open, and is reset when the next request begins"),
    entry("connection_refused", Layer::Wire, ALL, Some("1000"), Fault::OnTheWire(Wire::ThenRefused(1000)),
        "a response; from then on all connections are refused for VALUE milliseconds of real time"),
    entry("continue_100", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::Continue),
        "100 Continue before the response"),
    entry("early_hints_103", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::EarlyHints),
        "103 Early Hints before the response"),
    entry("huge_headers", Layer::Wire, ALL, Some("512"), Fault::OnTheWire(Wire::HugeHeaders(512)),
        "VALUE kilobytes of additional headers"),
    entry("many_headers", Layer::Wire, ALL, Some("300"), Fault::OnTheWire(Wire::ManyHeaders(300)),
        "VALUE additional header lines"),
    entry("folded_headers", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::FoldedHeaders),
        "a header that continues on the next line"),
    entry("forbidden_headers", Layer::Wire, ALL, None, Fault::OnTheWire(Wire::ForbiddenHeaders),
        "header lines that HTTP forbids"),
];

/// All names, for an error that lists them.
pub fn names() -> String {
    let known: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name).collect();
    known.join(", ")
}

/// The catalogue for programs. `value` is the default; it is null where the scenario takes no value.
pub fn described() -> Vec<Value> {
    let one = |entry: &Entry| {
        let on: Vec<&str> = entry.on.iter().map(|endpoint| endpoint.name()).collect();
        json!({
            "name": entry.name, "layer": entry.layer.name(), "endpoints": on, "value": entry.value,
            "about": entry.about,
        })
    };
    CATALOGUE.iter().map(one).collect()
}

const INTRODUCTION: &str = "\
A scenario is written NAME[=VALUE][@ENDPOINT][*TIMES][+SKIP]; several are separated by commas.
Sources, the strongest first: a rule of the admin API (POST /_sandbox/rules), the header X-Perceptis-Sandbox,
the key (sk-sandbox-NAMESPACE--SCENARIO--...), a directive in the prompt ([[sandbox: SCENARIO]]).
Seconds are seconds of the sandbox's clock. Real time is named where it counts.
";

/// All scenarios, keys and certificates that make something go wrong, for people.
pub fn listing() -> String {
    let mut text = format!("{INTRODUCTION}\n");
    for entry in CATALOGUE {
        let on: Vec<&str> = entry.on.iter().map(|endpoint| endpoint.name()).collect();
        let default =
            entry.value.filter(|value| !value.is_empty()).map_or(String::new(), |value| format!("={value}"));
        let name = format!("{}{default}", entry.name);
        let _ = writeln!(text, "{name:<36} {:<26} {}", on.join(","), entry.about);
    }
    text += "\nIn a key, beside scenarios:\n";
    let user = "another API key of the same organization, which does not see the jobs of the others";
    let _ = writeln!(text, "{:<36} {user}", "user=N");
    text += "\nFor all connections at once (POST /_sandbox/refuse {\"ms\": N}):\n";
    let refuse = "connections are refused for N milliseconds of real time; 0 ends that";
    let _ = writeln!(text, "{:<36} {refuse}", "refuse");
    text + &tls::listing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogue_lists_each_name_once() {
        let mut names: Vec<_> = CATALOGUE.iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CATALOGUE.len());
        assert_eq!(listing().split("\n\n").nth(1).unwrap().lines().count(), CATALOGUE.len());
    }
}
