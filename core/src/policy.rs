//! What is done about what came: the table that every attempt to reach the service is judged by.

/// What came of an attempt in the place of a good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// What asking again would not change: this client can't ask, or must not take what is offered.
    Fault,
    /// No connection: only a failed connect proves that nothing was sent.
    NotSent,
    /// The other end's certificate is not trusted; nothing was sent.
    Untrusted,
    /// The request can have arrived, and no whole answer came back.
    Lost,
    /// A 2xx that can't be understood.
    Unreadable,
    /// Another status than 2xx.
    Status(u16),
}

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
    use Came::{Fault, Lost, NotSent, Status, Unreadable, Untrusted};
    use Next::{Again, Doubt, DoubtStop, Few, Renew, Stop, Young};

    //                              Submit     Resubmit   Look   Wait   Fetch
    let row = match came {
        Fault                   => [Stop,      Stop,      Stop,  Stop,  Stop ],
        NotSent                 => [Few,       Again,     Again, Again, Again],
        Untrusted               => [Stop,      Again,     Stop,  Again, Stop ],
        Lost                    => [Doubt,     Doubt,     Again, Again, Again],
        Unreadable              => [Doubt,     Doubt,     Stop,  Again, Again],
        Status(401 | 403)       => [Stop,      Stop,      Stop,  Stop,  Renew],
        Status(404)             => [Stop,      Stop,      Stop,  Young, Renew],
        Status(408)             => [Doubt,     Doubt,     Again, Again, Again],
        Status(409)             => [Stop,      Again,     Stop,  Again, Stop ],
        Status(410)             => [Stop,      Stop,      Stop,  Again, Renew],
        Status(425 | 429)       => [Again,     Again,     Again, Again, Again],
        Status(400..=499)       => [Stop,      Stop,      Stop,  Again, Stop ],
        Status(500..)           => [Doubt,     Doubt,     Again, Again, Again],
        Status(_)               => [DoubtStop, DoubtStop, Stop,  Again, Stop ],
    };
    row[asking as usize]
}

impl Came {
    /// In a word or two, for the list of attempts.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Came::Fault => "not possible",
            Came::NotSent => "not sent",
            Came::Untrusted => "certificate not trusted",
            Came::Lost => "no answer",
            Came::Unreadable => "not understood",
            Came::Status(429) => "rate limited",
            Came::Status(408 | 425 | 500..) => "failed",
            Came::Status(300..=399) => "redirected",
            Came::Status(_) => "refused",
        }
    }
}
