//! Submitting: the step that costs money.
//!
//! Every attempt ends in one of four ways: accepted, not sent, refused, unknown (see `policy.rs`). Once one
//! attempt's fate is unknown, only an acceptance settles the submission: the same key with the same bytes
//! goes out again until then, and any other end says "unknown", never "nothing happened".

use bytes::Bytes;
use tokio::sync::SemaphorePermit;

use crate::activity::tracker::{Phase, Tracker};
use crate::api::endpoints::GENERATE;
use crate::api::response;
use crate::common::clock::Moment;
use crate::error::{Billed, Error, Kind};
use crate::ledger::Step;
use crate::model::figure::Product;
use crate::model::idempotency_key::Key;
use crate::model::job_id::JobId;
use crate::polling::timing::OwnJob;
use crate::retry::policy::Asking;
use crate::retry::{Attempt, Check, GiveUpReason, ResubmitWindow, RetryError, RetryPlan};
use crate::submission::begin::{Stage, Start};
use crate::submission::lease::Lease;
use crate::submission::submitter::Submitter;
use crate::transport::body::FirstByte;
use crate::transport::failure::{AttemptError, FailureKind};

/// What the steps of a call go by.
pub(crate) struct CallContext<'a> {
    /// Whether what is in doubt is sent again, however long ago that was.
    pub(crate) resubmit: bool,
    pub(crate) deadline: Moment,
    pub(crate) tracker: &'a Tracker,
    pub(crate) lease: Option<&'a Lease>,
}

/// A request on its way to the service: always the same bytes under the same key.
struct Submission<'a> {
    submitter: &'a Submitter,
    body: Bytes,
    key: &'a Key,
    tracker: &'a Tracker,
    attempts: u32,
    /// What has to be so just before the first byte.
    check: Option<Check>,
}

impl Attempt for Submission<'_> {
    type Good = (JobId, String);

    fn check_first_byte(&mut self, check: Option<Check>) {
        self.check = check;
    }

    async fn once(&mut self) -> Result<(JobId, String), AttemptError> {
        let submitter = self.submitter;
        let local = |error| AttemptError::new(FailureKind::Fault, error);
        let secret = submitter.settings.api_key().map_err(local)?;
        let first_byte = self.check.take().map_or_else(FirstByte::default, FirstByte::checked);
        self.tracker.set_in_flight(&first_byte);
        let submission = Some((self.body.clone(), self.key.as_str(), &first_byte));
        self.attempts += 1;
        let begun = submitter.clock.now();
        let reply = submitter.transport.call(GENERATE, submission, submitter.settings.submit_timeout).await;
        let accepted = reply.and_then(|reply| match reply.status {
            200..=299 => response::read_accepted(&reply, secret)
                .map_err(|error| AttemptError::new(FailureKind::Unreadable, error)),
            status => {
                let error = response::refusal(&reply, secret);
                let came = FailureKind::status(status, error.details().api_code.as_deref());
                Err(AttemptError::new(came, error))
            }
        });
        let job_id = accepted.as_ref().ok().map(|(job_id, _)| job_id.as_str());
        let took = submitter.clock.now().since(begun);
        submitter.log.request("generate", job_id, self.attempts, took, accepted.as_ref().map(|_| ()));
        accepted
    }
}

impl Submitter {
    /// Submits until accepted, or until it is clear that it won't be, or to the deadline. Hands out the job's
    /// id and the service's answer.
    pub(crate) async fn submit(
        &self,
        start: &Start,
        context: &CallContext<'_>,
    ) -> Result<(JobId, String), Error> {
        context.tracker.key(&start.key);
        context.tracker.phase(Phase::Submitting);
        let mut window = ResubmitWindow::new(self.settings.resubmit_window, self.clock);
        if let Stage::Submit(unaccepted) = &start.stage
            && let Some(since) = &unaccepted.since
        {
            // Before there is a permit, which a slow disk and a slow answer must not hold.
            if let Some(lease) = context.lease {
                Box::pin(lease.step(Step::Note("to be sent again under its key".to_owned()))).await;
            }
            if !context.resubmit
                && window.needs_date(since)
                && Box::pin(self.service_date.confirms(since)).await
            {
                window = window.with_date_confirmed();
            }
        }
        let permit = self.submissions.permit().await?;
        // In a box of its own: thousands wait for that permit, and should be small then.
        Box::pin(self.submit_from(permit, start, context, window)).await
    }

    async fn submit_from(
        &self,
        permit: SemaphorePermit<'_>,
        start: &Start,
        context: &CallContext<'_>,
        window: ResubmitWindow,
    ) -> Result<(JobId, String), Error> {
        let Stage::Submit(unaccepted) = &start.stage else {
            return Err(Error::new(Kind::Internal, "a job that the service has is submitted again"));
        };
        let tracker = context.tracker;
        let asking = if unaccepted.since.is_some() { Asking::Resubmit } else { Asking::Submit };
        let plan = RetryPlan::new(asking, context.deadline, tracker)
            .through(&self.submissions, permit)
            .within((!context.resubmit).then_some(window));
        let mut plan = match &unaccepted.since {
            Some(since) => plan.since(since.clone()),
            None => plan,
        };
        let (body, key) = (unaccepted.body.clone(), &start.key);
        let mut submission = Submission { submitter: self, body, key, tracker, attempts: 0, check: None };
        let (job_id, json) = match self.retrier.run(&mut plan, &mut submission).await {
            Ok(accepted) => accepted,
            Err(ended) => return Err(submission_error(ended, tracker, &start.key)),
        };
        let now = self.clock.now();
        let product = Product::of(&start.output_type);
        let own = OwnJob { submitted: now, variants: start.variants, product, is_dated: true };
        self.timing.remember(&job_id, own);
        tracker.accepted(&job_id);
        if let Some(lease) = context.lease {
            lease.step(Step::Accepted { job_id: job_id.to_string() }).await;
        }
        Ok((job_id, json))
    }
}

/// The error that ends a submission: as it is while every attempt came to nothing, "unknown" otherwise.
fn submission_error(ended: RetryError, tracker: &Tracker, key: &str) -> Error {
    let why = ended.why;
    let error = ended.into_error();
    if !tracker.is_outcome_unknown() {
        return error.with(|details| details.billed = Billed::No);
    }
    let way_out = if matches!(why, GiveUpReason::Stale(_)) {
        format!(
            "it was not sent again, since after resubmit_window_ms the service may have forgotten the key \
             {key} and make a second job; the option resubmit sends it all the same"
        )
    } else {
        format!("the same request with the idempotency key {key} settles it and is not billed twice")
    };
    let message = format!("whether the service accepted the request is unknown: {way_out} (last: {error})");
    error.restate(Kind::OutcomeUnknown, message).with(|details| {
        details.billed = Billed::Unknown;
        details.idempotency_key = Some(key.to_owned());
        // Without the key, the same call again would be another submission.
        details.retryable = false;
    })
}
