//! The jobs of a namespace, bounded, and the idempotency keys under which they were submitted.

use std::collections::{HashMap, VecDeque};

use super::job::Job;
use super::keys::ApiKey;
use super::request::Wanted;

/// The oldest jobs are forgotten beyond this, and beyond so many bytes of prompts and images.
const MAX_JOBS: usize = 100_000;
const MAX_BYTES: usize = 512 << 20;
const MAX_ERRORS: usize = 10_000;

/// How idempotency keys are kept. The docs leave open how long and for whom: by default as long as the job,
/// for the API key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keeping {
    /// This one is forgotten.
    pub forgotten: bool,
    /// One set of keys for all API keys.
    pub per_organization: bool,
    /// The first submission under this key is still in work.
    pub in_work: bool,
}

/// What became of a submission.
#[derive(Debug, PartialEq)]
pub enum Submitted {
    /// A new job.
    New,
    /// The job that it is already: its id and output type.
    Known(String, &'static str),
    /// The idempotency key was used with another body.
    Conflict,
    /// The first submission under this key is still in work.
    InWork,
}

/// The jobs of a namespace.
#[derive(Debug, Default)]
pub struct Store {
    jobs: HashMap<String, Job>,
    order: VecDeque<String>,
    bytes: usize,
    submissions: HashMap<(Option<ApiKey>, String), String>,
    /// Errors that are repeated: status and body under their key.
    errors: HashMap<(ApiKey, String), (u16, Vec<u8>)>,
}

impl Store {
    /// A job of any key.
    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// A job, to ask about it.
    pub fn job_mut(&mut self, id: &str) -> Option<&mut Job> {
        self.jobs.get_mut(id)
    }

    /// The jobs, the oldest first.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = (&String, &Job)> {
        self.order.iter().filter_map(|id| self.jobs.get_key_value(id))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// The job that was submitted under an idempotency key, by this API key or by any.
    pub fn submission(&self, key: Option<&ApiKey>, idempotency_key: &str) -> Option<(&String, &Job)> {
        let id = self.submissions.get(&(key.cloned(), idempotency_key.to_owned()))?;
        self.jobs.get_key_value(id)
    }

    /// Whether this submission is a new job.
    pub fn look_up(
        &self,
        key: &ApiKey,
        idempotency_key: Option<&str>,
        wanted: &Wanted,
        keeping: Keeping,
    ) -> Submitted {
        let Some(text) = idempotency_key else { return Submitted::New };
        let owner = (!keeping.per_organization).then_some(key);
        let Some((id, job)) = self.submission(owner, text).filter(|_| !keeping.forgotten) else {
            return Submitted::New;
        };
        if keeping.in_work {
            return Submitted::InWork;
        }
        if job.wanted.digest != wanted.digest {
            return Submitted::Conflict;
        }
        Submitted::Known(id.clone(), job.wanted.output_type.name())
    }

    /// Keeps a new job; returns the ids of those that are forgotten for it.
    pub fn insert(&mut self, id: &str, job: Job) -> Vec<String> {
        if let Some(text) = &job.idempotency_key {
            self.submissions.insert((Some(job.key.clone()), text.clone()), id.to_owned());
            self.submissions.insert((None, text.clone()), id.to_owned());
        }
        self.bytes += job.bytes();
        self.jobs.insert(id.to_owned(), job);
        self.order.push_back(id.to_owned());
        let mut forgotten = Vec::new();
        while self.order.len() > 1 && (self.order.len() > MAX_JOBS || self.bytes > MAX_BYTES) {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(job) = self.jobs.remove(&oldest) {
                self.bytes -= job.bytes();
                if let Some(text) = job.idempotency_key {
                    self.submissions.remove(&(Some(job.key), text.clone()));
                    self.submissions.remove(&(None, text));
                }
            }
            forgotten.push(oldest);
        }
        forgotten
    }

    /// An error that is kept under this key.
    pub fn error(&self, key: &ApiKey, idempotency_key: &str) -> Option<&(u16, Vec<u8>)> {
        self.errors.get(&(key.clone(), idempotency_key.to_owned()))
    }

    /// Keeps an error.
    pub fn keep_error(&mut self, key: &ApiKey, idempotency_key: &str, status: u16, body: &[u8]) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.insert((key.clone(), idempotency_key.to_owned()), (status, body.to_vec()));
        }
    }
}
