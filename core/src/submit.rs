//! Submitting: the step that costs money.
//!
//! Every attempt ends in one of four ways: accepted, not sent, refused, unknown (see `policy.rs`). Once one
//! attempt's fate is unknown, only an acceptance settles the submission: the same key with the same bytes goes
//! out again until then, and any other end says "unknown", never "nothing happened".

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::answer;
use crate::attempt::{Attempt, Course, Ended, Miss, Why};
use crate::client::{Client, Outcome, OwnJob, default_deadline};
use crate::clock::Moment;
use crate::error::{Billed, Error, Kind};
use crate::first_byte::FirstByte;
use crate::job::JobId;
use crate::key;
use crate::options::Options;
use crate::policy::{Asking, Came};
use crate::request::Request;
use crate::schedule::Product;
use crate::tracker::{Phase, Tracker};

/// A submission that the service accepted.
pub(crate) struct Accepted {
    pub(crate) job_id: JobId,
    pub(crate) key: String,
    /// The service's answer, unchanged.
    pub(crate) json: String,
}

/// What `generate` hands out.
#[derive(Serialize)]
struct Submitted<'a> {
    job_id: &'a str,
    idempotency_key: &'a str,
    output_type: String,
    billed: Billed,
    answer: &'a RawValue,
}

/// A request on its way to the service: always the same bytes under the same key.
struct Submission<'a> {
    client: &'a Client,
    body: Bytes,
    key: &'a str,
    tracker: &'a Tracker,
    attempts: u32,
}

impl Attempt for Submission<'_> {
    type Good = (JobId, String);

    async fn once(&mut self) -> Result<(JobId, String), Miss> {
        let client = self.client;
        let local = |error| Miss::new(Came::Fault, error);
        let url = client.settings.origin().map_err(local)?.generate();
        let secret = client.api_key().map_err(local)?;
        let first_byte = FirstByte::default();
        self.tracker.sending(&first_byte);
        let submission = Some((self.body.clone(), self.key, &first_byte));
        self.attempts += 1;
        let begun = client.clock.now();
        let reply = client.transport.call(url, submission, client.settings.submit_timeout).await;
        let accepted = reply.and_then(|reply| match reply.status {
            200..=299 => {
                answer::read_accepted(&reply, secret).map_err(|error| Miss::new(Came::Unreadable, error))
            }
            status => Err(Miss::new(Came::Status(status), answer::refusal(&reply, secret))),
        });
        let job_id = accepted.as_ref().ok().map(|(job_id, _)| job_id.as_str());
        let took = client.clock.now().since(begun);
        client.log.request("generate", job_id, self.attempts, took, accepted.as_ref().map(|_| ()));
        accepted
    }
}

impl Client {
    /// Submits a request and returns once the service has accepted it:
    /// `{"job_id", "idempotency_key", "output_type", "billed", "answer"}`.
    pub async fn generate(&self, request: &Request, options: &Options, tracker: &Tracker) -> Outcome {
        let deadline = self.deadline(options.timeout, default_deadline::GENERATE);
        self.until(deadline, tracker, async {
            let accepted = self.submit(request, options, deadline, tracker).await?;
            let result = Submitted {
                job_id: accepted.job_id.as_str(),
                idempotency_key: &accepted.key,
                output_type: request.output_type(),
                billed: Billed::Unknown,
                answer: serde_json::from_str(&accepted.json).map_err(unwritable)?,
            };
            Ok(serde_json::to_string(&result).map_err(unwritable)?)
        })
        .await
    }

    /// Submits until accepted, or until it is clear that it won't be, or to the deadline.
    pub(crate) async fn submit(
        &self,
        request: &Request,
        options: &Options,
        deadline: Moment,
        tracker: &Tracker,
    ) -> Result<Accepted, Error> {
        let body = request.body()?;
        let key = match &options.idempotency_key {
            Some(key) => key.clone(),
            None => key::new_key()?,
        };
        tracker.key(&key);
        tracker.phase(Phase::Submitting);
        let window = (!options.resubmit).then_some(self.settings.resubmit_window);
        let mut course =
            Course::new(Asking::Submit, deadline, tracker).through(&self.submissions).within(window);
        let mut submission = Submission { client: self, body, key: &key, tracker, attempts: 0 };
        let (job_id, json) = match self.attempts(&mut course, &mut submission).await {
            Ok(accepted) => accepted,
            Err(ended) => return Err(settle(ended, tracker, &key)),
        };
        let now = self.clock.now();
        let (variants, product) = (request.variants(), Product::of(&request.output_type()));
        self.remember(&job_id, OwnJob { submitted: now, variants, product });
        tracker.accepted(&job_id, now);
        Ok(Accepted { job_id, key, json })
    }
}

/// The error that ends a submission: as it is while every attempt came to nothing, "unknown" otherwise.
fn settle(ended: Ended, tracker: &Tracker, key: &str) -> Error {
    let Ended { why, error } = ended;
    let error = match why {
        Why::Late(wait) | Why::Stale(wait) => error.retry_after(Some(wait)),
        _ => error,
    };
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
