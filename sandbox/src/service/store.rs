//! The store: the jobs of a namespace, bounded in number and size, and their idempotency keys.

use std::collections::{HashMap, VecDeque};

use super::job::Job;
use super::keys::ApiKey;
use super::submission::Submission;

/// The oldest jobs are forgotten when there are more, or when their prompts and images take more bytes.
const MAX_JOBS: usize = 100_000;
const MAX_BYTES: usize = 512 << 20;
const MAX_ERRORS: usize = 10_000;

/// How an idempotency key is kept. The documentation leaves open for how long and for which API keys. By
/// default a key is kept as long as its job, for one API key.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyPolicy {
    /// The key is forgotten.
    pub forgotten: bool,
    /// All API keys share one set of idempotency keys.
    pub per_organization: bool,
    /// The first submission with this key is still in work.
    pub in_work: bool,
}

/// What the store knows of a submission.
#[derive(Debug, PartialEq)]
pub enum Lookup {
    /// Nothing: it makes a new job.
    New,
    /// It has made this job: its id and output type.
    Known(String, &'static str),
    /// The idempotency key was used with another body.
    Conflict,
    /// The first submission with this key is still in work.
    InWork,
}

/// The jobs of a namespace.
#[derive(Debug, Default)]
pub struct Store {
    jobs: HashMap<String, Job>,
    order: VecDeque<String>,
    bytes: usize,
    submissions: HashMap<(Option<ApiKey>, String), String>,
    /// The errors that are repeated: status and body of each.
    errors: HashMap<(ApiKey, String), (u16, Vec<u8>)>,
}

impl Store {
    /// A job, of any API key.
    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// A job, to change it.
    pub fn job_mut(&mut self, id: &str) -> Option<&mut Job> {
        self.jobs.get_mut(id)
    }

    /// The jobs, the oldest first.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = (&String, &Job)> {
        self.order.iter().filter_map(|id| self.jobs.get_key_value(id))
    }

    /// The number of jobs.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// The job that was submitted with an idempotency key, by this API key or by any.
    pub fn submission(&self, key: Option<&ApiKey>, idempotency_key: &str) -> Option<(&String, &Job)> {
        let id = self.submissions.get(&(key.cloned(), idempotency_key.to_owned()))?;
        self.jobs.get_key_value(id)
    }

    /// Whether this submission makes a new job.
    pub fn look_up(
        &self,
        key: &ApiKey,
        idempotency_key: Option<&str>,
        submission: &Submission,
        policy: KeyPolicy,
    ) -> Lookup {
        let Some(text) = idempotency_key else { return Lookup::New };
        let owner = (!policy.per_organization).then_some(key);
        let Some((id, job)) = self.submission(owner, text).filter(|_| !policy.forgotten) else {
            return Lookup::New;
        };
        if policy.in_work {
            return Lookup::InWork;
        }
        if job.submission.digest != submission.digest {
            return Lookup::Conflict;
        }
        Lookup::Known(id.clone(), job.submission.output_type.name())
    }

    /// Adds a job. Returns the ids of the jobs that are forgotten for it.
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

    /// The error that is kept under this idempotency key.
    pub fn error(&self, key: &ApiKey, idempotency_key: &str) -> Option<&(u16, Vec<u8>)> {
        self.errors.get(&(key.clone(), idempotency_key.to_owned()))
    }

    /// Keeps an error, to repeat it.
    pub fn keep_error(&mut self, key: &ApiKey, idempotency_key: &str, status: u16, body: &[u8]) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.insert((key.clone(), idempotency_key.to_owned()), (status, body.to_vec()));
        }
    }
}
