//! `recover`: settling what earlier calls left: submissions in doubt, jobs that run, files that are missing.
//! `promise.md`, 4 and 12 to 15.

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::activity::tracker::{Phase, Tracker};
use crate::client::{Client, default_deadline};
use crate::common::clock::Moment;
use crate::config::options::Options;
use crate::error::{Billed, Error, Failure, Kind, unwritable};
use crate::ledger::{AskingCall, Entry, Filter, Name, Row, TOLD_OK};
use crate::operations::result::{Outcome, render};
use crate::results::{Made, MadeFailure};
use crate::submission::begin::TargetOptions;
use crate::submission::lease::{Lease, MAX_OVERRUN};
use crate::submission::receipt::Hearing;
use crate::submission::send::CallContext;

/// How many submissions one call settles; more are left to the next.
const MAX_AT_ONCE: usize = 10_000;

/// What became of one submission.
#[derive(Serialize)]
struct Line {
    #[serde(skip)]
    row: Row,
    job_id: Option<String>,
    idempotency_key: String,
    operation: String,
    /// "delivered", "settled" (no files were asked for), "failed", "unknown", "unsettled", "in_work" (a live
    /// process works on it), "other_key" (not to be settled with this API key).
    outcome: &'static str,
    billed: Billed,
    code: Option<Kind>,
    message: Option<String>,
    /// As `run` would have handed it out.
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
            operation: entry.newest().operation,
            outcome,
            // Whatever comes of this: the service may have the request.
            billed: Billed::Unknown,
            code: None,
            message: None,
            result: None,
        }
    }

    /// A line about a submission that is not settled, or will never be a deck.
    fn failed(self, failure: &Failure) -> Line {
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
            ..self
        }
    }
}

impl Client {
    /// Settles every submission that waits for it, or the one that the options name: `{"jobs": [{"job_id",
    /// "idempotency_key", "operation", "outcome", "billed", "code", "message", "result"}], "unsettled"}`.
    ///
    /// # Errors
    /// `NotFound` when the options name a submission that the ledger does not know, `Conflict` when the name
    /// can mean two, `Ledger`.
    pub async fn recover(self: &Arc<Client>, options: &Options, tracker: &Tracker) -> Outcome {
        let deadline = self.deadline(options.timeout, default_deadline::DECK);
        tracker.phase(Phase::Waiting);
        // The settling of each submission ends by the deadline, so that a report comes all the same.
        let steps = Box::pin(self.recover_all(options, deadline, tracker));
        self.until(deadline.after(self.clock.scaled(MAX_OVERRUN)), tracker, steps).await
    }

    async fn recover_all(
        self: &Arc<Client>,
        options: &Options,
        deadline: Moment,
        tracker: &Tracker,
    ) -> Outcome {
        let name = options.job.as_deref().map(Name::parse);
        if let Some(name) = &name {
            self.check_known(name).await?;
        }
        let filter = Filter { unsettled: Some(true), name, limit: MAX_AT_ONCE, ..Filter::default() };
        let entries = self.ledger.list(filter).await?;
        let mut lines = Vec::with_capacity(entries.len());
        let mut settling = FuturesUnordered::new();
        for entry in entries {
            if !entry.own_key {
                lines.push(Line::of(&entry, "other_key"));
            } else if entry.live {
                lines.push(Line::of(&entry, "in_work"));
            } else {
                settling.push(Box::pin(self.settle_one(entry, options, deadline, tracker)));
            }
        }
        while let Some(line) = settling.next().await {
            lines.push(line);
        }
        // In the order in which they were submitted.
        lines.sort_by_key(|line| line.row);
        self.unsettled.changed();
        let report = Report { jobs: lines, unsettled: self.unsettled.count().await };
        Ok(serde_json::to_string(&report).map_err(unwritable)?)
    }

    async fn settle_one(
        self: &Arc<Client>,
        entry: Entry,
        options: &Options,
        deadline: Moment,
        whole: &Tracker,
    ) -> Line {
        let mut line = Line::of(&entry, "in_work");
        let tracker = whole.child();
        let taken = async { Ok::<_, Failure>(self.ledger.take(entry.row).await?) };
        let entry = match self.until(deadline, &tracker, taken).await {
            Ok(Some(entry)) => entry,
            Ok(None) => return line,
            Err(failure) => return line.failed(&failure),
        };
        let lease = Lease::of(&self.submitter, entry.row);
        let targets = targets_of(&entry);
        let wants_files = !targets.is_empty();
        let context =
            CallContext { resubmit: options.resubmit, deadline, tracker: &tracker, lease: Some(&lease) };
        let steps = Box::pin(self.settle(entry, targets, &context));
        let end = self.until(deadline, &tracker, steps).await;
        let (end, _) = lease.finish(end, true, Hearing::AtReturn, tracker.overrun()).await;
        line.job_id = line.job_id.or_else(|| tracker.job_id());
        match render(end, lease.is_written()) {
            Ok(json) => {
                line.outcome = if wants_files { "delivered" } else { "settled" };
                line.billed = Billed::Yes;
                line.result = serde_json::from_str(&json).ok();
                line
            }
            Err(failure) => line.failed(&failure),
        }
    }

    /// Brings the files to each directory and name where a call wanted them and does not have them; the
    /// newest call's first.
    async fn settle(
        self: &Arc<Client>,
        entry: Entry,
        targets: Vec<TargetOptions>,
        context: &CallContext<'_>,
    ) -> Result<Made, MadeFailure> {
        let row = entry.row;
        let mut targets = targets.into_iter();
        let start = self.submitter.start_of(entry, false, targets.next(), context.tracker)?;
        let made = Box::pin(self.carry_on(start, context)).await?;
        for target in targets {
            // What the first target has got is in the ledger by now.
            let known = self.known_row(row).await?;
            let start = self.submitter.start_of(known, false, Some(target), context.tracker)?;
            Box::pin(self.carry_on(start, context)).await?;
        }
        Ok(made)
    }

    async fn known_row(&self, row: Row) -> Result<Entry, Error> {
        let filter = Filter { unsettled: Some(true), limit: MAX_AT_ONCE, ..Filter::default() };
        let found = self.ledger.list(filter).await?.into_iter().find(|entry| entry.row == row);
        found.ok_or_else(|| Error::new(Kind::Ledger, "the ledger no longer has this submission"))
    }
}

/// Where the files of a submission belong, one for each target; none were asked for where it is empty.
fn targets_of(entry: &Entry) -> Vec<TargetOptions> {
    let wants = |call: &&AskingCall| call.directory.is_some();
    let waits = |call: &&AskingCall| wants(call) && call.told.as_deref() != Some(TOLD_OK);
    let mut calls: Vec<&AskingCall> = entry.calls.iter().filter(waits).collect();
    if calls.is_empty() {
        calls.extend(entry.calls.iter().find(wants));
    }
    let mut targets: Vec<TargetOptions> = Vec::new();
    for call in calls {
        let Some(directory) = call.directory.as_deref() else { continue };
        let same = |target: &TargetOptions| {
            let options = target.options();
            options.directory.as_deref() == Some(Path::new(directory)) && options.name == call.name
        };
        if targets.iter().any(same) {
            continue;
        }
        let options = Options {
            directory: Some(Path::new(directory).into()),
            name: call.name.clone(),
            overwrite: call.overwrite,
            ..Options::default()
        };
        targets.push(TargetOptions::Restored(Arc::new(options), call.replaceable.as_deref().map(Arc::from)));
    }
    targets
}
