//! `get_status`: a job's state.

use std::sync::Arc;

use crate::activity::tracker::{Phase, Tracker};
use crate::client::{Client, default_deadline};
use crate::config::options::Options;
use crate::model::job_id::JobId;
use crate::operations::result::Outcome;
use crate::retry::RetryPlan;
use crate::retry::policy::Asking;

impl Client {
    /// A job's state, as the service's own JSON. Passing failures are retried within the deadline.
    pub async fn get_status(
        self: &Arc<Client>,
        job_id: &JobId,
        options: &Options,
        tracker: &Tracker,
    ) -> Outcome {
        let deadline = self.deadline(options.timeout, default_deadline::STATUS);
        tracker.phase(Phase::Waiting);
        self.until(deadline, tracker, async {
            let plan = RetryPlan::new(Asking::Look, deadline, tracker);
            let job = self.poller.look(job_id, plan, tracker).await?;
            self.submitter.note_end(job_id, &job.status).await;
            Ok(job.json.clone())
        })
        .await
    }
}
