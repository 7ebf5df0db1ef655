//! What is known of the bill of an operation that ends early, and what its error says of it. Pure functions:
//! the table of the promise's rule "every end says what was billed".

use crate::error::{Billed, Error, Kind};
use crate::model::operation::Operation;

/// What is known of the submission of an operation, or of the job that it asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate<'a> {
    /// No attempt was sent, by this call or an earlier one.
    NotSent,
    /// This call sent nothing. The ledger has not said yet whether another call has sent the request under
    /// this key of the caller's.
    Unchecked { key: &'a str },
    /// An attempt was sent under this key, and no answer says what came of it.
    Unknown { key: &'a str },
    /// The service has the job, and has not said that it is completed.
    Accepted { job_id: &'a str },
    /// The service has completed the job.
    Completed { job_id: &'a str },
}

/// What is known of the bill where no answer says more.
pub(super) fn billed(operation: Operation, fate: Fate<'_>) -> Billed {
    match fate {
        _ if operation.is_local() => Billed::No,
        Fate::Completed { .. } => Billed::Yes,
        _ if operation == Operation::Recover => Billed::Unknown,
        Fate::NotSent => Billed::No,
        Fate::Unchecked { .. } | Fate::Unknown { .. } | Fate::Accepted { .. } => Billed::Unknown,
    }
}

/// The kind of the error. `cause`: what last failed and was borne.
pub(super) fn kind(kind: Kind, operation: Operation, fate: Fate<'_>, cause: Option<&Error>) -> Kind {
    if kind != Kind::Timeout || operation == Operation::Recover {
        return kind;
    }
    if matches!(fate, Fate::Unknown { .. }) {
        return Kind::OutcomeUnknown;
    }
    // Where nothing is under way that a timeout could leave behind, what kept failing says more than that the
    // time is over. It must not depend on the moment at which the deadline passes.
    let leaves_nothing = operation == Operation::GetStatus
        || billed(operation, fate) == Billed::No
        || matches!(fate, Fate::Unchecked { .. });
    cause.filter(|_| leaves_nothing).map_or(kind, Error::kind)
}

/// Whether the same call can succeed later, unchanged, and buys nothing twice. `kind`: that of the error.
pub(super) fn retryable(kind: Kind, operation: Operation, fate: Fate<'_>) -> bool {
    if operation == Operation::Recover || matches!(kind, Kind::Closed | Kind::Cancelled) {
        return false;
    }
    // A repeated `run` or `generate` without a key of the caller's would be another submission.
    operation.only_asks() || billed(operation, fate) == Billed::No || matches!(fate, Fate::Unchecked { .. })
}

/// The sentence of the error: why the operation ended, what is known of the job and the bill, and how to go
/// on.
pub(super) fn sentence(reason: &str, operation: Operation, fate: Fate<'_>) -> String {
    match fate {
        _ if operation == Operation::Recover => format!(
            "{reason}; what has been settled is, the rest stays in the ledger for the next \
             perceptis_recover, and each job is billed if it is delivered, and once"
        ),
        _ if operation.is_local() => reason.to_owned(),
        Fate::Completed { job_id } => {
            format!("{reason}; job {job_id} is completed and billed: fetch it with perceptis_download")
        }
        Fate::Accepted { job_id } => format!(
            "{reason}; job {job_id} goes on, and is billed if it is delivered, and once: fetch it with \
             perceptis_wait and then perceptis_download"
        ),
        Fate::Unknown { key } => format!(
            "{reason}; whether the service accepted the request is unknown: the same request with the \
             idempotency key {key} settles it and is not billed twice"
        ),
        Fate::Unchecked { key } => format!(
            "{reason} before the ledger said whether another call has sent the request with the idempotency \
             key {key}; this call sent nothing, and the same call again is not billed twice"
        ),
        Fate::NotSent => format!("{reason}; nothing was submitted, and nothing is billed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FATES: [Fate<'static>; 5] = [
        Fate::NotSent,
        Fate::Unchecked { key: "k1" },
        Fate::Unknown { key: "k1" },
        Fate::Accepted { job_id: "j1" },
        Fate::Completed { job_id: "j1" },
    ];

    #[rustfmt::skip]
    #[test]
    fn bill_of_an_ended_call_follows_the_table() {
        use Billed::{No, Unknown, Yes};
        use Operation::{Download, Forget, Generate, GetStatus, Jobs, Recover, Run, Wait};
        // NotSent, Unchecked, Unknown, Accepted, Completed: the bill, and whether the same call may be
        // repeated after a timeout.
        for (operation, bills, repeats) in [
            (Run,       [No, Unknown, Unknown, Unknown, Yes],      [true,  true,  false, false, false]),
            (Generate,  [No, Unknown, Unknown, Unknown, Yes],      [true,  true,  false, false, false]),
            (Wait,      [No, Unknown, Unknown, Unknown, Yes],      [true,  true,  true,  true,  true ]),
            (GetStatus, [No, Unknown, Unknown, Unknown, Yes],      [true,  true,  true,  true,  true ]),
            (Download,  [No, Unknown, Unknown, Unknown, Yes],      [true,  true,  true,  true,  true ]),
            (Recover,   [Unknown, Unknown, Unknown, Unknown, Yes], [false, false, false, false, false]),
            (Jobs,      [No, No, No, No, No],                      [true,  true,  true,  true,  true ]),
            (Forget,    [No, No, No, No, No],                      [true,  true,  true,  true,  true ]),
        ] {
            for (at, fate) in FATES.into_iter().enumerate() {
                assert_eq!(billed(operation, fate), bills[at], "{operation:?} {fate:?}");
                assert_eq!(retryable(Kind::Timeout, operation, fate), repeats[at], "{operation:?} {fate:?}");
                for kind in [Kind::Cancelled, Kind::Closed] {
                    assert!(!retryable(kind, operation, fate), "{operation:?} {fate:?}");
                }
            }
        }
    }

    #[rustfmt::skip]
    #[test]
    fn kind_of_a_timeout_says_what_the_caller_can_do() {
        use Kind::{OutcomeUnknown, Server, Timeout};
        let cause = Error::new(Server, "down");
        // NotSent, Unchecked, Unknown, Accepted, Completed: without and with a failure that was borne.
        for (operation, alone, after_failure) in [
            (Operation::Run,       [Timeout, Timeout, OutcomeUnknown, Timeout, Timeout],
                                   [Server,  Server,  OutcomeUnknown, Timeout, Timeout]),
            (Operation::Wait,      [Timeout, Timeout, OutcomeUnknown, Timeout, Timeout],
                                   [Server,  Server,  OutcomeUnknown, Timeout, Timeout]),
            (Operation::GetStatus, [Timeout, Timeout, OutcomeUnknown, Timeout, Timeout],
                                   [Server,  Server,  OutcomeUnknown, Server,  Server ]),
            (Operation::Recover,   [Timeout; 5], [Timeout; 5]),
        ] {
            for (at, fate) in FATES.into_iter().enumerate() {
                assert_eq!(kind(Timeout, operation, fate, None), alone[at], "{operation:?} {fate:?}");
                let got = kind(Timeout, operation, fate, Some(&cause));
                assert_eq!(got, after_failure[at], "{operation:?} {fate:?}");
                assert_eq!(kind(Kind::Cancelled, operation, fate, Some(&cause)), Kind::Cancelled);
            }
        }
    }

    #[test]
    fn sentence_names_the_key_or_the_job() {
        for operation in [Operation::Run, Operation::Wait] {
            for fate in FATES {
                let text = sentence("the deadline passed", operation, fate);
                assert!(text.starts_with("the deadline passed"), "{text}");
                let named = match fate {
                    Fate::NotSent => "nothing is billed",
                    Fate::Unchecked { key } | Fate::Unknown { key } => key,
                    Fate::Accepted { job_id } | Fate::Completed { job_id } => job_id,
                };
                assert!(text.contains(named) && text.contains("billed"), "{text}");
            }
        }
    }
}
