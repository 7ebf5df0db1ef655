//! The command line: its help, and the reader of its arguments.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;

use perceptis_sandbox::{Certificate, Settings};

/// The help page.
pub const HELP: &str = "\
perceptis-sandbox: a local Perceptis service, without an API key, a network or costs

USAGE
  perceptis-sandbox [serve] [--port N] [--speed N] [--seed N] [--tls] [--log] [--exit-on-stdin-eof]
  perceptis-sandbox exec [--port N] [--speed N] [--seed N] [--tls] [--log] -- COMMAND [ARGUMENT ...]
  perceptis-sandbox scenarios

serve answers on 127.0.0.1 until it gets SIGINT, SIGTERM or SIGHUP. When it is ready, it prints one line of
JSON:
  {\"base_url\": \"http://127.0.0.1:PORT\", \"api_key\": \"sk-sandbox-default\", \"pid\": N}

exec starts a sandbox, sets PERCEPTIS_API_BASE_URL, PERCEPTIS_API_KEY, PERCEPTIS_TIME_SCALE and
PERCEPTIS_LEDGER (a temporary file), and runs the command. It ends with the exit code of the command: 128 plus
the number of the signal if a signal ended the command, 127 if the command was not found. It removes all its
files.

scenarios lists the faults that the sandbox can produce, and how to ask for them.

OPTIONS
  --port N             the port; any free port by default
  --speed N            how many times as fast as real time the sandbox's clock runs, from 1 to 10000. At 1 a
                       slide takes 3 to 7 minutes and a deck 5 to 15, like the real service; at 100 a deck
                       takes seconds. 1 by default
  --seed N             the same seed gives the same job ids and durations; random by default
  --tls[=CERTIFICATE]  speak TLS, with an own certificate authority. The ready line has the path of its
                       certificate as ca_file, and exec sets PERCEPTIS_CA_FILE. CERTIFICATE is sound, one that
                       a client has to refuse (self_signed, expired, wrong_host), or plain_http. /_sandbox/
                       also answers plain HTTP
  --log                print the journal to standard error: a line of JSON for each request, without API keys
  --exit-on-stdin-eof  end when standard input is closed, so that serve ends with the program that started it
  -h, --help           print this page
  -V, --version        print the version

TRY IT
  Open the base URL in a browser: a page shows jobs, slides, journal, clock and faults. Or, in a shell:
  $ perceptis-sandbox --speed 100 --port 8080 &
  $ curl -s -H 'Authorization: Bearer sk-sandbox-default' -H 'Content-Type: application/json' \\
      -d '{\"prompt\": \"Why teams adopt Rust\", \"output_type\": \"deck\"}' \\
      http://127.0.0.1:8080/api/v1/generate
  $ curl -s -H 'Authorization: Bearer sk-sandbox-default' http://127.0.0.1:8080/api/v1/status/JOB_ID
  Then download the URL in downloads: it is a .pptx file that PowerPoint opens.

PRODUCE FAULTS
  $ curl -s -d '{\"scenario\": \"http_503@status\", \"times\": 2}' http://127.0.0.1:8080/_sandbox/rules
  or with the header X-Perceptis-Sandbox: half_answer,
  or with the key sk-sandbox-mytest--takes=1--reset_after@generate*1,
  or with [[sandbox: fail_after=3]] in a prompt. Then look at what happened, and what it cost:
  $ curl -s http://127.0.0.1:8080/_sandbox/journal; curl -s http://127.0.0.1:8080/_sandbox/credits
  $ curl -s -d '{\"advance_ms\": 600000}' http://127.0.0.1:8080/_sandbox/clock
  also: scenarios, rules, jobs, violations, namespaces, overview, reset, refuse, tls, events.
  Each takes ?namespace=mytest.

Every key that looks like sk-... is accepted, and sees only its own jobs. Keys sk-sandbox-NAME have their own
jobs, journal, rules, clock and credits; all other keys share the namespace \"default\". All data are kept in
memory.
";

/// A command.
pub enum Command {
    /// Print the help page.
    Help,
    /// Print the version.
    Version,
    /// List the scenarios.
    Scenarios,
    /// Run a sandbox until a signal ends it.
    Serve {
        /// Its settings.
        settings: Settings,
        /// Whether the end of standard input ends it, too.
        exit_on_stdin_eof: bool,
    },
    /// Run a program with a sandbox of its own.
    Exec {
        /// The settings of the sandbox.
        settings: Settings,
        /// The program.
        program: OsString,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
}

/// Reads the command line, or says what is wrong with it.
pub fn read(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut rest = arguments.peekable();
    let name = rest.peek().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
    match name.as_str() {
        "scenarios" => read_scenarios(rest.nth(1).as_deref()),
        "exec" | "serve" => {
            rest.next();
            read_options(rest, name == "exec")
        }
        _ => read_options(rest, false),
    }
}

/// Reads the argument of `scenarios`, which takes none.
fn read_scenarios(argument: Option<&OsStr>) -> Result<Command, String> {
    match argument {
        None => Ok(Command::Scenarios),
        Some(word) if word == "-h" || word == "--help" => Ok(Command::Help),
        Some(word) => Err(format!("unknown argument {word:?}; scenarios takes none")),
    }
}

/// Reads the options of `serve` or `exec`, and the program of `exec`.
fn read_options(
    mut rest: Peekable<impl Iterator<Item = OsString>>,
    is_exec: bool,
) -> Result<Command, String> {
    let mut settings = Settings::default();
    let mut exit_on_stdin_eof = false;
    while let Some(word) = rest.next() {
        let text = word.to_str().ok_or_else(|| format!("{word:?} is not UTF-8"))?;
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (text, None),
        };
        let mut value = || -> Result<String, String> {
            let value = inline.clone().or_else(|| rest.next().and_then(|next| next.into_string().ok()));
            value.ok_or_else(|| format!("{name} needs a value"))
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
            "--speed" => settings.speed = speed(name, &value()?)?,
            "--log" => settings.log = true,
            "--exit-on-stdin-eof" if !is_exec => exit_on_stdin_eof = true,
            "--" if is_exec => {
                let program = rest.next().ok_or("exec needs a command after --")?;
                return Ok(Command::Exec { settings, program, arguments: rest.collect() });
            }
            _ => return Err(format!("unknown argument {text:?}")),
        }
    }
    if is_exec {
        Err("exec needs -- and a command".into())
    } else {
        Ok(Command::Serve { settings, exit_on_stdin_eof })
    }
}

fn speed(name: &str, text: &str) -> Result<f64, String> {
    const ACCEPTED: &str = "a number from 1 to 10000";
    let speed: f64 = number(name, text, ACCEPTED)?;
    if (1.0..=10_000.0).contains(&speed) { Ok(speed) } else { Err(wrong(name, text, ACCEPTED)) }
}

fn number<T: std::str::FromStr>(name: &str, text: &str, accepted: &str) -> Result<T, String> {
    text.parse().map_err(|_| wrong(name, text, accepted))
}

fn wrong(name: &str, text: &str, accepted: &str) -> String {
    format!("{name} can't be {text:?}; accepted is {accepted}")
}

/// An argument as text for a message.
pub fn shown(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}
