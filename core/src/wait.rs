//! Waiting for a job's end. A failed poll is not a failed job.

use std::time::Duration;

use crate::answer::Job;
use crate::client::{Client, Outcome, default_deadline};
use crate::error::{Billed, Error, Kind};
use crate::job::JobId;
use crate::options::Options;
use crate::pace::Distances;
use crate::tracker::{Phase, Tracker};

/// How long after a submission "not found" can mean "not yet".
const NOT_YET: Duration = Duration::from_secs(30);
/// How often "completed" without all files is asked again before it counts.
const LATE_FILES: u32 = 5;

impl Client {
    /// Waits until a job is completed and returns the service's last answer.
    pub async fn wait(&self, job_id: &JobId, options: &Options, tracker: &Tracker) -> Outcome {
        // Until the first answer nobody knows what is made; the longer deadline is the safe one.
        let deadline = self.deadline(options.timeout, default_deadline::DECK);
        self.until(deadline, tracker, async {
            let expected = self.own_job(job_id).map_or(1, |own| own.variants);
            Ok(self.wait_until_completed(job_id, expected, tracker).await?.json)
        })
        .await
    }

    /// Polls until the job is completed with `expected` files, has failed, or can't be seen. Has no end of
    /// its own but these: the caller's deadline is around it.
    pub(crate) async fn wait_until_completed(
        &self,
        job_id: &JobId,
        expected: u32,
        tracker: &Tracker,
    ) -> Result<Job, Error> {
        tracker.phase(Phase::Waiting);
        let own = self.own_job(job_id);
        let mut distances = Distances::new(self.settings.poll_first, self.settings.poll_max);
        if let Some(own) = own {
            self.clock.sleep_until(own.submitted.after(distances.next())).await;
        }
        let mut late = 0;
        loop {
            let mut floor = None;
            match self.poll(job_id, tracker).await {
                Ok(job) if job.status == "completed" => {
                    if job.downloads.len() >= expected.max(1) as usize || late == LATE_FILES {
                        return Ok(job);
                    }
                    late += 1;
                }
                Ok(job) if job.status == "failed" => return Err(job_failed(job_id, &job)),
                Ok(_) => {}
                Err(error) => {
                    let fresh = own.is_some_and(|own| self.clock.now().since(own.submitted) < NOT_YET);
                    match error.kind() {
                        Kind::Unauthenticated | Kind::NotEligible => return Err(unseen(error)),
                        Kind::NotFound if !fresh => return Err(unseen(error)),
                        Kind::Configuration | Kind::Internal | Kind::Closed => return Err(unseen(error)),
                        // All else passes: an outage, an unreadable answer, a limit.
                        _ => {
                            floor = error.details().retry_after_ms.map(Duration::from_millis);
                            tracker.bears(&error, floor);
                        }
                    }
                }
            }
            let distance = distances.next().max(floor.unwrap_or_default());
            self.clock.sleep(self.jitter.tenth_more(distance)).await;
        }
    }
}

fn unseen(error: Error) -> Error {
    error.with(|details| details.billed = Billed::Unknown)
}

/// The error of a job that the service gave up.
pub(crate) fn job_failed(job_id: &JobId, job: &Job) -> Error {
    let why = job.error.as_deref().unwrap_or("the service gave no reason");
    Error::new(Kind::JobFailed, format!("job {job_id} failed and is not billed: {why}")).with(|details| {
        details.billed = Billed::No;
        details.job_id = Some(job_id.to_string());
    })
}
