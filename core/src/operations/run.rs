//! `run`: a request in, files out.

use std::sync::{Arc, OnceLock};

use crate::activity::tracker::{Phase, Tracker};
use crate::client::{Client, default_deadline};
use crate::common::blocking::blocking;
use crate::config::options::Options;
use crate::download::order::{DownloadPlan, Gathered};
use crate::error::{Error, Kind};
use crate::files::destination::Destination;
use crate::ledger::Step;
use crate::model::job_id::JobId;
use crate::model::operation::Operation;
use crate::model::output_type::OutputType;
use crate::operations::result::End;
use crate::polling::watch::LastSeen;
use crate::request::EncodedRequest;
use crate::results::{Made, MadeFailure};
use crate::submission::begin::{Call, Stage, Start, TargetOptions};
use crate::submission::receipt::Hearing;
use crate::submission::send::CallContext;

impl Client {
    /// Submits a request, waits for its job and fetches the files. What can be wrong with the call or its
    /// target is found before anything is submitted; a submission that the ledger knows is continued and not
    /// submitted again.
    ///
    /// Thousands of these futures can be pending at once. Large sub-futures are boxed, so that a pending one
    /// stays small.
    pub fn run(
        self: Arc<Client>,
        request: Arc<EncodedRequest>,
        options: Arc<Options>,
        tracker: Tracker,
        hearing: Hearing,
    ) -> impl Future<Output = End> + Send {
        let default = match request.output_type {
            OutputType::SingleSlide => default_deadline::SLIDE,
            OutputType::Deck | OutputType::Other(_) => default_deadline::DECK,
        };
        let deadline = self.deadline(options.timeout, default);
        async move {
            let (tracker, slot) = (&tracker, OnceLock::new());
            let steps = async {
                let resubmit = options.resubmit;
                let start = {
                    // Dropped at the end of this: the ledger has the request then.
                    let call =
                        Call { operation: Operation::Run, request, options, deadline, tracker, lease: &slot };
                    self.submitter.begin(&call).await?
                };
                self.carry_on(start, &CallContext { resubmit, deadline, tracker, lease: slot.get() }).await
            };
            let end = self.until(deadline, tracker, steps).await;
            Box::pin(self.finish(slot.get(), end, true, hearing, tracker)).await
        }
    }

    /// Takes a submission from wherever it stands to its end.
    pub(crate) async fn carry_on(
        self: &Arc<Client>,
        mut start: Box<Start>,
        context: &CallContext<'_>,
    ) -> Result<Made, MadeFailure> {
        // Nothing can be there of a job that is only now made.
        let is_new = matches!(&start.stage, Stage::Submit(unaccepted) if unaccepted.since.is_none());
        let job_id = match &start.stage {
            Stage::Job(job_id) => {
                context.tracker.key(&start.key);
                context.tracker.resume_job(job_id);
                job_id.clone()
            }
            Stage::Submit(_) => {
                // Known, but not accepted: the target is checked before it is sent again.
                Box::pin(self.take_target(&mut start, context)).await?;
                let (job_id, _) = Box::pin(self.submitter.submit(&start, context)).await?;
                // The request is needed no longer.
                start.stage = Stage::Job(job_id.clone());
                job_id
            }
        };
        // Files that are there already need no word of the service, and no directory that can be written to.
        if !is_new
            && let Some(made) =
                Box::pin(self.downloader.find_delivered(&start, &job_id, context.lease)).await?
        {
            return Ok(made);
        }
        let mut target = Box::pin(self.take_names(&mut start, &job_id, context)).await?;
        if !is_new {
            let all = Gathered::KnownToBeAll;
            let gathered = Box::pin(self.gather_in(&mut target, &start, &job_id, context, all)).await?;
            if let Some(made) = gathered {
                return Ok(made);
            }
        }
        context.tracker.phase(Phase::Waiting);
        let job = match self.poller.watch(&job_id, start.variants, LastSeen::Not, context.tracker).await {
            Ok(job) => job,
            Err(error) => {
                // What has arrived whole is worth more than an answer about it.
                let each = Gathered::OneOfEach;
                let gathered = Box::pin(self.gather_in(&mut target, &start, &job_id, context, each)).await?;
                if let Some(made) = gathered {
                    return Ok(made);
                }
                return Err(Box::pin(record_failure(context, error)).await.into());
            }
        };
        // No files were asked for.
        let Some(target) = target else { return Ok(Made::Status(job.json.clone())) };
        if let Some(lease) = context.lease {
            let files = u32::try_from(job.downloads.len()).ok();
            Box::pin(lease.step(Step::Completed { files })).await;
        }
        Box::pin(self.downloader.fetch_all(job, order_of(&start, target, &job_id, context))).await
    }

