//! One look at a job.

use std::time::Duration;

use crate::answer::{self, Job};
use crate::client::{Client, Outcome, default_deadline};
use crate::clock::Moment;
use crate::error::{Error, Kind};
use crate::job::JobId;
use crate::options::Options;
use crate::submit::closed;
use crate::tracker::{Phase, Tracker};

impl Client {
    /// A job's state, as the service's own JSON. Passing failures are retried within the deadline.
    pub async fn get_status(&self, job_id: &JobId, options: &Options, tracker: &Tracker) -> Outcome {
        let deadline = self.deadline(options.timeout, default_deadline::STATUS);
        tracker.phase(Phase::Waiting);
        self.until(deadline, tracker, async { Ok(self.look(job_id, deadline, tracker).await?.json) }).await
    }

    /// A job's state, with passing failures retried to the deadline.
    pub(crate) async fn look(
        &self,
        job_id: &JobId,
        deadline: Moment,
        tracker: &Tracker,
    ) -> Result<Job, Error> {
        let mut retry = self.retry(deadline);
        loop {
            let error = match self.poll(job_id, tracker).await {
                Ok(job) => return Ok(job),
                Err(error) if error.details().retryable => error,
                Err(error) => return Err(error),
            };
            let floor = error.details().retry_after_ms.map(Duration::from_millis);
            tracker.bears(&error, floor);
            if let Err(wait) = retry.pause(floor).await {
                return Err(error.retry_after(Some(floor.unwrap_or(wait))));
            }
        }
    }

    /// Asks once, in this job's turn and at the pace that the service last asked for.
    pub(crate) async fn poll(&self, job_id: &JobId, tracker: &Tracker) -> Result<Job, Error> {
        let url = self.settings.origin()?.status(job_id);
        let turn = self.turns.take(self.clock, job_id).await;
        let reply = {
            let _slot = self.polls.acquire().await.map_err(closed)?;
            // Asked again after each wait: another job's 429 may have come meanwhile.
            while let Some(until) = self.poll_hold.until().filter(|until| *until > self.clock.now()) {
                self.clock.sleep_until(until).await;
            }
            let reply = self.transport.call(url, None, self.settings.status_timeout).await;
            drop(turn);
            reply.map_err(|lost| lost.error)?
        };
        let secret = self.api_key()?;
        if !(200..=299).contains(&reply.status) {
            let error = answer::refusal(&reply, secret);
            if error.kind() == Kind::RateLimited {
                let wait =
                    error.details().retry_after_ms.map_or(self.settings.poll_max, Duration::from_millis);
                self.poll_hold.extend(self.clock, wait);
            }
            return Err(error);
        }
        let job = answer::read_job(&reply, job_id, secret)?;
        tracker.status(&job.status);
        self.succeeded();
        Ok(job)
    }
}
