//! The table of the configuration keys and of the options of a call: the one list from which the parser, the
//! text of the C header and the reference come.
//!
//! Plain data without imports, so that the build script of the C library reads it, too.

/// What the value of a key can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// A text; the parser says which are accepted.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number from the first to the second, both included.
    Number(u64, u64),
    /// One of these words.
    Words(&'static [&'static str]),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name, as the caller writes it. A name that ends in `_ms` is a duration in milliseconds.
    pub name: &'static str,
    /// What the value can be.
    pub accepts: Accepts,
    /// The value that holds where none is set; `None`: the key has none, or it depends on the call.
    pub default: Option<&'static str>,
    /// What stands in the place of the default in the documentation, where `default` is none or says little.
    pub default_says: Option<&'static str>,
    /// What the key means, as a phrase after its name.
    pub says: &'static str,
}

impl Key {
    const fn new(name: &'static str, accepts: Accepts, says: &'static str) -> Key {
        Key { name, accepts, default: None, default_says: None, says }
    }

    const fn default(self, default: &'static str) -> Key {
        Key { default: Some(default), ..self }
    }

    const fn default_says(self, default_says: &'static str) -> Key {
        Key { default_says: Some(default_says), ..self }
    }

    /// The key as one paragraph of the documentation: name, meaning, values, default in brackets.
    pub fn paragraph(&self) -> String {
        let values = match self.accepts {
            Accepts::Text | Accepts::Boolean => String::new(),
            Accepts::Number(min, max) => format!("; {min} to {max}"),
            Accepts::Words(words) => format!("; `{}`", words.join("`, `")),
        };
        let default = self.default_says.or(self.default).map(|text| format!(" [{text}]"));
        format!("`{}`: {}{values}{}", self.name, self.says, default.unwrap_or_default())
    }
}

/// A second, a week, a year and a hundred years, in milliseconds.
const SECOND: u64 = 1000;
const WEEK: u64 = 7 * 24 * 3600 * SECOND;
const YEAR: u64 = 365 * 24 * 3600 * SECOND;
const CENTURY: u64 = 100 * YEAR;

const TIMEOUT: Accepts = Accepts::Number(1, WEEK);
/// Not below a second: the service's ceiling is one poll a second for a job.
const POLL_DISTANCE: Accepts = Accepts::Number(SECOND, 3600 * SECOND);

/// The keys of `perceptis_config_set`, in the order of the documentation.
pub const CONFIGURATION: [Key; 21] = [
    Key::new("api_key", Accepts::Text, "the API key; needed, here or in the environment"),
    Key::new("api_base_url", Accepts::Text, "the service's URL: scheme, host and port only")
        .default("https://app.perceptis.ai"),
    Key::new("app_name", Accepts::Text, "put before the library's name in the User-Agent"),
    Key::new("ca_file", Accepts::Text, "certificates in PEM form, trusted besides the system's"),
    Key::new(
        "client_cert_file",
        Accepts::Text,
        "the certificate that is shown to a host that asks for one, with those that lead to its authority, \
         in PEM form; together with `client_key_file`, or not at all",
    ),
    Key::new(
        "client_key_file",
        Accepts::Text,
        "the private key of that certificate, not encrypted, in PEM form",
    ),
    Key::new("allow_http", Accepts::Boolean, "`true` to use plain http to another machine").default("false"),
    Key::new("connect_timeout_ms", TIMEOUT, "how long one attempt may take to connect").default("5000"),
    Key::new("submit_timeout_ms", TIMEOUT, "how long one attempt to submit may take").default("60000"),
    Key::new("status_timeout_ms", TIMEOUT, "how long one poll may take").default("15000"),
    Key::new("download_idle_timeout_ms", TIMEOUT, "how long a download may bring nothing").default("30000"),
    Key::new("poll_first_ms", POLL_DISTANCE, "the shortest distance between two polls of a job")
        .default("2000"),
    Key::new(
        "poll_max_ms",
        POLL_DISTANCE,
        "the longest distance between two polls of a job. No distance is longer than 15 % of the job's age \
         either, so that the end of a job is seen within 15 % of the time that it took, or `poll_first_ms` \
         where that is longer",
    )
    .default("10000"),
    Key::new(
        "resubmit_window_ms",
        // Short enough that no service forgets a key in it, or none at all.
        Accepts::Number(0, WEEK),
        "how long after its first attempt a submission in doubt is repeated without a question to the caller",
    )
    .default("3600000"),
    Key::new(
        "adopt_window_ms",
        // Longer than a year, an equal call is another purchase for sure.
        Accepts::Number(0, YEAR),
        "how long an equal call is given what another call settled for it, such as `perceptis_recover`; \
         after that it buys a new job, and the `note` of its result names the earlier deck",
    )
    .default("86400000"),
    Key::new(
        "max_concurrent_submissions",
        // Above this many at once each would need a connection of its own for long.
        Accepts::Number(1, 64),
        "how many submissions of this client are on their way at once",
    )
    .default("8"),
    Key::new("max_file_bytes", Accepts::Number(1, 4 << 30), "the largest file that is fetched")
        .default("536870912"),
    Key::new(
        "log_level",
        Accepts::Words(&["error", "warning", "info", "debug"]),
        "what is logged, where a log is set",
    )
    .default("info"),
    Key::new(
        "ledger",
        Accepts::Text,
        "the path of the file in which submissions are recorded before they are sent, so that the death of \
         the process costs nothing; or `off`: in memory, for the life of the client",
    )
    .default_says("$XDG_STATE_HOME/perceptis/ledger.db, or the same in $HOME/.local/state"),
    Key::new(
        "time_scale",
        Accepts::Number(1, 10_000),
        "divides every duration; with a base URL on this machine only",
    )
    .default("1"),
    Key::new(
        "jitter_seed",
        // What fits a signed integer of every language.
        Accepts::Number(0, (1 << 63) - 1),
        "makes the random parts of waiting times the same in each run of a test; with a base URL on this \
         machine only. Idempotency keys are random with it, too",
    )
    .default_says("the operating system's randomness"),
];

