//! Submitting: the step that costs money.
//!
//! Every attempt ends in one of four ways (see [`Attempt`]). Once one attempt's fate is unknown, only an
//! acceptance settles the submission: the same key with the same bytes goes out again until then, and any
//! other end says "unknown", never "nothing happened".

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::answer;
use crate::client::{Client, Outcome, OwnJob, default_deadline};
use crate::clock::Moment;
use crate::error::{Billed, Error, Kind};
use crate::first_byte::FirstByte;
use crate::job::JobId;
use crate::key;
use crate::options::Options;
use crate::request::Request;
use crate::tracker::{Phase, Tracker};

/// How often a submission tries to connect where nothing has been sent yet: about a minute in all.
const MOST_CONNECTS: u32 = 8;

/// How one attempt to submit ended.
enum Attempt {
    /// A 2xx with a sound job id: the service has the job.
    Accepted(JobId, String),
    /// The connection was never made: nothing was sent.
    NotSent(Error),
    /// A 4xx other than 408: the service has seen the request and made no job of it.
    Refused(Error),
    /// All else: a job may exist. Whether asking again is covered by the retry rules.
    Unknown { error: Error, again: bool },
}

/// A submission that the service accepted.
pub(crate) struct Accepted {
    pub(crate) job_id: JobId,
    pub(crate) key: String,
    /// The service's answer, unchanged.
    pub(crate) json: String,
}

/// What `generate` hands out.
#[derive(Serialize)]
struct Submission<'a> {
    job_id: &'a str,
    idempotency_key: &'a str,
    output_type: String,
    billed: Billed,
    answer: &'a RawValue,
}

impl Client {
    /// Submits a request and returns once the service has accepted it:
    /// `{"job_id", "idempotency_key", "output_type", "billed", "answer"}`.
    pub async fn generate(&self, request: &Request, options: &Options, tracker: &Tracker) -> Outcome {
        let deadline = self.deadline(options.timeout, default_deadline::GENERATE);
        self.until(deadline, tracker, async {
            let accepted = self.submit(request, options, deadline, tracker).await?;
            let result = Submission {
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
        let mut retry = self.retry(deadline);
        loop {
            self.wait_for_hold(deadline, &key, tracker).await?;
            let (error, again) = match self.attempt(body.clone(), &key, tracker).await? {
                Attempt::Accepted(job_id, json) => {
                    self.remember(
                        &job_id,
                        OwnJob { submitted: self.clock.now(), variants: request.variants() },
                    );
                    tracker.accepted(&job_id);
                    self.succeeded();
                    return Ok(Accepted { job_id, key, json });
                }
                Attempt::NotSent(error) => {
                    tracker.nothing_came_of_it();
                    // As long as nothing was sent, giving up costs nothing, and waiting for ever helps nobody.
                    let again = error.details().retryable
                        && (retry.failures() < MOST_CONNECTS || tracker.is_outcome_unknown());
                    (error, again)
                }
                Attempt::Refused(error) => {
                    tracker.nothing_came_of_it();
                    // While the first request is in work, a service may answer the second with a conflict.
                    let again = error.kind() == Kind::RateLimited
                        || error.details().retryable
                        || error.kind() == Kind::Conflict && tracker.is_outcome_unknown();
                    (error, again)
                }
                Attempt::Unknown { error, again } => {
                    tracker.outcome_unknown();
                    (error, again)
                }
            };
            let floor = error.details().retry_after_ms.map(Duration::from_millis);
            if let Some(floor) = floor.filter(|_| error.kind() == Kind::RateLimited) {
                self.submit_hold.extend(self.clock, floor);
            }
            if !again {
                return Err(settle(error, tracker, &key));
            }
            tracker.bears(&error, floor);
            if let Err(wait) = retry.pause(floor).await {
                return Err(settle(error.retry_after(Some(floor.unwrap_or(wait))), tracker, &key));
            }
        }
    }

    /// Waits while the service holds back all submissions of this key, unless that is beyond the deadline.
    async fn wait_for_hold(&self, deadline: Moment, key: &str, tracker: &Tracker) -> Result<(), Error> {
        let Some(until) = self.submit_hold.until() else { return Ok(()) };
        if until <= deadline {
            self.clock.sleep_until(until).await;
            return Ok(());
        }
        let wait = until.since(self.clock.now());
        let error = Error::new(
            Kind::RateLimited,
            format!(
                "the service asked to submit nothing for another {} s, beyond the deadline",
                wait.as_secs()
            ),
        );
        Err(settle(error.retryable().retry_after(Some(wait)), tracker, key))
    }

    async fn attempt(&self, body: Bytes, key: &str, tracker: &Tracker) -> Result<Attempt, Error> {
        let url = self.settings.origin()?.generate();
        let _slot = self.submissions.acquire().await.map_err(closed)?;
        let first_byte = FirstByte::default();
        tracker.sending(&first_byte);
        let submission = Some((body, key, &first_byte));
        let reply = match self.transport.call(url, submission, self.settings.submit_timeout).await {
            Ok(reply) => reply,
            Err(lost) if lost.sent => return Ok(Attempt::Unknown { error: lost.error, again: true }),
            Err(lost) => return Ok(Attempt::NotSent(lost.error)),
        };
        let secret = self.api_key()?;
        Ok(match reply.status {
            200..=299 => match answer::read_accepted(&reply, secret) {
                Ok((job_id, json)) => Attempt::Accepted(job_id, json),
                Err(error) => Attempt::Unknown { error, again: true },
            },
            408 => Attempt::Unknown { error: answer::refusal(&reply, secret), again: true },
            400..=499 => Attempt::Refused(answer::refusal(&reply, secret)),
            status => Attempt::Unknown { error: answer::refusal(&reply, secret), again: status >= 500 },
        })
    }
}

/// The error that ends a submission: as it is while every attempt came to nothing, "unknown" otherwise.
fn settle(error: Error, tracker: &Tracker, key: &str) -> Error {
    if !tracker.is_outcome_unknown() {
        return error.with(|details| details.billed = Billed::No);
    }
    let message = format!(
        "whether the service accepted the request is unknown: the same request with the idempotency key {key} \
         settles it and is not billed twice (last: {error})"
    );
    error.restate(Kind::OutcomeUnknown, message).with(|details| {
        details.billed = Billed::Unknown;
        details.idempotency_key = Some(key.to_owned());
        // Without the key, the same call again would be another submission.
        details.retryable = false;
    })
}

pub(crate) fn closed(_: tokio::sync::AcquireError) -> Error {
    Error::new(Kind::Closed, "the client was closed")
}

pub(crate) fn unwritable(error: serde_json::Error) -> Error {
    Error::new(Kind::Internal, format!("the result can't be written as JSON: {error}"))
}
