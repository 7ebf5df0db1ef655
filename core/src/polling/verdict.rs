//! What one poll means for the callers that wait for the job. A failed poll is not a failed job.

use std::sync::Arc;
use std::time::Duration;

use crate::api::response::Job;
use crate::api::status::Polled;
use crate::error::Error;
use crate::model::job_status::JobStatus;
use crate::retry::policy::{self, Asking, Next};

/// How long after a submission "not found" can mean "not yet".
const NOT_YET: Duration = Duration::from_secs(30);

/// What one poll means.
#[derive(Debug)]
pub(super) enum Verdict<'a> {
    /// The service works on the job.
    GoesOn,
    /// The job is completed and offers this many presentations; more can come.
    Completed { job: &'a Arc<Job>, offered: u32 },
    /// The service gave the job up.
    Failed { job: &'a Job },
    /// The poll brought nothing and is repeated, not before `floor` has passed: the service asked for that.
    AskAgain { floor: Duration },
    /// No poll of this client will see the job.
    Unseen { error: &'a Error },
}

/// Judges a poll of a job of this age; `None`: the age is unknown.
pub(super) fn of(polled: &Polled, age: Option<Duration>) -> Verdict<'_> {
    let miss = match polled {
        Ok(job) => return of_job(job),
        Err(miss) => miss,
    };
    let is_young = age.is_some_and(|age| age < NOT_YET);
    match policy::next(miss.came, Asking::Wait) {
        Next::Young if !is_young => Verdict::Unseen { error: &miss.error },
        Next::Young | Next::Again => Verdict::AskAgain { floor: miss.floor().unwrap_or_default() },
        _ => Verdict::Unseen { error: &miss.error },
    }
}

fn of_job(job: &Arc<Job>) -> Verdict<'_> {
    match job.status {
        JobStatus::Completed => Verdict::Completed { job, offered: job.offered() },
        JobStatus::Failed => Verdict::Failed { job },
        JobStatus::Pending | JobStatus::Processing | JobStatus::Other(_) => Verdict::GoesOn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::transport::failure::{AttemptError, FailureKind};

    fn answered(status: JobStatus) -> Polled {
        let (json, downloads) = (String::new(), Vec::new());
        Ok(Arc::new(Job { json, status, output_type: None, downloads, error: None }))
    }

    fn word(verdict: &Verdict<'_>) -> &'static str {
        match verdict {
            Verdict::GoesOn => "goes on",
            Verdict::Completed { .. } => "completed",
            Verdict::Failed { .. } => "failed",
            Verdict::AskAgain { .. } => "ask again",
            Verdict::Unseen { .. } => "unseen",
        }
    }

    #[test]
    fn verdict_on_an_answer_is_the_status_of_the_job() {
        for (status, expected) in [
            (JobStatus::Pending, "goes on"),
            (JobStatus::Processing, "goes on"),
            (JobStatus::Other("queued".into()), "goes on"),
            (JobStatus::Other("cancelled".into()), "goes on"),
            (JobStatus::Completed, "completed"),
            (JobStatus::Failed, "failed"),
        ] {
            assert_eq!(word(&of(&answered(status.clone()), None)), expected, "{status}");
        }
    }

    #[test]
    fn verdict_on_a_failed_poll_follows_the_table() {
        let young = Some(NOT_YET / 2);
        let old = Some(NOT_YET * 2);
        for (came, age, expected) in [
            (FailureKind::Lost, None, "ask again"),
            (FailureKind::NotSent, None, "ask again"),
            (FailureKind::Unreadable, None, "ask again"),
            (FailureKind::Status(503), old, "ask again"),
            (FailureKind::Status(429), old, "ask again"),
            (FailureKind::Status(409), old, "ask again"),
            (FailureKind::Status(404), young, "ask again"),
            (FailureKind::Status(404), old, "unseen"),
            (FailureKind::Status(404), None, "unseen"),
            (FailureKind::Status(401), young, "unseen"),
            (FailureKind::Status(403), young, "unseen"),
            (FailureKind::Status(407), young, "unseen"),
            (FailureKind::Fault, young, "unseen"),
        ] {
            let polled = Err(AttemptError::new(came, Error::new(Kind::Server, "scripted")));
            assert_eq!(word(&of(&polled, age)), expected, "{came:?} {age:?}");
        }
    }

    #[test]
    fn verdict_has_the_wait_that_the_service_asked_for() {
        let error = Error::new(Kind::RateLimited, "429").retry_after(Some(Duration::from_secs(7)));
        let asked = Err(AttemptError::new(FailureKind::Status(429), error));
        assert!(matches!(of(&asked, None), Verdict::AskAgain { floor } if floor == Duration::from_secs(7)));
    }
}