/// The keys of `perceptis_options_set`, in the order of the documentation.
pub const OPTIONS: [Key; 15] = [
    Key::new("timeout_ms", TIMEOUT, "the deadline of the whole call").default_says(
        "get_status: 1 minute; generate: 10; run: 30 for a slide, 45 for a deck; wait: 45; download: 60",
    ),
    Key::new("directory", Accepts::Text, "where files go; must exist").default_says("the working directory"),
    Key::new("name", Accepts::Text, "the files' name without its ending, without separators")
        .default_says("the job's id"),
    Key::new(
        "overwrite",
        Accepts::Boolean,
        "`true` to replace the presentation that has that name when the call begins; a file that is written \
         meanwhile stays, and the new file goes beside it, as `<name>-<job_id>.pptx`",
    )
    .default("false")
    .default_says("false: such a file is an error before anything is submitted"),
    Key::new(
        "idempotency_key",
        Accepts::Text,
        "1 to 255 visible ASCII characters; the same key with the same request is the same job, however \
         often it is submitted",
    )
    .default_says("a random one"),
    Key::new(
        "resubmit",
        Accepts::Boolean,
        "`true` to repeat a submission in doubt even after `resubmit_window_ms`, when the service may have \
         forgotten its key and may bill a second job",
    )
    .default("false"),
    Key::new(
        "adopt",
        Accepts::Words(&["on", "off"]),
        "`off` to buy a new job even where the program of an equal call (operation, request, directory, \
         name) was not told OK and that call is over, or its process gone",
    )
    .default("on")
    .default_says("on: that call's submission is continued"),
    Key::new(
        "on_other_key",
        Accepts::Words(&["refuse", "submit"]),
        "`submit` to buy a new job where the idempotency key is known under another API key, or an equal \
         call under another API key is not settled",
    )
    .default("refuse"),
    Key::new(
        "progress",
        Accepts::Boolean,
        "`true` to get an event whenever the phase of the call or the status of its job has changed; for \
         calls that end in a queue, since 0.2",
    )
    .default("false"),
    Key::new(
        "job",
        Accepts::Text,
        "a job id or an idempotency key; for `perceptis_jobs` and `perceptis_recover`",
    ),
    Key::new(
        "state",
        Accepts::Words(&["submitting", "accepted", "completed", "settled", "failed", "refused"]),
        "how far the submission has come; for `perceptis_jobs`",
    ),
    Key::new(
        "unsettled",
        Accepts::Boolean,
        "`true` for what is left to do, `false` for the rest; for `perceptis_jobs`",
    ),
    Key::new(
        "max_age_ms",
        Accepts::Number(1, CENTURY),
        "how long ago the last change of a submission may be; for `perceptis_jobs`",
    ),
    Key::new(
        "limit",
        Accepts::Number(1, 10_000),
        "how many submissions are listed at most; for `perceptis_jobs`",
    )
    .default("1000"),
    Key::new(
        "history",
        Accepts::Boolean,
        "`true` to list each call of a submission, too; for `perceptis_jobs`",
    )
    .default("false"),
];
