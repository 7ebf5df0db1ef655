//! What the service says: the states of jobs, and its refusals.

use std::fmt;
use std::time::{Duration, SystemTime};

use hyper::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::clock;
use crate::error::{Error, Kind};
use crate::job::JobId;
use crate::secret::ApiKey;
use crate::table;
use crate::transport::Reply;

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
    pub(crate) status: String,
    pub(crate) output_type: Option<String>,
    pub(crate) downloads: Vec<Download>,
    /// Why a failed job failed, in the service's words.
    pub(crate) error: Option<String>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Reads a status answer. Fields are read leniently (a number for text, null for none), since a finished
/// job must not be lost over a form; the text itself goes to the caller unchanged.
pub(crate) fn read_job(reply: &Reply, job_id: &JobId, key: &ApiKey) -> Result<Job, Error> {
    let (json, fields) = read_object(reply, key)?;
    let [id, status, output_type, downloads, error] = fields.0;
    let Some(status) = into_text(status) else {
        return Err(unreadable("has no status", reply, key));
    };
    if id.as_str() != Some(job_id.as_str()) && JobId::from_service(&id).is_some_and(|other| other != *job_id)
    {
        return Err(unreadable("is about another job", reply, key));
    }
    let downloads = downloads.as_array().map(Vec::as_slice).unwrap_or_default();
    let downloads = downloads.iter().enumerate().filter_map(|(at, entry)| {
        let variant = entry.get("variant").and_then(text_of).and_then(|text| text.parse().ok());
        Some(Download {
            url: entry.get("url")?.as_str()?.to_owned(),
            format: entry.get("format").and_then(text_of).unwrap_or_else(|| "pptx".into()),
            variant: variant.unwrap_or_else(|| u32::try_from(at + 1).unwrap_or(u32::MAX)),
        })
    });
    let error = Some(error).filter(|error| !error.is_null()).map(|error| {
        let field = |name| error.get(name).and_then(text_of);
        match (field("code"), field("message")) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => text_of(&error).unwrap_or_else(|| error.to_string()),
        }
    });
    Ok(Job {
        status,
        output_type: into_text(output_type),
        downloads: downloads.collect(),
        error: error.map(|text| shortened(&key.scrub(&text))),
        json,
    })
}

/// Reads an answer to a submission: the job's id, and the text as it came.
pub(crate) fn read_accepted(reply: &Reply, key: &ApiKey) -> Result<(JobId, String), Error> {
    let (json, Fields([id, ..])) = read_object(reply, key)?;
    match JobId::from_service(&id) {
        Some(job_id) => Ok((job_id, json)),
        None => Err(unreadable("has no usable job_id", reply, key)),
    }
}

/// What this library reads of an answer, in the order of `NAMES`; null where it is missing. All else is parsed and
/// dropped: an answer comes for each poll, and a tree of it is a dozen allocations, which with thousands of jobs are
/// cold memory each time.
#[derive(Default)]
struct Fields([Value; NAMES.len()]);

const NAMES: [&str; 5] = ["job_id", "status", "output_type", "downloads", "error"];

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(answer: D) -> Result<Fields, D::Error> {
        answer.deserialize_map(Fields::default())
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut answer: A) -> Result<Fields, A::Error> {
        while let Some(name) = answer.next_key_seed(Name)? {
            let value = answer.next_value()?;
            if let Some(at) = name {
                self.0[at] = value;
            }
        }
        Ok(self)
    }
}

/// A field's place in `NAMES`.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Option<usize>, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(NAMES.iter().position(|known| *known == name))
    }
}

fn read_object(reply: &Reply, key: &ApiKey) -> Result<(String, Fields), Error> {
    let text = reply.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&reply.body);
    let Ok(text) = std::str::from_utf8(text) else {
        return Err(unreadable("is not UTF-8", reply, key));
    };
    match serde_json::from_str::<Fields>(text) {
        Ok(fields) => Ok((text.trim().to_owned(), fields)),
        Err(error) if error.is_data() => Err(unreadable("is not a JSON object", reply, key)),
        Err(error) if error.is_eof() && !text.trim().is_empty() => {
            Err(unreadable("is JSON that was cut short", reply, key))
        }
        Err(_) => Err(unreadable("is not JSON", reply, key)),
    }
}

/// A success that can't be understood, and what came instead.
fn unreadable(what: &str, reply: &Reply, key: &ApiKey) -> Error {
    let message = format!("the service's answer ({}) {what}: {}", reply.status, describe(reply, key));
    with_request_id(Error::new(Kind::Protocol, message), reply, key).http_status(reply.status)
}

