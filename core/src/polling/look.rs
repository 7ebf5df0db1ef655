//! One look at a job.

use std::sync::Arc;
use std::time::Duration;

use crate::activity::tracker::Tracker;
use crate::api::endpoints::status_path;
use crate::api::response::{self, Job};
use crate::api::status::Polled;
use crate::client::Client;
use crate::common::clock::Moment;
use crate::error::Error;
use crate::model::job_id::JobId;
use crate::retry::policy::Asking;
use crate::retry::{Attempt, Course, Ended};
use crate::transport::failure::{Came, Miss};

/// The longest that an answer can have polls wait. A header can say anything ("inf", a date in seconds), and
/// the job that is asked about is paid for.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// A look at a job, repeatable.
struct Look<'a> {
    client: &'a Arc<Client>,
    job_id: &'a JobId,
    tracker: &'a Tracker,
}

impl Attempt for Look<'_> {
    type Good = Arc<Job>;

    async fn once(&mut self) -> Polled {
        let job = self.client.look_once(self.job_id).await?;
        if self.tracker.status(&job.status, self.client.clock.now()) {
            self.client.log.status(self.tracker);
        }
        Ok(job)
    }
}

impl Client {
    /// A job's state, asked for on this course.
    pub(crate) async fn look(
        self: &Arc<Client>,
        job_id: &JobId,
        mut course: Course<'_>,
        tracker: &Tracker,
    ) -> Result<Arc<Job>, Error> {
        let mut look = Look { client: self, job_id, tracker };
        self.attempts(&mut course, &mut look).await.map_err(Ended::told)
    }

    /// Asks the service once.
    pub(crate) async fn ask(&self, job_id: &JobId, attempt: u32) -> Polled {
        let local = |error| Miss::new(Came::Fault, error);
        let secret = self.api_key().map_err(local)?;
        let begun = self.clock.now();
        let reply = self.transport.call(&status_path(job_id), None, self.settings.status_timeout).await;
        let polled = reply.and_then(|reply| match reply.status {
            200..=299 => match response::read_job(&reply, job_id, secret) {
                Ok(job) => Ok(Arc::new(job)),
                Err(error) => Err(Miss::new(Came::Unreadable, error)),
            },
            status => {
                let miss = Miss::new(Came::Status(status), response::refusal(&reply, secret));
                Err(self.bounded(miss, job_id))
            }
        });
        let took = self.clock.now().since(begun);
        self.log.request("status", Some(job_id.as_str()), attempt, took, polled.as_ref().map(|_| ()));
        polled
    }

    /// The same miss, for which the next poll waits no longer than an hour.
    fn bounded(&self, miss: Miss, job_id: &JobId) -> Miss {
        if let Some(asked) = miss.asked().filter(|asked| *asked > MAX_WAIT) {
            self.log.wait_bounded(job_id, asked, MAX_WAIT);
        }
        Miss { longest_wait: MAX_WAIT, ..miss }
    }

    /// The course of looks that are to succeed whatever the service says meanwhile, short of a refusal.
    pub(crate) fn patient<'a>(&self, deadline: Moment, tracker: &'a Tracker) -> Course<'a> {
        const MOST_FAILURES: u32 = 20;
        Course::new(Asking::Wait, deadline, tracker).at_most(MOST_FAILURES)
    }
}
