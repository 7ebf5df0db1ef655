//! What is done about what came: the table that every attempt to reach the service is judged by.

use crate::transport::failure::FailureKind;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// A submission none of whose attempts is in doubt.
    Submit,
    /// A submission whose fate is unknown: only an acceptance settles it.
    Resubmit,
    /// One look at a job.
    Look,
    /// Waiting for a job's end.
    Wait,
    /// Fetching a file.
    Fetch,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Asked again; of this attempt nothing came.
    Again,
    /// The same, a few times: as long as nothing was sent, giving up is free.
    Few,
    /// Asked again, and a job may exist.
    Doubt,
    /// Ended, and a job may exist: asking again would bring the same.
    DoubtStop,
    /// Asked again while the job is so young that the service may not know it yet, else ended.
    Young,
    /// A fresh URL by a poll, then asked again.
    Renew,
    /// Ended.
    Stop,
}

/// The table. `promise.md` in short: a submission's 2, 3; a wait's 6; a download's expired URLs.
#[rustfmt::skip]
pub(crate) fn next(came: FailureKind, asking: Asking) -> Next {
    use FailureKind::{Barred, Conflict, Fault, Lost, NotSent, Status, Unreadable, Untrusted, Withheld};
    use Next::{Again, Doubt, DoubtStop, Few, Renew, Stop, Young};

    //                              Submit     Resubmit   Look   Wait   Fetch
    let row = match came {
        Fault | Withheld | Barred => [Stop,      Stop,      Stop,  Stop,  Stop ],
        NotSent                 => [Few,       Again,     Again, Again, Again],
        Untrusted               => [Stop,      Again,     Stop,  Again, Stop ],
        Lost                    => [Doubt,     Doubt,     Again, Again, Again],
        Unreadable              => [Doubt,     Doubt,     Stop,  Again, Again],
        Conflict                => [Stop,      Again,     Stop,  Again, Stop ],
        Status(401 | 403)       => [Stop,      Stop,      Stop,  Stop,  Renew],
        Status(404)             => [Stop,      Stop,      Stop,  Young, Renew],
        // A proxy's: accounts are locked by a few wrong passwords.
        Status(407)             => [Stop,      Stop,      Stop,  Stop,  Stop ],
        Status(408)             => [Doubt,     Doubt,     Again, Again, Again],
        Status(409)             => [Doubt,     Doubt,     Stop,  Again, Stop ],
        Status(410)             => [Stop,      Stop,      Stop,  Again, Renew],
        Status(425 | 429)       => [Again,     Again,     Again, Again, Again],
        Status(400..=499)       => [Stop,      Stop,      Stop,  Again, Stop ],
        Status(500..)           => [Doubt,     Doubt,     Again, Again, Again],
        Status(_)               => [DoubtStop, DoubtStop, Stop,  Again, Stop ],
    };
    row[asking as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `promise.md`, 2 and 3.
    #[test]
    fn conflicts_are_refusals_by_their_code_alone() {
        for code in ["ambiguous_template_name", "idempotency_conflict"] {
            let came = FailureKind::status(409, Some(code));
            assert_eq!(
                (next(came, Asking::Submit), next(came, Asking::Resubmit)),
                (Next::Stop, Next::Again),
                "{code}"
            );
        }
        for code in [None, Some("request_in_progress"), Some(""), Some("IDEMPOTENCY_CONFLICT")] {
            let came = FailureKind::status(409, code);
            let both = [Asking::Submit, Asking::Resubmit].map(|asking| next(came, asking));
            assert_eq!(both, [Next::Doubt, Next::Doubt], "{code:?}");
        }
        // The code makes no conflict of another status.
        assert_eq!(next(FailureKind::status(400, Some("idempotency_conflict")), Asking::Submit), Next::Stop);
        assert_eq!(next(FailureKind::status(500, Some("idempotency_conflict")), Asking::Submit), Next::Doubt);
    }
}
