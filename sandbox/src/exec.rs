//! `exec`: runs a command beside a sandbox of its own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use perceptis_sandbox::{Sandbox, Settings};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::shown;

/// Runs the command with a sandbox and returns its exit code.
pub async fn exec(settings: &Settings, program: &OsStr, arguments: &[OsString]) -> ExitCode {
    match run(settings, program, arguments).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("perceptis-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: &Settings, program: &OsStr, arguments: &[OsString]) -> io::Result<u8> {
    // Before the command starts: a signal from now on is the command's.
    let mut signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let sandbox = Sandbox::bind(settings).await?;
    let directory = Temporary::new()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("PERCEPTIS_API_BASE_URL", sandbox.base_url())
        .env("PERCEPTIS_API_KEY", sandbox.api_key())
        // The client's scale is whole; a clock a little faster than its client is harmless.
        .env("PERCEPTIS_TIME_SCALE", format!("{}", settings.speed.floor()))
        .env("PERCEPTIS_LEDGER", directory.path().join("ledger.db"))
        .kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("perceptis-sandbox: {} can't be run: {error}", shown(program));
            return Ok(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 });
        }
    };
    let status = tokio::select! {
        status = wait(&mut child, &mut signals) => status?,
        () = sandbox.serve() => child.wait().await?,
    };
    Ok(code_of(status))
}

/// Waits for the command, and hands it the signals that are meant to end it.
async fn wait(
    child: &mut Child,
    (interrupt, terminate): &mut (tokio::signal::unix::Signal, tokio::signal::unix::Signal),
) -> io::Result<ExitStatus> {
    loop {
        let signal = tokio::select! {
            status = child.wait() => return status,
            // A terminal sends it to the command, too; there it is the command's to decide.
            _ = interrupt.recv() => Signal::INT,
            _ = terminate.recv() => Signal::TERM,
        };
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended this moment.
            let _ = kill_process(pid, signal);
        }
    }
}

/// As a shell tells it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// A directory for this user's eyes, gone when it is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> io::Result<Temporary> {
        let number = getrandom::u64().map_err(io::Error::other)?;
        let path = std::env::temp_dir().join(format!("perceptis-sandbox-{number:016x}"));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Temporary(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nothing better can be done about a directory that can't be removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}
