//! `jobs` and `forget`: what the ledger knows, for people and programs that ask. Nothing is asked of the
//! service.

use std::time::Duration;

use serde::Serialize;

use crate::activity::tracker::Tracker;
use crate::client::{Client, default_deadline};
use crate::common::clock::unix_ms;
use crate::config::options::Options;
use crate::error::{Error, Failure, Kind, unwritable};
use crate::ledger::{AskingCall, Entry, Event, Filter, Forgotten, KnownFile, Name};
use crate::model::submission_state::State;
use crate::operations::result::Outcome;

/// A submission as it is listed. Of the request only its hash. What one call asked for is that of the newest
/// one.
#[derive(Serialize)]
struct Listed {
    job_id: Option<String>,
    idempotency_key: String,
    state: State,
    unsettled: bool,
    /// Whether a live process works on it.
    live: bool,
    /// Whether it was submitted with this client's API key.
    own_key: bool,
    operation: String,
    output_type: String,
    variants: u32,
    directory: Option<String>,
    name: Option<String>,
    request_hash: String,
    recorded_unix_ms: u64,
    changed_unix_ms: u64,
    /// The code that the newest call's program was given, "OK" among them; null: none yet.
    told: Option<String>,
    calls: Vec<ListedCall>,
    files: Vec<KnownFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<Event>>,
}

/// One `run` or `generate` that asked for it.
#[derive(Serialize)]
struct ListedCall {
    operation: String,
    directory: Option<String>,
    name: Option<String>,
    told: Option<String>,
    /// Whether its process lives and has not been given its end.
    live: bool,
}

#[derive(Serialize)]
struct List {
    jobs: Vec<Listed>,
    unsettled: u64,
}

impl From<AskingCall> for ListedCall {
    fn from(call: AskingCall) -> ListedCall {
        let AskingCall { operation, directory, name, told, live, .. } = call;
        ListedCall { operation, directory, name, told, live }
    }
}

impl From<Entry> for Listed {
    fn from(entry: Entry) -> Listed {
        let newest = entry.newest();
        Listed {
            job_id: entry.job_id,
            idempotency_key: entry.key,
            state: entry.state,
            unsettled: entry.state.is_unsettled(),
            live: entry.live,
            own_key: entry.own_key,
            operation: newest.operation,
            output_type: entry.output_type,
            variants: entry.variants,
            directory: newest.directory,
            name: newest.name,
            request_hash: entry.request_hash,
            recorded_unix_ms: entry.recorded.unix_ms,
            changed_unix_ms: entry.changed_unix_ms,
            told: newest.told,
            calls: entry.calls.into_iter().map(ListedCall::from).collect(),
            files: entry.files,
            history: None,
        }
    }
}

impl Client {
    /// The submissions that the ledger knows and the options ask for, the newest first.
    ///
    /// # Errors
    /// `NotFound` when the options name a submission that the ledger does not know, `Conflict` when the name
    /// can mean two, `Ledger`.
    pub async fn jobs(&self, options: &Options, tracker: &Tracker) -> Outcome {
        let deadline = self.deadline(options.timeout, self.clock.scaled(default_deadline::LEDGER));
        self.until(deadline, tracker, Box::pin(self.list_jobs(options))).await
    }

    async fn list_jobs(&self, options: &Options) -> Outcome {
        let ledger = &self.ledger;
        let age = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let filter = Filter {
            unsettled: options.unsettled,
            state: options.state,
            name: options.job.as_deref().map(Name::parse),
            changed_since_unix_ms: options.max_age.map(|most| unix_ms().saturating_sub(age(most))),
            own_key: false,
            limit: options.limit,
        };
        if let Some(name) = &filter.name {
            self.check_known(name).await?;
        }
        let mut jobs = Vec::new();
        for entry in ledger.list(filter).await? {
            let row = entry.row;
            let mut listed = Listed::from(entry);
            if options.history {
                listed.history = Some(ledger.history(row).await?);
            }
            jobs.push(listed);
        }
        let list = List { jobs, unsettled: self.unsettled.count().await };
        Ok(serde_json::to_string(&list).map_err(unwritable)?)
    }

    /// Forgets the submission with this job id or idempotency key; with `None` all that are settled. The jobs
    /// and their files are not touched.
    ///
    /// # Errors
    /// `NotFound` when nothing has that name, `Conflict` when a live process works on it or the name can mean
    /// two, `Ledger`.
    pub async fn forget(&self, name: Option<&str>, tracker: &Tracker) -> Result<u64, Failure> {
        let deadline = self.deadline(None, self.clock.scaled(default_deadline::LEDGER));
        let steps = async {
            match self.ledger.forget(name.map(Name::parse)).await? {
                Forgotten::Gone(count) => Ok(count),
                Forgotten::Unknown => Err(unknown_name().into()),
                Forgotten::Live => {
                    let message = "a live process works on that submission; end its call first";
                    Err(Error::new(Kind::Conflict, message).into())
                }
            }
        };
        self.until(deadline, tracker, steps).await
    }

    /// Refuses a name that no submission has.
    pub(crate) async fn check_known(&self, name: &Name) -> Result<(), Error> {
        let filter = Filter { name: Some(name.clone()), limit: 1, ..Filter::default() };
        if self.ledger.list(filter).await?.is_empty() { Err(unknown_name()) } else { Ok(()) }
    }
}

fn unknown_name() -> Error {
    Error::new(Kind::NotFound, "the ledger has no submission with that job id or idempotency key")
}
