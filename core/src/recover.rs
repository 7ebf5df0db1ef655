//! Settling what earlier calls left: submissions in doubt, jobs that run, files that are missing. `promise.md`, 4
//! and 12 to 15.

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::claim::Place;
use crate::client::{Client, Outcome, default_deadline};
use crate::clock::Moment;
use crate::error::{Billed, Failure, Kind};
use crate::ledger::{Entry, Filter, Ledger, Row};
use crate::options::Options;
use crate::record::Record;
use crate::submit::{Way, unwritable};
use crate::tracker::{Phase, Tracker};

/// How many submissions one call settles; more are left to the next.
const MOST_AT_ONCE: usize = 10_000;

/// What became of one submission.
#[derive(Serialize)]
struct Line {
    #[serde(skip)]
    row: Row,
    job_id: Option<String>,
    idempotency_key: String,
    operation: String,
    /// "delivered", "settled" (no files were asked for), "failed", "unknown", "unsettled", "in_work" (somebody
    /// alive works on it), "other_key" (not to be settled with this API key).
    outcome: &'static str,
    billed: Billed,
    code: Option<Kind>,
    message: Option<String>,
    /// As `perceptis_run` would have handed it out.
    result: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Report {
    jobs: Vec<Line>,
    unsettled: u64,
}

impl Line {
    fn of(entry: &Entry, outcome: &'static str) -> Line {
        Line {
            row: entry.row,
            job_id: entry.job_id.clone(),
            idempotency_key: entry.key.clone(),
            operation: entry.operation.clone(),
            outcome,
            billed: Billed::Unknown,
            code: None,
            message: None,
            result: None,
        }
    }
}

impl Client {
    /// Settles every submission that waits for it, or the one that the options name:
    /// `{"jobs": [{"job_id", "idempotency_key", "operation", "outcome", "billed", "code", "message", "result"}],
    /// "unsettled"}`.
    pub async fn recover(self: &Arc<Client>, options: &Options, tracker: &Tracker) -> Outcome {
        let deadline = self.deadline(options.timeout, default_deadline::DECK);
        tracker.phase(Phase::Waiting);
        let ledger = &self.ledger;
        let filter = Filter {
            unsettled: Some(true),
            name: options.job.clone(),
            limit: MOST_AT_ONCE,
            ..Filter::default()
        };
        let entries = ledger.list(filter).await?;
        let mut lines = Vec::with_capacity(entries.len());
        let mut settling = FuturesUnordered::new();
        for entry in entries {
            if !entry.own_key {
                lines.push(Line::of(&entry, "other_key"));
            } else if entry.live {
                lines.push(Line::of(&entry, "in_work"));
            } else {
                settling.push(Box::pin(self.settle_one(ledger, entry, options, deadline, tracker)));
            }
        }
        while let Some(line) = settling.next().await {
            lines.push(line);
        }
        // In the order in which they were submitted.
        lines.sort_by_key(|line| line.row);
        self.takes_over();
        let report = Report { jobs: lines, unsettled: self.unsettled().await };
        Ok(serde_json::to_string(&report).map_err(unwritable)?)
    }

    async fn settle_one(
        self: &Arc<Client>,
        ledger: &Arc<dyn Ledger>,
        entry: Entry,
        options: &Options,
        deadline: Moment,
        whole: &Tracker,
    ) -> Line {
        let mut line = Line::of(&entry, "in_work");
        let entry = match ledger.take(entry.row).await {
            Ok(Some(entry)) => entry,
            Ok(None) => return line,
            Err(error) => return told(line, &error.into()),
        };
        let record = Record::lent(ledger, &entry);
        let tracker = whole.part();
        let files = place_of(&entry);
        let steps = async {
            let place = files.as_ref().map_or(Place::None, Place::Restored);
            let start = Box::pin(self.start_of(entry, false, place, &tracker)).await?;
            let resubmit = options.resubmit;
            self.carry_on(start, &Way { resubmit, deadline, tracker: &tracker, record: Some(&record) }).await
        };
        let end = self.until(deadline, &tracker, steps).await;
        record.release(self, end.as_ref().err(), true).await;
        line.job_id = line.job_id.or_else(|| tracker.job_id());
        match end {
            Ok(json) => {
                line.outcome = if files.is_some() { "delivered" } else { "settled" };
                line.billed = Billed::Yes;
                line.result = serde_json::from_str(&json).ok();
                line
            }
            Err(failure) => told(line, &failure),
        }
    }
}

/// Where the files of a submission belong; `None`: none were asked for.
fn place_of(entry: &Entry) -> Option<Options> {
    let directory = entry.directory.clone()?;
    Some(Options {
        directory: Some(Path::new(&directory).into()),
        name: entry.name.clone(),
        overwrite: entry.overwrite,
        ..Options::default()
    })
}

/// A line about a submission that is not settled, or will never be a deck.
fn told(line: Line, failure: &Failure) -> Line {
    let error = &failure.error;
    let outcome = match error.kind() {
        Kind::JobFailed => "failed",
        Kind::OutcomeUnknown => "unknown",
        _ => "unsettled",
    };
    Line {
        outcome,
        billed: error.details().billed,
        code: Some(error.kind()),
        message: Some(error.message().to_owned()),
        result: failure.result.as_deref().and_then(|json| serde_json::from_str(json).ok()),
        ..line
    }
}
