//! What a client tells of its work as it goes: one JSON object a record.

use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::activity::tracker::Tracker;
use crate::common::clock;
use crate::config::log_level::Level;
use crate::error::Error;
use crate::model::job_id::JobId;
use crate::transport::failure::AttemptError;

/// Where records go. Called on any thread and must not block.
pub trait Sink: Send + Sync + std::fmt::Debug {
    /// Takes a record, a JSON object.
    fn take(&self, record: String);
}

/// A client's log: records up to a level go to the sink, where there is one.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    sink: Option<Arc<dyn Sink>>,
    level: Level,
}

impl Log {
    pub(crate) fn new(sink: Option<Arc<dyn Sink>>, level: Level) -> Log {
        Log { sink, level }
    }

    /// Writes a record; `fields` is called only where there is a sink.
    fn write(&self, level: Level, event: &str, fields: impl FnOnce(&mut Map<String, Value>)) {
        let Some(sink) = self.sink.as_ref().filter(|_| level <= self.level) else { return };
        let since = clock::date().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut record = Map::new();
        put(&mut record, "unix_ms", milliseconds(since));
        put(&mut record, "level", level);
        put(&mut record, "event", event);
        fields(&mut record);
        sink.take(Value::Object(record).to_string());
    }

    /// One request to the service and what it came to. `what` is "generate", "status" or "download".
    pub(crate) fn request(
        &self,
        what: &str,
        job_id: Option<&str>,
        attempt: u32,
        took: Duration,
        came: Result<(), &AttemptError>,
    ) {
        self.write(Level::Debug, "request", |record| {
            put(record, "request", what);
            put(record, "job_id", job_id);
            put(record, "attempt", attempt);
            put(record, "took_ms", milliseconds(took));
            match came {
                Ok(()) => put(record, "outcome", "answered"),
                Err(miss) => put_miss(record, miss),
            }
        });
    }

    /// An attempt failed and is repeated after a wait.
    pub(crate) fn retrying(&self, tracker: &Tracker, attempt: u32, miss: &AttemptError, wait: Duration) {
        self.write(Level::Warning, "retrying", |record| {
            put_operation(record, tracker);
            put(record, "attempt", attempt);
            put(record, "wait_ms", milliseconds(wait));
            put_miss(record, miss);
        });
    }

    /// A poll failed, which ends nothing.
    pub(crate) fn poll_failed(&self, tracker: &Tracker, miss: &AttemptError) {
        self.write(Level::Warning, "poll failed", |record| {
            put_operation(record, tracker);
            put_miss(record, miss);
        });
    }

    /// An answer to a poll asked to wait longer than polls wait.
    pub(crate) fn wait_bounded(&self, job_id: &JobId, asked: Duration, wait: Duration) {
        self.write(Level::Warning, "wait bounded", |record| {
            put(record, "job_id", job_id.as_str());
            put(record, "asked_ms", milliseconds(asked));
            put(record, "wait_ms", milliseconds(wait));
            put(record, "message", "the service asked polls to wait longer than an hour: they wait an hour");
        });
    }

    /// From here on only an acceptance settles the submission.
    pub(crate) fn in_doubt(&self, tracker: &Tracker) {
        self.write(Level::Warning, "outcome unknown", |record| put_operation(record, tracker));
    }

    /// A job has another status than before.
    pub(crate) fn status(&self, tracker: &Tracker) {
        self.write(Level::Info, "status", |record| put_operation(record, tracker));
    }

    /// An operation begins.
    pub(crate) fn started(&self, tracker: &Tracker) {
        self.write(Level::Info, "started", |record| put_operation(record, tracker));
    }

    /// The ledger could not record what happened to a submission; the call goes on all the same.
    pub(crate) fn not_recorded(&self, message: &str) {
        self.write(Level::Error, "not recorded", |record| put(record, "message", message));
    }

    /// A call goes on with an equal call's submission.
    pub(crate) fn adopted(&self, tracker: &Tracker) {
        self.write(Level::Warning, "adopted", |record| {
            put_operation(record, tracker);
            put(
                record,
                "message",
                "an equal call was left without its end: this call continues its submission",
            );
        });
    }

    /// Submissions of earlier calls wait for `recover`.
    pub(crate) fn unsettled(&self, count: u64) {
        self.write(Level::Warning, "unsettled", |record| {
            put(record, "unsettled", count);
            put(record, "message", "submissions of earlier calls wait for perceptis_recover");
        });
    }

    /// An operation was ended from outside; its job goes on.
    pub(crate) fn stopped(&self, tracker: &Tracker) {
        self.write(Level::Info, "stopped", |record| put_operation(record, tracker));
    }

    /// An operation has ended, well or with this failure.
    pub(crate) fn finished(&self, tracker: &Tracker, failure: Option<&Error>) {
        let (level, event) =
            if failure.is_some() { (Level::Error, "failed") } else { (Level::Info, "finished") };
        self.write(level, event, |record| {
            put_operation(record, tracker);
            if let Some(error) = failure {
                put(record, "code", error.kind());
                put(record, "billed", error.details().billed);
                put(record, "message", error.message());
            }
        });
    }
}

fn put_operation(record: &mut Map<String, Value>, tracker: &Tracker) {
    if let Ok(Value::Object(activity)) = serde_json::to_value(tracker.activity()) {
        record.extend(
            activity.into_iter().filter(|(name, value)| !value.is_null() && !name.starts_with("eta")),
        );
    }
}

fn put_miss(record: &mut Map<String, Value>, miss: &AttemptError) {
    put(record, "outcome", miss.came.word());
    put(record, "http_status", miss.error.details().http_status);
    put(record, "message", miss.error.message());
}

/// Puts what there is; nothing is put for nothing.
fn put(record: &mut Map<String, Value>, name: &str, value: impl Serialize) {
    match serde_json::to_value(value) {
        Ok(Value::Null) | Err(_) => {}
        Ok(value) => {
            record.insert(name.to_owned(), value);
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
