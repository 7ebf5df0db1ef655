//! A request in, files out.

use std::sync::{Arc, OnceLock};

use crate::claim::{Call, Stage, Start};
use crate::client::{Client, Outcome, blocking, default_deadline};
use crate::download::Order;
use crate::error::{Error, Failure};
use crate::files::destination::Target;
use crate::job::JobId;
use crate::ledger::Step;
use crate::options::Options;
use crate::record::Record;
use crate::request::Wanted;
use crate::submit::Way;
use crate::tracker::{Phase, Tracker};
use crate::wait::Seen;

impl Client {
    /// Submits a request, waits for its job and fetches the files. Whatever can be wrong with the call or
    /// the target is found before anything is submitted; what the ledger knows is continued and not submitted again.
    ///
    /// Thousands of these wait at the same time, for a turn and then for minutes: whatever is larger than that waiting is
    /// in boxes of its own.
    pub fn run(
        self: Arc<Client>,
        request: Arc<Wanted>,
        options: Arc<Options>,
        tracker: Tracker,
    ) -> impl Future<Output = Outcome> + Send {
        let single = request.output_type.as_str() == "single_slide";
        let default = if single { default_deadline::SLIDE } else { default_deadline::DECK };
        let deadline = self.deadline(options.timeout, default);
        async move {
            let (tracker, place) = (&tracker, OnceLock::new());
            let steps = async {
                let resubmit = options.resubmit;
                let start = {
                    // Given up at the end of this: what was asked for is in the ledger then.
                    let call = Call { operation: "run", request, options, deadline, tracker, place: &place };
                    self.begin(&call).await?
                };
                self.carry_on(start, &Way { resubmit, deadline, tracker, record: place.get() }).await
            };
            let end = self.until(deadline, tracker, steps).await;
            Box::pin(self.released(place.get(), end)).await
        }
    }

    /// Takes a submission from wherever it stands to its end.
    pub(crate) async fn carry_on(self: &Arc<Client>, mut start: Box<Start>, way: &Way<'_>) -> Outcome {
        let job_id = match &start.stage {
            Stage::Job(job_id) => {
                way.tracker.key(&start.key);
                way.tracker.continues(job_id);
                job_id.clone()
            }
            Stage::Submit(_) => {
                let (job_id, _) = Box::pin(self.submit(&start, way)).await?;
                // The request is needed no longer.
                start.stage = Stage::Job(job_id.clone());
                job_id
            }
        };
        // What is there already needs no word of the service.
        if let Some(result) = Box::pin(self.delivered(&mut start, &job_id, way)).await? {
            return Ok(result);
        }
        way.tracker.phase(Phase::Waiting);
        let job = match self.watch(&job_id, start.variants, Seen::Not, way.tracker).await {
            Ok(job) => job,
            Err(error) => return Err(Box::pin(self.record_failure(way, error)).await),
        };
        // No files were asked for.
        let Some(target) = start.target.take() else { return Ok(job.json.clone()) };
        if let Some(record) = way.record {
            Box::pin(record.step(self, Step::Completed)).await;
        }
        Box::pin(self.fetch_all(job, order_of(&start, target, &job_id, way))).await
    }

    /// Reserves the names that are not reserved yet; the result, where an earlier call has delivered the files.
    async fn delivered(
        &self,
        start: &mut Start,
        job_id: &JobId,
        way: &Way<'_>,
    ) -> Result<Option<String>, Error> {
        let Some(mut target) = start.target.take() else { return Ok(None) };
        if !target.has_names() {
            // Without a name the job's id is one, and it is known only now.
            let (held, variants) = (job_id.clone(), start.variants);
            target = blocking(move || {
                target.hold_for(&held, variants)?;
                Ok(target)
            })
            .await?;
        }
        let order = order_of(start, target, job_id, way);
        let result = self.found(&order).await?;
        start.target = Some(order.target);
        Ok(result)
    }

    /// The end, once the ledger knows what the caller is about to be told.
    async fn released(&self, record: Option<&Record>, end: Outcome) -> Outcome {
        if let Some(record) = record {
            record.release(self, end.as_ref().err(), true).await;
        }
        end
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

fn order_of<'a>(start: &'a Start, target: Target, job_id: &'a JobId, way: &Way<'a>) -> Order<'a> {
    Order {
        job_id,
        variants: start.variants,
        start: Some(start),
        record: way.record,
        target,
        deadline: way.deadline,
        tracker: way.tracker,
    }
}
