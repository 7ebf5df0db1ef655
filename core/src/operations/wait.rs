//! `wait`: until a job has ended.

use std::sync::Arc;

use crate::activity::tracker::{Phase, Tracker};
use crate::client::{Client, default_deadline};
use crate::config::options::Options;
use crate::error::Kind;
use crate::model::job_id::JobId;
use crate::model::job_status::JobStatus;
use crate::operations::result::Outcome;
use crate::polling::watch::LastSeen;

impl Client {
    /// Waits until a job is completed and returns the service's last answer.
    pub fn wait(
        self: Arc<Client>,
        job_id: JobId,
        options: Arc<Options>,
        tracker: Tracker,
    ) -> impl Future<Output = Outcome> + Send {
        // Until the first answer it is not known what is made; the longer deadline is the safe one.
        let deadline = self.deadline(options.timeout, default_deadline::DECK);
        async move {
            let steps = async {
                Box::pin(self.submitter.learn(&job_id)).await;
                let expected = self.timing.own_job(&job_id).map_or(1, |own| own.variants);
                tracker.phase(Phase::Waiting);
                let end = self.poller.watch(&job_id, expected, LastSeen::Not, &tracker).await;
                let status = match &end {
                    Ok(job) => Some(job.status.clone()),
                    Err(error) if error.kind() == Kind::JobFailed => Some(JobStatus::Failed),
                    Err(_) => None,
                };
                if let Some(status) = status {
                    // In a box of its own: a call waits for minutes before this, and should be small then.
                    Box::pin(self.submitter.note_end(&job_id, &status)).await;
                }
                Ok(end?.json.clone())
            };
            self.until(deadline, &tracker, steps).await
        }
    }
}
