//! The command line.

use std::ffi::{OsStr, OsString};

use perceptis_sandbox::{Certificate, Settings};

/// The page that a newcomer works from.
pub const HELP: &str = "\
perceptis-sandbox: the Perceptis service played locally, without a key, a network or a bill

USAGE
  perceptis-sandbox [serve] [--port N] [--speed N] [--seed N] [--tls] [--log] [--exit-on-stdin-eof]
  perceptis-sandbox exec [--port N] [--speed N] [--seed N] [--tls] [--log] -- COMMAND [ARGUMENT ...]
  perceptis-sandbox scenarios

serve answers on 127.0.0.1 until it gets SIGINT, SIGTERM or SIGHUP. When it is ready it prints one line of JSON:
  {\"base_url\": \"http://127.0.0.1:PORT\", \"api_key\": \"sk-sandbox-default\", \"pid\": N}

exec starts a sandbox, sets PERCEPTIS_API_BASE_URL, PERCEPTIS_API_KEY, PERCEPTIS_TIME_SCALE and
PERCEPTIS_LEDGER (a temporary one), runs the command, and ends with its exit code (128 + the signal's number
when a signal ended it; 127 when it can't be found). Nothing is left behind.

scenarios lists what can be made to go wrong, and how.

OPTIONS
  --port N             the port; any free one by default
  --speed N            how many times as fast as the wall's the sandbox's clock runs, 1 to 10000. At 1 a
                       slide takes 3 to 7 minutes and a deck 5 to 15, as the real service's do; at 100 a
                       deck is there in seconds. 1 by default
  --seed N             the same seed gives the same job ids and durations; random by default
  --tls[=CERTIFICATE]  speak TLS, with a certificate authority of its own: the ready line has its certificate's
                       path as ca_file, exec sets PERCEPTIS_CA_FILE. CERTIFICATE is sound, or one that a client has
                       to refuse: self_signed, expired, wrong_host; or plain_http. /_sandbox/ answers plain HTTP, too
  --log                print the journal to standard error, a line of JSON a request, without keys
  --exit-on-stdin-eof  end when standard input is closed, so that it never outlives whoever started it
  -h, --help           this page
  -V, --version        the version

TRY IT
  Open the base URL in a browser: jobs, slides, journal, clock and faults on a page. Or, in a shell:
  $ perceptis-sandbox --speed 100 --port 8080 &
  $ curl -s -H 'Authorization: Bearer sk-sandbox-default' -H 'Content-Type: application/json' \\
      -d '{\"prompt\": \"Why teams adopt Rust\", \"output_type\": \"deck\"}' http://127.0.0.1:8080/api/v1/generate
  $ curl -s -H 'Authorization: Bearer sk-sandbox-default' http://127.0.0.1:8080/api/v1/status/JOB_ID
  then fetch the URL in downloads: it is a .pptx that opens.

MAKE IT GO WRONG
  $ curl -s -d '{\"scenario\": \"http_503@status\", \"times\": 2}' http://127.0.0.1:8080/_sandbox/rules
  or the header X-Perceptis-Sandbox: half_answer, or the key sk-sandbox-mytest--takes=1--reset_after@generate*1, or
  [[sandbox: fail_after=3]] in a prompt. Then ask what happened, and what it cost:
  $ curl -s http://127.0.0.1:8080/_sandbox/journal; curl -s http://127.0.0.1:8080/_sandbox/credits
  $ curl -s -d '{\"advance_ms\": 600000}' http://127.0.0.1:8080/_sandbox/clock
  also: scenarios, rules, jobs, violations, namespaces, overview, reset, refuse, tls, events. Each takes ?namespace=mytest.

Any key that looks like sk-... is accepted, and sees its own jobs only. Keys sk-sandbox-NAME have jobs, journal, rules,
clock and credits of their own; all others share the namespace \"default\". Everything is kept in memory.
";

/// What is to be done.
pub enum Command {
    /// Print the page.
    Help,
    /// Print the version.
    Version,
    /// List the scenarios.
    Scenarios,
    /// Answer until told to end.
    Serve {
        /// How.
        settings: Settings,
        /// Whether the end of standard input ends it.
        exit_on_stdin_eof: bool,
    },
    /// Run a command beside it.
    Exec {
        /// How.
        settings: Settings,
        /// The command.
        program: OsString,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
}

/// Reads the command line, or says what is wrong with it.
pub fn read(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut rest = arguments.peekable();
    let exec = match rest.peek().and_then(|word| word.to_str()) {
        Some("exec") => {
            rest.next();
            true
        }
        Some("scenarios") => {
            rest.next();
            return match rest.next() {
                None => Ok(Command::Scenarios),
                Some(word) if word == "-h" || word == "--help" => Ok(Command::Help),
                Some(word) => Err(format!("unknown argument {word:?}; scenarios takes none")),
            };
        }
        Some("serve") => {
            rest.next();
            false
        }
        _ => false,
    };
    let mut settings = Settings::default();
    let mut exit_on_stdin_eof = false;
    while let Some(word) = rest.next() {
        let text = word.to_str().ok_or_else(|| format!("{word:?} is not UTF-8"))?;
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (text, None),
        };
        let mut value = || -> Result<String, String> {
            match inline.clone().or_else(|| rest.next().and_then(|next| next.into_string().ok())) {
                Some(value) => Ok(value),
                None => Err(format!("{name} needs a value")),
            }
        };
        match name {
            "--tls" => {
                let named = inline.as_deref().map(Certificate::parse).transpose();
                settings.tls = Some(named.map_err(|error| format!("--tls: {error}"))?.unwrap_or_default());
            }
            "--help" | "--version" | "--log" | "--exit-on-stdin-eof" if inline.is_some() => {
                return Err(format!("{name} takes no value"));
            }
            "-h" | "--help" => return Ok(Command::Help),
            "-V" | "--version" => return Ok(Command::Version),
            "--port" => settings.port = number(name, &value()?, "a port from 0 to 65535")?,
            "--seed" => settings.seed = Some(number(name, &value()?, "a whole number")?),
            "--speed" => {
                let text = value()?;
                let speed: f64 = number(name, &text, "a number from 1 to 10000")?;
                if !(1.0..=10_000.0).contains(&speed) {
                    return Err(format!("--speed can't be {text}; accepted is a number from 1 to 10000"));
                }
                settings.speed = speed;
            }
            "--log" => settings.log = true,
            "--exit-on-stdin-eof" if !exec => exit_on_stdin_eof = true,
            "--" if exec => {
                let program = rest.next().ok_or("exec needs a command after --")?;
                return Ok(Command::Exec { settings, program, arguments: rest.collect() });
            }
            _ => return Err(format!("unknown argument {text:?}")),
        }
    }
    if exec {
        Err("exec needs -- and a command".into())
    } else {
        Ok(Command::Serve { settings, exit_on_stdin_eof })
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str, accepts: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} can't be {text:?}; accepted is {accepts}"))
}

/// A word as it is shown.
pub fn shown(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}
