//! The status of a job: asked for once.

use std::sync::Arc;
use std::time::Duration;

use crate::activity::log::Log;
use crate::api::endpoints::status_path;
use crate::api::response::{self, Job};
use crate::common::clock::Clock;
use crate::config::Settings;
use crate::model::job_id::JobId;
use crate::transport::Transport;
use crate::transport::failure::{AttemptError, FailureKind};

/// The longest that an answer can have polls wait. A header can say anything ("inf", a date in seconds), and
/// the job that is asked about is paid for.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// What one poll brought.
pub(crate) type Polled = Result<Arc<Job>, AttemptError>;

/// Asks the service for the status of jobs.
#[derive(Debug)]
pub(crate) struct StatusApi {
    pub(crate) transport: Arc<Transport>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
}

impl StatusApi {
    /// Asks the service once.
    pub(crate) async fn ask(&self, job_id: &JobId, attempt: u32) -> Polled {
        let local = |error| AttemptError::new(FailureKind::Fault, error);
        let secret = self.settings.api_key().map_err(local)?;
        let begun = self.clock.now();
        let reply = self.transport.call(&status_path(job_id), None, self.settings.status_timeout).await;
        let polled = reply.and_then(|reply| match reply.status {
            200..=299 => match response::read_job(&reply, job_id, secret) {
                Ok(job) => Ok(Arc::new(job)),
                Err(error) => Err(AttemptError::new(FailureKind::Unreadable, error)),
            },
            status => {
                let miss = AttemptError::new(FailureKind::Status(status), response::refusal(&reply, secret));
                Err(self.bounded(miss, job_id))
            }
        });
        let took = self.clock.now().since(begun);
        self.log.request("status", Some(job_id.as_str()), attempt, took, polled.as_ref().map(|_| ()));
        polled
    }

    /// The same failed attempt, for which the next poll waits no longer than an hour.
    fn bounded(&self, miss: AttemptError, job_id: &JobId) -> AttemptError {
        if let Some(asked) = miss.asked().filter(|asked| *asked > MAX_WAIT) {
            self.log.wait_bounded(job_id, asked, MAX_WAIT);
        }
        AttemptError { longest_wait: MAX_WAIT, ..miss }
    }
}