/// What the service says when it does not say yes: the HTTP status decides the kind, the body explains.
pub(crate) fn refusal(reply: &Reply, key: &ApiKey) -> Error {
    let kind = match reply.status {
        401 => Kind::Unauthenticated,
        403 => Kind::NotEligible,
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        429 => Kind::RateLimited,
        408 | 425 | 500.. => Kind::Server,
        400..=499 => Kind::Rejected,
        _ => Kind::Protocol,
    };
    let value = serde_json::from_slice::<Value>(&reply.body).ok();
    let field = |name| value.as_ref()?.get("error")?.get(name).and_then(text_of);
    let code = field("code").map(|code| shortened(&key.scrub(&code)));
    let said = field("message").map(|text| shortened(&key.scrub(&text)));
    let meaning = match kind {
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

fn with_request_id(error: Error, reply: &Reply, key: &ApiKey) -> Error {
    let id = ["x-request-id", "request-id"].iter().find_map(|name| reply.headers.get(*name)?.to_str().ok());
    error.with(|details| details.request_id = id.map(|id| shortened(&key.scrub(id))))
}

fn describe(reply: &Reply, key: &ApiKey) -> String {
    let kind =
        reply.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("no content type");
    let start = String::from_utf8_lossy(&reply.body[..reply.body.len().min(400)]);
    format!("{} bytes, {}, {}", reply.body.len(), key.scrub(kind), table::quoted(&key.scrub(start.trim())))
}

fn shortened(text: &str) -> String {
    const MOST: usize = 500;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        other => text_of(&other),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The date of an answer (RFC 9110, 6.6.1).
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

/// `Retry-After` (RFC 9110, 10.2.3) in seconds or as a date, which is read against the answer's own `Date`.
/// What is in the past, negative or unreadable asks for nothing.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(then) = httpdate::parse_http_date(text) {
        return then.duration_since(date(headers).unwrap_or_else(clock::date)).ok();
    }
    let seconds: f64 = text.parse().ok()?;
    if seconds.is_nan() || seconds <= 0.0 {
        return None;
    }
    // A wait longer than any deadline is as good as for ever, and does not overflow.
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(FOREVER))
}

const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::parse_key;

    fn reply(status: u16, body: Vec<u8>) -> Reply {
        Reply { status, headers: HeaderMap::new(), body: body.into() }
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
        fn any_answer_is_read_or_refused(status in 200_u16..600, bytes: Vec<u8>, json in near_json(), cut in 0_usize..400) {
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

        #[test]
        fn any_retry_after_is_read_or_ignored(text in "[0-9eE.+: a-zA-Z,-]{0,40}", date in "[ -~]{0,40}") {
            let headers = [(RETRY_AFTER, text), (DATE, date)].map(|(name, text)| (name, text.parse().unwrap()));
            prop_assert!(retry_after(&HeaderMap::from_iter(headers)).is_none_or(|wait| wait <= FOREVER));
        }
    }

    /// What is read without a tree is what a tree of it has.
    #[test]
    fn an_answer_is_read_whatever_it_looks_like() {
        let (key, job_id) = (parse_key("sk-1").unwrap(), JobId::from_caller("7").unwrap());
        let read = |body: &str| {
            let job = read_job(&reply(200, body.into()), &job_id, &key);
            job.map(|job| (job.status, job.output_type)).map_err(|error| error.message().to_owned())
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
        ] {
            assert_eq!(read(body), expected, "{body}");
        }
        for (body, says) in [
            (r#"{"job_id": "8", "status": "queued"}"#, "about another job"),
            (r#"{"job_id": 8, "status": "queued"}"#, "about another job"),
            (r#"{"job_id": "7", "status": null}"#, "no status"),
            (r#"{"status": "queued", "more": [1, 2"#, "cut short"),
            (r#"{"status": "queued", "more": 1e999}"#, "is not JSON"),
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

    fn wait(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (hyper::header::HeaderName::from_static(name), value.parse().unwrap()));
        retry_after(&headers.collect())
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let date = ("date", "Tue, 24 Nov 2026 12:00:00 GMT");
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(wait(&[("retry-after", "7")]), seconds(7));
        assert_eq!(wait(&[("retry-after", "1.5")]), Some(Duration::from_millis(1500)));
        assert_eq!(wait(&[date, ("retry-after", "Tue, 24 Nov 2026 12:00:09 GMT")]), seconds(9));
        assert_eq!(wait(&[date, ("retry-after", "Tue, 24 Nov 2026 11:00:00 GMT")]), None);
        assert_eq!(wait(&[("retry-after", "99999999999999999999999")]), Some(FOREVER));
        for nothing in ["-5", "0", "soon", "", "NaN", "inf "] {
            let parsed = wait(&[("retry-after", nothing)]);
            assert!(parsed.is_none() || parsed == Some(FOREVER), "{nothing}: {parsed:?}");
        }
        assert_eq!(wait(&[]), None);
    }
}
