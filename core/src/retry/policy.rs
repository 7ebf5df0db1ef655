//! What is done about what came: the table that every attempt to reach the service is judged by.

/// What came of an attempt in the place of a good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// The attempt was withheld just before its first byte: nothing was sent.
    Withheld,
    /// What asking again would not change: this client can't ask, or must not take what is offered.
    Fault,
    /// No connection: only a failed connect proves that nothing was sent.
    NotSent,
    /// The handshake failed for a reason that does not pass by itself: the other end's certificate is not
    /// trusted, say. Nothing was sent.
    Untrusted,
    /// The host asks for a certificate of the client's, and takes no request without: nothing was taken.
    Barred,
    /// The request can have arrived, and no whole answer came back.
    Lost,
    /// A 2xx that can't be understood.
    Unreadable,
    /// A 409 whose code says that this request was not taken.
    Conflict,
    /// Another status than 2xx. A 409 here can mean anything, such as that the first request under the key is in work.
    Status(u16),
}

/// The codes of a 409 with which the service says that it did not take the request.
const CONFLICTS: [&str; 2] = ["ambiguous_template_name", "idempotency_conflict"];

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
pub(crate) fn next(came: Came, asking: Asking) -> Next {
    use Came::{Barred, Conflict, Fault, Lost, NotSent, Status, Unreadable, Untrusted, Withheld};
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

impl Came {
    /// A status that is no success, with the service's own code.
    pub(crate) fn status(status: u16, api_code: Option<&str>) -> Came {
        match api_code {
            Some(code) if status == 409 && CONFLICTS.contains(&code) => Came::Conflict,
            _ => Came::Status(status),
        }
    }

    /// In a word or two, for the list of attempts.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Came::Withheld => "withheld",
            Came::Fault => "not possible",
            Came::NotSent => "not sent",
            Came::Untrusted => "handshake failed",
            Came::Barred => "client's certificate asked for",
            Came::Lost => "no answer",
            Came::Unreadable => "not understood",
            Came::Status(409) => "conflict",
            Came::Status(429) => "rate limited",
            Came::Status(408 | 425 | 500..) => "failed",
            Came::Status(300..=399) => "redirected",
            Came::Conflict | Came::Status(_) => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `promise.md`, 2 and 3.
    #[test]
    fn conflicts_are_refusals_by_their_code_alone() {
        for code in ["ambiguous_template_name", "idempotency_conflict"] {
            let came = Came::status(409, Some(code));
            assert_eq!(
                (next(came, Asking::Submit), next(came, Asking::Resubmit)),
                (Next::Stop, Next::Again),
                "{code}"
            );
        }
        for code in [None, Some("request_in_progress"), Some(""), Some("IDEMPOTENCY_CONFLICT")] {
            let came = Came::status(409, code);
            let both = [Asking::Submit, Asking::Resubmit].map(|asking| next(came, asking));
            assert_eq!(both, [Next::Doubt, Next::Doubt], "{code:?}");
        }
        // The code makes no conflict of another status.
        assert_eq!(next(Came::status(400, Some("idempotency_conflict")), Asking::Submit), Next::Stop);
        assert_eq!(next(Came::status(500, Some("idempotency_conflict")), Asking::Submit), Next::Doubt);
    }
}
