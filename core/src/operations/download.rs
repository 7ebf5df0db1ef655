//! `download`: the files of a job that is completed.

use std::sync::{Arc, OnceLock};

use crate::activity::tracker::Tracker;
use crate::client::{Client, default_deadline};
use crate::common::blocking::blocking;
use crate::common::clock::Moment;
use crate::config::options::Options;
use crate::download::order::DownloadPlan;
use crate::error::{Billed, Error, Failure, Kind};
use crate::files::destination::Destination;
use crate::model::job_id::JobId;
use crate::model::job_status::JobStatus;
use crate::operations::result::Outcome;
use crate::polling::watch::{LastSeen, job_failed};
use crate::results::{DeckResult, Made, MadeFailure};
use crate::retry::RetryPlan;
use crate::retry::policy::Asking;
use crate::submission::lease::{Lease, MAX_WAIT};
use crate::submission::receipt::Hearing;

impl Client {
    /// Fetches the files of a completed job into the directory and under the name of the options.
    pub async fn download(
        self: &Arc<Client>,
        job_id: &JobId,
        options: &Options,
        tracker: &Tracker,
    ) -> Outcome {
        let deadline = self.deadline(options.timeout, default_deadline::DOWNLOAD);
        let slot = OnceLock::new();
        let steps = Box::pin(self.download_job(job_id, options.clone(), deadline, tracker, &slot));
        let end = self.until(deadline, tracker, steps).await;
        self.finish(slot.get(), end, true, Hearing::AtReturn, tracker).await.outcome
    }

    async fn download_job(
        self: &Arc<Client>,
        job_id: &JobId,
        options: Options,
        deadline: Moment,
        tracker: &Tracker,
        slot: &OnceLock<Lease>,
    ) -> Result<Made, MadeFailure> {
        // Checked before the first request; how many names there will be is known only after it.
        Destination::prepare(&Options { name: None, ..options.clone() }, 0, true).await?;
        self.submitter.learn(job_id).await;
        let plan = RetryPlan::new(Asking::Look, deadline, tracker);
        let mut job = self.poller.look(job_id, plan, tracker).await?;
        let asked = self.timing.own_job(job_id).map_or(1, |own| own.variants).max(1);
        if job.status == JobStatus::Completed && job.offered() < asked {
            // Files can be late (`promise.md`, 7).
            job = self.poller.watch(job_id, asked, LastSeen::WithoutFiles, tracker).await?;
        }
        match &job.status {
            JobStatus::Completed => {}
            JobStatus::Failed => return Err(job_failed(job_id, &job).into()),
            status => {
                let message = format!("job {job_id} is {status}: it has no files yet; wait for it first");
                let unfinished = DeckResult::of(job_id, &job, Billed::Unknown)?;
                let error = Error::new(Kind::Incomplete, message).retryable();
                let error = error.with(|details| details.billed = Billed::Unknown);
                return Err(Failure { error, result: Some(Made::Deck(Box::new(unfinished))) });
            }
        }
        let leased = tokio::time::timeout(MAX_WAIT, self.submitter.lease_of_job(job_id)).await;
        if let Ok(Some((lease, _))) = leased {
            // One call has one.
            let _ = slot.set(lease);
        }
        let variants = self.timing.own_job(job_id).map_or_else(|| job.offered(), |own| own.variants).max(1);
        let target = Destination::prepare(&options, variants, true).await?;
        let id = job_id.clone();
        let target = Box::new(blocking(move || target.look_for_job(&id, variants, true)).await?);
        let order = DownloadPlan {
            job_id,
            variants,
            start: None,
            known: &[],
            lease: slot.get(),
            target,
            deadline,
            tracker,
        };
        self.downloader.fetch_all(job, order).await
    }
}
