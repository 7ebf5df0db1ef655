//! Submitting: the step that costs money.
//!
//! Every attempt ends in one of four ways: accepted, not sent, refused, unknown (see `policy.rs`). Once one
//! attempt's fate is unknown, only an acceptance settles the submission: the same key with the same bytes goes
//! out again until then, and any other end says "unknown", never "nothing happened".

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::SemaphorePermit;

use crate::answer;
use crate::attempt::{Attempt, Course, Ended, Miss, Why};
use crate::claim::{Call, Stage, Start};
use crate::client::{Client, Outcome, OwnJob, default_deadline};
use crate::clock::Moment;
use crate::error::{Billed, Error, Kind};
use crate::estimate::Product;
use crate::first_byte::FirstByte;
use crate::job::JobId;
use crate::key::Key;
use crate::ledger::Step;
use crate::options::Options;
use crate::origin::GENERATE;
use crate::policy::{Asking, Came};
use crate::record::Record;
use crate::request::Wanted;
use crate::tracker::{Phase, Tracker};

/// What the steps of a call go by.
pub(crate) struct Way<'a> {
    /// Whether what is in doubt is sent again, however long ago that was.
    pub(crate) resubmit: bool,
    pub(crate) deadline: Moment,
    pub(crate) tracker: &'a Tracker,
    pub(crate) record: Option<&'a Record>,
}

/// What `generate` hands out.
#[derive(Serialize)]
struct Submitted<'a> {
    job_id: &'a str,
    idempotency_key: &'a str,
    output_type: &'a str,
    billed: Billed,
    adopted: bool,
    recorded: bool,
    unsettled: u64,
    /// The service's own answer; null where this call sent nothing, since the ledger knew the job.
    answer: Option<&'a RawValue>,
}

/// A request on its way to the service: always the same bytes under the same key.
struct Submission<'a> {
    client: &'a Client,
    body: Bytes,
    key: &'a Key,
    tracker: &'a Tracker,
    attempts: u32,
}

impl Attempt for Submission<'_> {
    type Good = (JobId, String);

    async fn once(&mut self) -> Result<(JobId, String), Miss> {
        let client = self.client;
        let local = |error| Miss::new(Came::Fault, error);
        let secret = client.api_key().map_err(local)?;
        let first_byte = FirstByte::default();
        self.tracker.sending(&first_byte);
        let submission = Some((self.body.clone(), self.key.as_str(), &first_byte));
        self.attempts += 1;
        let begun = client.clock.now();
        let reply = client.transport.call(GENERATE, submission, client.settings.submit_timeout).await;
        let accepted = reply.and_then(|reply| match reply.status {
            200..=299 => {
                answer::read_accepted(&reply, secret).map_err(|error| Miss::new(Came::Unreadable, error))
            }
            status => {
                let refusal = answer::refusal(&reply, secret);
                let came = Came::status(status, refusal.details().api_code.as_deref());
                Err(Miss::new(came, refusal))
            }
        });
        let job_id = accepted.as_ref().ok().map(|(job_id, _)| job_id.as_str());
        let took = client.clock.now().since(begun);
        client.log.request("generate", job_id, self.attempts, took, accepted.as_ref().map(|_| ()));
        accepted
    }
}