    /// The files that have arrived, where files were asked for. The order of a download exists only
    /// meanwhile, so that a call which waits stays small.
    async fn gather_in(
        &self,
        target: &mut Option<Box<Destination>>,
        start: &Start,
        job_id: &JobId,
        context: &CallContext<'_>,
        gathered: Gathered,
    ) -> Result<Option<Made>, Error> {
        let Some(destination) = target.take() else { return Ok(None) };
        let order = order_of(start, destination, job_id, context);
        let made = self.downloader.gather(&order, gathered).await;
        *target = Some(order.target);
        made
    }

    /// Checks the target of a submission that is known, where that is still to be done.
    async fn take_target(&self, start: &mut Start, context: &CallContext<'_>) -> Result<(), Error> {
        let (Some(place), None) = (&start.place, &start.target) else { return Ok(()) };
        start.target = Some(Box::new(match place {
            TargetOptions::Restored(options, replaceable) => {
                Destination::restore(options, start.variants, replaceable.as_deref()).await?
            }
            TargetOptions::Given(options) => {
                // What may be paid for goes beside a name that is taken.
                let mut target = Destination::prepare(options, start.variants, false).await?;
                // What was delivered, and is another file by now, is the user's.
                start.files.iter().filter(|file| file.delivered).for_each(|file| target.spare(&file.path));
                record_replaceable(context, &target).await;
                target
            }
        }));
        Ok(())
    }

    /// Reserves the names that are not reserved yet. `None`: no files were asked for.
    async fn take_names(
        &self,
        start: &mut Start,
        job_id: &JobId,
        context: &CallContext<'_>,
    ) -> Result<Option<Box<Destination>>, Error> {
        self.take_target(start, context).await?;
        let Some(target) = start.target.take() else { return Ok(None) };
        if target.has_names() {
            return Ok(Some(target));
        }
        // Without a name the job's id is one, and it is known only now.
        let (job_id, variants) = (job_id.clone(), start.variants);
        let target = blocking(move || target.look_for_job(&job_id, variants, false)).await?;
        record_replaceable(context, &target).await;
        Ok(Some(Box::new(target)))
    }
}

/// Records what this call's `overwrite` may replace. An operation that restores an earlier call has no call
/// of its own.
async fn record_replaceable(context: &CallContext<'_>, target: &Destination) {
    if let (Some(lease), Some(files)) = (context.lease, target.replaceable())
        && let Some(call) = lease.call()
    {
        lease.step(Step::Replaceable { call, files }).await;
    }
}

async fn record_failure(context: &CallContext<'_>, error: Error) -> Error {
    if error.kind() == Kind::JobFailed
        && let Some(lease) = context.lease
    {
        lease.step(Step::Failed).await;
    }
    error
}

fn order_of<'a>(
    start: &'a Start,
    target: Box<Destination>,
    job_id: &'a JobId,
    context: &CallContext<'a>,
) -> DownloadPlan<'a> {
    DownloadPlan {
        job_id,
        variants: start.variants,
        start: Some(start),
        known: &start.files,
        lease: context.lease,
        target,
        deadline: context.deadline,
        tracker: context.tracker,
    }
}
