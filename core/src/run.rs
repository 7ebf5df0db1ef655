//! A request in, files out.

use std::sync::{Arc, OnceLock};

use crate::claim::{Call, Stage, Start};
use crate::client::{Client, Outcome, blocking, default_deadline};
use crate::download::Order;
use crate::error::{Error, Failure};
use crate::job::JobId;
use crate::ledger::Step;
use crate::options::Options;
use crate::request::Request;
use crate::submit::Way;
use crate::tracker::{Phase, Tracker};
use crate::wait::Seen;

impl Client {
    /// Submits a request, waits for its job and fetches the files. Whatever can be wrong with the call or
    /// the target is found before anything is submitted; what the ledger knows is continued and not submitted again.
    pub async fn run(self: &Arc<Client>, request: &Request, options: &Options, tracker: &Tracker) -> Outcome {
        let single = request.output_type() == "single_slide";
        let default = if single { default_deadline::SLIDE } else { default_deadline::DECK };
        let deadline = self.deadline(options.timeout, default);
        let place = OnceLock::new();
        let end = self
            .until(deadline, tracker, async {
                let call = Call { operation: "run", request, options, deadline, tracker, place: &place };
                // In boxes of their own: a call waits for minutes between these steps, and should be small then.
                let start = Box::pin(self.begin(&call)).await?;
                self.carry_on(start, &Way { options, deadline, tracker, record: place.get() }).await
            })
            .await;
        if let Some(record) = place.get() {
            record.release(self, end.as_ref().err(), true).await;
        }
        end
    }

    /// Takes a submission from wherever it stands to its end.
    pub(crate) async fn carry_on(self: &Arc<Client>, mut start: Start, way: &Way<'_>) -> Outcome {
        let tracker = way.tracker;
        let job_id = match &start.stage {
            Stage::Job(job_id) => {
                tracker.key(&start.key);
                tracker.continues(job_id);
                job_id.clone()
            }
            Stage::Submit { .. } => Box::pin(self.submit(&start, way)).await?.0,
        };
        let variants = start.variants;
        let Some(mut target) = start.target.take() else {
            return self.see_to_its_end(&job_id, variants, way).await;
        };
        if !target.has_names() {
            // Without a name the job's id is one, and it is known only now.
            let held = job_id.clone();
            target = blocking(move || {
                target.hold_for(&held, variants)?;
                Ok(target)
            })
            .await?;
        }
        let order = Order {
            job_id: &job_id,
            variants,
            start: Some(&start),
            record: way.record,
            target,
            deadline: way.deadline,
            tracker,
        };
        // What is there already needs no word of the service.
        if let Some(result) = Box::pin(self.found(&order)).await? {
            return Ok(result);
        }
        tracker.phase(Phase::Waiting);
        let job = match self.watch(&job_id, variants, Seen::Not, tracker).await {
            Ok(job) => job,
            Err(error) => return Err(self.record_failure(way, error).await),
        };
        if let Some(record) = way.record {
            record.step(self, Step::Completed).await;
        }
        Box::pin(self.fetch_all(job, order)).await
    }

    /// Waits for the end of a job for which no files were asked.
    async fn see_to_its_end(self: &Arc<Client>, job_id: &JobId, variants: u32, way: &Way<'_>) -> Outcome {
        way.tracker.phase(Phase::Waiting);
        match self.watch(job_id, variants, Seen::Not, way.tracker).await {
            Ok(job) => Ok(job.json.clone()),
            Err(error) => Err(self.record_failure(way, error).await),
        }
    }

    async fn record_failure(&self, way: &Way<'_>, error: Error) -> Failure {
        if error.kind() == crate::error::Kind::JobFailed
            && let Some(record) = way.record
        {
            record.step(self, Step::Failed).await;
        }
        error.into()
    }
}
