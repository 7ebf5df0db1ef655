//! What the ledger knows, for whoever asks: the list of submissions, their history, and forgetting them.

use std::time::Duration;

use serde::Serialize;

use crate::client::{Client, Outcome};
use crate::clock::unix_ms;
use crate::error::{Error, Kind};
use crate::ledger::{Entry, Event, Filter, Forgotten, Recorded, State};
use crate::options::Options;
use crate::submit::unwritable;

/// A submission as it is listed. Of the request only its hash.
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
    /// The code that its last caller was told.
    told: Option<String>,
    files: Vec<Recorded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<Event>>,
}

#[derive(Serialize)]
struct List {
    jobs: Vec<Listed>,
    unsettled: u64,
}

impl From<Entry> for Listed {
    fn from(entry: Entry) -> Listed {
        Listed {
            job_id: entry.job_id,
            idempotency_key: entry.key,
            state: entry.state,
            unsettled: entry.state.is_unsettled(),
            live: entry.live,
            own_key: entry.own_key,
            operation: entry.operation,
            output_type: entry.output_type,
            variants: entry.variants,
            directory: entry.directory,
            name: entry.name,
            request_hash: entry.request_hash,
            recorded_unix_ms: entry.recorded_unix_ms,
            changed_unix_ms: entry.changed_unix_ms,
            told: entry.told,
            files: entry.files,
            history: None,
        }
    }
}

impl Client {
    /// The submissions that the ledger knows and the options ask for, the newest first. Asks the service nothing.
    pub async fn jobs(&self, options: &Options) -> Outcome {
        let ledger = &self.ledger;
        let age = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let filter = Filter {
            unsettled: options.unsettled,
            state: options.state,
            name: options.job.clone(),
            changed_since_unix_ms: options.max_age.map(|most| unix_ms().saturating_sub(age(most))),
            own_key: false,
            limit: options.limit,
        };
        let mut jobs = Vec::new();
        for entry in ledger.list(filter).await? {
            let row = entry.row;
            let mut listed = Listed::from(entry);
            if options.history {
                listed.history = Some(ledger.history(row).await?);
            }
            jobs.push(listed);
        }
        let list = List { jobs, unsettled: self.unsettled().await };
        Ok(serde_json::to_string(&list).map_err(unwritable)?)
    }

    /// Forgets the submission with this job id or idempotency key; with `None` all that are settled. The jobs and
    /// their files are not touched.
    ///
    /// # Errors
    /// `NotFound` when nothing has that name, `Conflict` when somebody alive works on it, `Ledger`.
    pub async fn forget(&self, name: Option<&str>) -> Result<u64, Error> {
        match self.ledger.forget(name.map(str::to_owned)).await? {
            Forgotten::Gone(count) => Ok(count),
            Forgotten::Unknown => Err(Error::new(
                Kind::NotFound,
                "the ledger has no submission with that job id or idempotency key; perceptis_jobs lists them",
            )),
            Forgotten::Live => {
                Err(Error::new(Kind::Conflict, "a live process works on that submission; end its call first"))
            }
        }
    }
}