impl Client {
    /// Submits a request and returns once the service has accepted it:
    /// `{"job_id", "idempotency_key", "output_type", "billed", "adopted", "recorded", "unsettled", "answer"}`.
    pub async fn generate(&self, request: Arc<Wanted>, options: Arc<Options>, tracker: &Tracker) -> Outcome {
        let deadline = self.deadline(options.timeout, default_deadline::GENERATE);
        let place = OnceLock::new();
        let steps = async {
            let resubmit = options.resubmit;
            let start = {
                // Given up at the end of this: what was asked for is in the ledger then.
                let call = Call { operation: "generate", request, options, deadline, tracker, place: &place };
                self.begin(&call).await?
            };
            let (job_id, answer) = match &start.stage {
                Stage::Job(job_id) => (job_id.clone(), None),
                Stage::Submit(_) => {
                    let way = Way { resubmit, deadline, tracker, record: place.get() };
                    let (job_id, answer) = self.submit(&start, &way).await?;
                    (job_id, Some(answer))
                }
            };
            let answer: Option<&RawValue> =
                answer.as_deref().map(serde_json::from_str).transpose().map_err(unwritable)?;
            let result = Submitted {
                job_id: job_id.as_str(),
                idempotency_key: &start.key,
                output_type: &start.output_type,
                billed: Billed::Unknown,
                adopted: start.adopted,
                recorded: place.get().is_some_and(Record::is_whole),
                unsettled: self.unsettled().await,
                answer,
            };
            Ok(serde_json::to_string(&result).map_err(unwritable)?)
        };
        let end = self.until(deadline, tracker, steps).await;
        if let Some(record) = place.get() {
            record.release(self, end.as_ref().err(), false).await;
        }
        end
    }

    /// Submits until accepted, or until it is clear that it won't be, or to the deadline. Hands out the job's id and
    /// the service's answer.
    pub(crate) async fn submit(&self, start: &Start, way: &Way<'_>) -> Result<(JobId, String), Error> {
        way.tracker.key(&start.key);
        way.tracker.phase(Phase::Submitting);
        if matches!(&start.stage, Stage::Submit(unaccepted) if unaccepted.since.is_some())
            && let Some(record) = way.record
        {
            // Before there is a place, which a slow disk must not hold.
            let note = Step::Note("to be sent again under its key".to_owned());
            Box::pin(record.step(self, note)).await;
        }
        let place = self.submissions.place().await?;
        // In a box of its own: thousands wait for that place, and should be small then.
        Box::pin(self.submit_from(place, start, way)).await
    }

    async fn submit_from(
        &self,
        place: SemaphorePermit<'_>,
        start: &Start,
        way: &Way<'_>,
    ) -> Result<(JobId, String), Error> {
        let Stage::Submit(unaccepted) = &start.stage else {
            return Err(Error::new(Kind::Internal, "what the service has is submitted again"));
        };
        let tracker = way.tracker;
        let window = (!way.resubmit).then_some(self.settings.resubmit_window);
        let asking = if unaccepted.since.is_some() { Asking::Resubmit } else { Asking::Submit };
        let course =
            Course::new(asking, way.deadline, tracker).through(&self.submissions, place).within(window);
        let mut course = match unaccepted.since {
            Some(since) => course.since(since),
            None => course,
        };
        let mut submission =
            Submission { client: self, body: unaccepted.body.clone(), key: &start.key, tracker, attempts: 0 };
        let (job_id, json) = match self.attempts(&mut course, &mut submission).await {
            Ok(accepted) => accepted,
            Err(ended) => return Err(settle(ended, tracker, &start.key)),
        };
        let now = self.clock.now();
        let product = Product::of(&start.output_type);
        self.remember(&job_id, OwnJob { submitted: now, variants: start.variants, product });
        tracker.accepted(&job_id, now);
        if let Some(record) = way.record {
            record.step(self, Step::Accepted { job_id: job_id.to_string() }).await;
        }
        Ok((job_id, json))
    }
}

/// The error that ends a submission: as it is while every attempt came to nothing, "unknown" otherwise.
fn settle(ended: Ended, tracker: &Tracker, key: &str) -> Error {
    let why = ended.why;
    let error = ended.told();
    if !tracker.is_outcome_unknown() {
        return error.with(|details| details.billed = Billed::No);
    }
    let way_out = if matches!(why, Why::Stale(_)) {
        format!(
            "it was not sent again, since after resubmit_window_ms the service may have forgotten the key {key} \
             and make a second job; the option resubmit sends it all the same"
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

pub(crate) fn unwritable(error: serde_json::Error) -> Error {
    Error::new(Kind::Internal, format!("the result can't be written as JSON: {error}"))
}
