//! All jobs, in memory, bounded.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::job::Job;
use super::job_id;
use super::keys::ApiKey;
use super::request::Wanted;

/// The oldest jobs are forgotten beyond this.
const MOST_JOBS: usize = 100_000;

/// What became of a submission.
pub enum Submitted {
    /// A job, new or known: its id and output type.
    Job(String, &'static str),
    /// The idempotency key was used with another body.
    Conflict,
}

/// The jobs, and under which keys they were submitted. The docs leave open how long and for whom a key is
/// remembered: here as long as the job, for the API key.
#[derive(Default)]
pub struct Store {
    jobs: HashMap<String, Job>,
    order: VecDeque<String>,
    submissions: HashMap<(ApiKey, String), String>,
    submitted: u64,
}

impl Store {
    /// A job, whoever's it is.
    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// Submits a request, or finds the job that it is already.
    pub fn submit(
        &mut self,
        key: &ApiKey,
        idempotency_key: Option<&str>,
        wanted: Wanted,
        now: Duration,
        seed: u64,
    ) -> Submitted {
        let submission = idempotency_key.map(|text| (key.clone(), text.to_owned()));
        if let Some(known) = submission.as_ref().and_then(|submission| self.submissions.get(submission))
            && let Some(job) = self.jobs.get(known)
        {
            if job.wanted.digest != wanted.digest {
                return Submitted::Conflict;
            }
            return Submitted::Job(known.clone(), job.wanted.output_type.name());
        }
        let id = job_id(seed, self.submitted);
        self.submitted += 1;
        let output_type = wanted.output_type.name();
        self.jobs.insert(id.clone(), Job::new(&id, key.clone(), wanted, now, idempotency_key));
        self.order.push_back(id.clone());
        if let Some(submission) = submission {
            self.submissions.insert(submission, id.clone());
        }
        while self.order.len() > MOST_JOBS {
            self.forget_oldest();
        }
        Submitted::Job(id, output_type)
    }

    fn forget_oldest(&mut self) {
        let oldest = self.order.pop_front().and_then(|id| self.jobs.remove(&id));
        if let Some(job) = oldest
            && let Some(idempotency_key) = job.idempotency_key
        {
            self.submissions.remove(&(job.key, idempotency_key));
        }
    }
}
