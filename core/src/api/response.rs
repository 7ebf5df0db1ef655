//! What the service says: the states of jobs, and its refusals.

use std::fmt;

use hyper::header::CONTENT_TYPE;
use serde_json::value::RawValue;

use crate::api::retry_after::retry_after;
use crate::common::json;
use crate::common::text;
use crate::error::message::NO_CREDITS;
use crate::error::{Error, Kind};
use crate::model::api_key::ApiKey;
use crate::model::job_id::JobId;
use crate::model::job_status::JobStatus;
use crate::model::output_type::presentations;
use crate::transport::Response;
use crate::transport::intake;

/// One file of a completed job. Has no `Debug`: its URL is a secret for as long as it holds.
#[derive(Clone)]
pub(crate) struct Download {
    pub(crate) url: String,
    pub(crate) format: String,
    pub(crate) variant: u32,
}

/// A job's state, as far as this library reads it, and the text as it came.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) json: String,
    pub(crate) status: JobStatus,
    pub(crate) output_type: Option<String>,
    pub(crate) downloads: Vec<Download>,
    /// Why a failed job failed, in the service's words.
    pub(crate) error: Option<String>,
}

impl Job {
    /// How many presentations it offers.
    pub(crate) fn offered(&self) -> u32 {
        let formats = self.downloads.iter().map(|entry| entry.format.as_str());
        u32::try_from(presentations(formats)).unwrap_or(u32::MAX)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Reads a status answer. Fields are read leniently (a number for text, null for none), since a finished
/// job must not be lost over a form; the text itself goes to the caller unchanged.
pub(crate) fn read_job(reply: &Response, job_id: &JobId, key: &ApiKey) -> Result<Job, Error> {
    const NAMES: [&str; 5] = ["job_id", "status", "output_type", "downloads", "error"];
    let (json, [id, status, output_type, downloads, error]) = read_object(reply, key, NAMES)?;
    let Some(status) = status.as_deref().and_then(json::text) else {
        return Err(unreadable("has no status", reply, key));
    };
    let id = id.as_deref().and_then(json::text);
    if id.is_some_and(|id| id != job_id.as_str() && JobId::from_service(&id).is_some()) {
        return Err(unreadable("is about another job", reply, key));
    }
    let downloads = downloads.as_deref().map(json::items).unwrap_or_default();
    let downloads = downloads.iter().enumerate().filter_map(|(at, entry)| read_download(at, entry));
    let error = error.as_deref().map(|error| match code_and_message(error) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => json::text(error).unwrap_or_else(|| error.get().to_owned()),
    });
    Ok(Job {
        status: status.into(),
        output_type: output_type.as_deref().and_then(json::text),
        downloads: downloads.collect(),
        error: error.map(|text| shortened(&key.scrub(&text))),
        json,
    })
}

fn read_download(at: usize, entry: &RawValue) -> Option<Download> {
    let [url, format, variant] = json::fields(entry.get(), ["url", "format", "variant"]).ok()?;
    let variant = variant.as_deref().and_then(json::text).and_then(|text| text.parse().ok());
    Some(Download {
        url: url.as_deref().filter(|url| url.get().starts_with('"')).and_then(json::text)?,
        format: format.as_deref().and_then(json::text).unwrap_or_else(|| "pptx".into()),
        variant: variant.unwrap_or_else(|| u32::try_from(at + 1).unwrap_or(u32::MAX)),
    })
}

/// Reads an answer to a submission: the job's id, and the text as it came.
pub(crate) fn read_accepted(reply: &Response, key: &ApiKey) -> Result<(JobId, String), Error> {
    let (json, [id]) = read_object(reply, key, ["job_id"])?;
    let id = id.as_deref().and_then(json::text).filter(|id| !id.is_empty());
    let Some(id) = id else { return Err(unreadable("has no usable job_id", reply, key)) };
    JobId::from_service(&id).map(|job_id| (job_id, json)).ok_or_else(|| unusable(&id, reply, key))
}

/// The error about an id that no path can be made of. It has the id: there may be a job, and it is paid for.
fn unusable(id: &str, reply: &Response, key: &ApiKey) -> Error {
    let message = format!(
        "the service's answer ({}) has no usable job_id but {:?}, of {} bytes; accepted are {}",
        reply.status,
        key.scrub(&shortened(id)),
        id.len(),
        JobId::ACCEPTED
    );
    with_request_id(Error::new(Kind::Protocol, message), reply, key).http_status(reply.status)
}

const COMPRESSED: &str = "is compressed, which was not asked for";

/// The text of an answer that is an object, and its fields of these names.
fn read_object<const N: usize>(
    reply: &Response,
    key: &ApiKey,
    names: [&str; N],
) -> Result<(String, json::Fields<N>), Error> {
    let coded = intake::is_coded(&reply.headers);
    let Some(text) = json::readable(&reply.body) else {
        let what = if coded { COMPRESSED } else { "is not UTF-8" };
        return Err(unreadable(what, reply, key));
    };
    let error = match json::fields(text, names) {
        Ok(fields) => return Ok((text.to_owned(), fields)),
        Err(error) => error,
    };
    if let Some(text) = json::with_numbers(text)
        && let Ok(fields) = json::fields(&text, names)
    {
        return Ok((text, fields));
    }
    let what = if coded {
        COMPRESSED
    } else if error.is_data() {
        "is not a JSON object"
    } else if error.is_eof() && !text.is_empty() {
        "is JSON that was cut short"
    } else {
        "is not JSON"
    };
    Err(unreadable(what, reply, key))
}

/// What an error object says.
fn code_and_message(error: &RawValue) -> (Option<String>, Option<String>) {
    match json::fields(error.get(), ["code", "message"]) {
        Ok([code, message]) => {
            (code.as_deref().and_then(json::text), message.as_deref().and_then(json::text))
        }
        Err(_) => (None, None),
    }
}

/// A success that can't be understood, and what came instead.
fn unreadable(what: &str, reply: &Response, key: &ApiKey) -> Error {
    let message = format!("the service's answer ({}) {what}: {}", reply.status, describe(reply, key));
    with_request_id(Error::new(Kind::Protocol, message), reply, key).http_status(reply.status)
}

/// What the service says when it does not say yes: the HTTP status decides the kind, the body explains.
pub(crate) fn refusal(reply: &Response, key: &ApiKey) -> Error {
    let text = String::from_utf8_lossy(&reply.body);
    let [error] = json::fields(text.trim(), ["error"]).unwrap_or_default();
    let (code, said) = error.as_deref().map(code_and_message).unwrap_or_default();
    let no_credits = reply.status < 500 && code.as_deref() == Some(NO_CREDITS);
    let kind = match reply.status {
        // Neither the key nor the plan is wrong.
        _ if no_credits => Kind::Rejected,
        401 => Kind::Unauthenticated,
        403 => Kind::NotEligible,
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        429 => Kind::RateLimited,
        408 | 425 | 500.. => Kind::Server,
        400..=499 => Kind::Rejected,
        _ => Kind::Protocol,
    };
    let code = code.map(|code| shortened(&key.scrub(&code)));
    let said = said.map(|text| shortened(&key.scrub(&text)));
    let meaning = match kind {
        _ if no_credits => "the organization's credits are used up",
        Kind::Unauthenticated => "the API key is missing, invalid or revoked",
        Kind::NotEligible => "the organization's plan does not include the API",
        Kind::NotFound => "no such job, or another key's",
        Kind::Conflict => "the request conflicts with an earlier one",
        Kind::RateLimited => "too many requests",
        Kind::Server => "the service failed",
        Kind::Rejected => "the service rejected the request",
        _ => "the service answered with a redirect, which is not followed",
    };
    let mut message = format!("{meaning} ({}", reply.status);
    if let Some(code) = &code {
        message += &format!(" {code}");
    }
    message += ")";
    match &said {
        Some(said) => message += &format!(": {said}"),
        None => message += &format!("; it sent {}", describe(reply, key)),
    }
    let error = with_request_id(Error::new(kind, message), reply, key)
        .http_status(reply.status)
        .retry_after(retry_after(&reply.headers))
        .with(|details| details.api_code = code);
    if is_passing(reply.status) { error.retryable() } else { error }
}

/// The statuses that may be another tomorrow: what the retry rules cover.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}

fn with_request_id(error: Error, reply: &Response, key: &ApiKey) -> Error {
    let id = ["x-request-id", "request-id"].iter().find_map(|name| reply.headers.get(*name)?.to_str().ok());
    error.with(|details| details.request_id = id.map(|id| shortened(&key.scrub(id))))
}

fn describe(reply: &Response, key: &ApiKey) -> String {
    let kind =
        reply.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("no content type");
    let start = String::from_utf8_lossy(&reply.body[..reply.body.len().min(400)]);
    format!("{} bytes, {}, {}", reply.body.len(), key.scrub(kind), text::quoted(&key.scrub(start.trim())))
}

fn shortened(text: &str) -> String {
    const MAX_CHARACTERS: usize = 500;
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderMap;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::model::api_key::parse_key;

    fn reply(status: u16, body: Vec<u8>) -> Response {
        Response { status, headers: HeaderMap::new(), body: body.into() }
    }

    /// JSON that looks like the service's, with anything in the place of anything.
    fn near_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[ -~ü\u{0}]{0,12}".prop_map(Value::from),
            Just(Value::from("completed")),
        ];
        let name = prop_oneof![
            Just("status".to_owned()),
            Just("job_id".into()),
            Just("downloads".into()),
            Just("url".into()),
            Just("variant".into()),
            Just("error".into()),
            Just("code".into()),
            Just("message".into()),
            "[a-z]{1,4}",
        ];
        let value = leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(name.clone(), inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        });
        value.prop_map(|value| value.to_string())
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(
            status in 200_u16..600,
            bytes: Vec<u8>,
            json in near_json(),
            cut in 0_usize..400,
        ) {
            let (key, job_id) = (parse_key("sk-1").unwrap(), JobId::from_caller("j1").unwrap());
            let mut short = json.clone().into_bytes();
            short.truncate(cut);
            for body in [bytes, json.into_bytes(), short] {
                let reply = reply(status, body);
                if let Ok(job) = read_job(&reply, &job_id, &key) {
                    prop_assert!(serde_json::from_str::<Value>(&job.json).unwrap().is_object());
                }
                if let Ok((job_id, _)) = read_accepted(&reply, &key) {
                    prop_assert!(JobId::from_caller(job_id.as_str()).is_ok());
                }
                let error = refusal(&reply, &key);
                prop_assert!(error.message().len() < 4_000 && !error.message().contains(char::is_control));
            }
        }
    }

    #[test]
    fn an_answer_is_read_whatever_it_looks_like() {
        let (key, job_id) = (parse_key("sk-1").unwrap(), JobId::from_caller("7").unwrap());
        let read = |body: &str| {
            let job = read_job(&reply(200, body.into()), &job_id, &key);
            job.map(|job| (job.status.to_string(), job.output_type))
                .map_err(|error| error.message().to_owned())
        };
        let good = |status: &str, output: Option<&str>| Ok((status.to_owned(), output.map(str::to_owned)));
        for (body, expected) in [
            (r#"{"job_id": 7, "status": "queued", "output_type": null}"#, good("queued", None)),
            (r#"{"job_id": "7", "status": "a", "status": "b"}"#, good("b", None)),
            (r#"{"st\u0061tus": "processing", "output_type": "deck"}"#, good("processing", Some("deck"))),
            (r#"{"more": {"status": [1, {"status": 2}]}, "status": 3, "job_id": null}"#, good("3", None)),
            (
                "\u{feff} {\"status\": \"completed\", \"downloads\": 5, \"error\": null} ",
                good("completed", None),
            ),
            (r#"{"status": "queued", "more": 1e999, "title": "cut \ud83d"}"#, good("queued", None)),
            (r#"{"status": "queued", "more": [NaN, -Infinity]}"#, good("queued", None)),
        ] {
            assert_eq!(read(body), expected, "{body}");
        }
        for (body, says) in [
            (r#"{"job_id": "8", "status": "queued"}"#, "about another job"),
            (r#"{"job_id": 8, "status": "queued"}"#, "about another job"),
            (r#"{"job_id": "7", "status": null}"#, "no status"),
            (r#"{"status": "queued", "more": [1, 2"#, "cut short"),
            (r#"{"status": "queued", "more": 1e}"#, "is not JSON"),
            (r#"{"status": "queued"} too much"#, "is not JSON"),
            (r#"["status", "queued"]"#, "not a JSON object"),
            ("null", "not a JSON object"),
        ] {
            let error = read(body).unwrap_err();
            assert!(error.contains(says), "{body}: {error}");
        }
        let deep = format!(r#"{{"status": "queued", "more": {}}}"#, "[".repeat(100_000));
        assert!(read(&deep).unwrap_err().contains("is not JSON"));
    }
}
