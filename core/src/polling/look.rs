//! One look at a job.

use std::sync::Arc;

use crate::activity::tracker::Tracker;
use crate::api::response::Job;
use crate::api::status::Polled;
use crate::common::clock::Moment;
use crate::error::Error;
use crate::model::job_id::JobId;
use crate::polling::Poller;
use crate::retry::policy::Asking;
use crate::retry::{Attempt, RetryError, RetryPlan};

/// A look at a job, repeatable.
struct Look<'a> {
    poller: &'a Poller,
    job_id: &'a JobId,
    tracker: &'a Tracker,
}

impl Attempt for Look<'_> {
    type Good = Arc<Job>;

    async fn once(&mut self) -> Polled {
        let job = self.poller.look_once(self.job_id).await?;
        if self.tracker.status(&job.status) {
            self.poller.0.log.status(self.tracker);
        }
        Ok(job)
    }
}

impl Poller {
    /// A job's state, asked for by this plan.
    pub(crate) async fn look(
        &self,
        job_id: &JobId,
        mut plan: RetryPlan<'_>,
        tracker: &Tracker,
    ) -> Result<Arc<Job>, Error> {
        let mut look = Look { poller: self, job_id, tracker };
        self.0.retrier.run(&mut plan, &mut look).await.map_err(RetryError::into_error)
    }
}

/// The plan for looks that are to succeed whatever the service says meanwhile, short of a refusal.
pub(crate) fn patient(deadline: Moment, tracker: &Tracker) -> RetryPlan<'_> {
    const MAX_FAILURES: u32 = 20;
    RetryPlan::new(Asking::Wait, deadline, tracker).at_most(MAX_FAILURES)
}
