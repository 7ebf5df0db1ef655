//! What operations return: results as they are made, and their JSON.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::response::Job;
use crate::error::{Billed, Error, Failure, unwritable};
use crate::files::partial::Partial;
use crate::model::job_id::JobId;

/// A result in the making.
#[derive(Debug)]
pub(crate) enum Made {
    Deck(Box<DeckResult>),
    Accepted(Box<AcceptedResult>),
    /// The service's own answer.
    Status(String),
}

/// The steps of a call that ended early: always an error, and with `Incomplete` also what came.
pub(crate) type MadeFailure = Failure<Made>;

impl Made {
    /// As JSON. `recorded`: whether the ledger has all that happened.
    pub(crate) fn render(self, recorded: bool) -> Result<String, Error> {
        let text = match self {
            Made::Deck(deck) => serde_json::to_string(&DeckResult { recorded, ..*deck }),
            Made::Accepted(accepted) => serde_json::to_string(&AcceptedResult { recorded, ..*accepted }),
            Made::Status(json) => Ok(json),
        };
        text.map_err(unwritable)
    }
}

/// A file on disk, as results list it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeliveredFile {
    pub(crate) path: String,
    pub(crate) variant: u32,
    pub(crate) format: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    /// What the caller should know about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl DeliveredFile {
    /// What is known of a file by what has arrived.
    pub(crate) fn of_part(part: &Partial) -> DeliveredFile {
        DeliveredFile {
            path: String::new(),
            variant: 0,
            format: String::new(),
            size: part.length,
            sha256: part.sums().sha256.hex_so_far(),
            note: None,
        }
    }
}

/// What `run` and `download` hand out.
#[derive(Debug, Serialize)]
pub(crate) struct DeckResult {
    pub(crate) job_id: String,
    pub(crate) status: String,
    pub(crate) output_type: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) billed: Billed,
    pub(crate) adopted: bool,
    pub(crate) recorded: bool,
    pub(crate) unsettled: u64,
    /// What the caller should know about the submission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    pub(crate) files: Vec<DeliveredFile>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unverified: Vec<DeliveredFile>,
    /// The service's last answer; null where the ledger and the disk knew all.
    pub(crate) job: Option<Box<RawValue>>,
}

impl DeckResult {
    /// What the service says of a job.
    pub(crate) fn of(job_id: &JobId, job: &Job, billed: Billed) -> Result<DeckResult, Error> {
        Ok(DeckResult {
            job_id: job_id.to_string(),
            status: job.status.to_string(),
            output_type: job.output_type.clone(),
            idempotency_key: None,
            billed,
            adopted: false,
            recorded: false,
            unsettled: 0,
            note: None,
            files: Vec::new(),
            unverified: Vec::new(),
            job: Some(RawValue::from_string(job.json.clone()).map_err(unwritable)?),
        })
    }
}

/// What `generate` hands out.
#[derive(Debug, Serialize)]
pub(crate) struct AcceptedResult {
    pub(crate) job_id: String,
    pub(crate) idempotency_key: String,
    pub(crate) output_type: String,
    pub(crate) billed: Billed,
    pub(crate) adopted: bool,
    pub(crate) recorded: bool,
    pub(crate) unsettled: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// The service's own answer; null where this call sent nothing, since the ledger knew the job.
    pub(crate) answer: Option<Box<RawValue>>,
}
