//! `exec`: runs a program with a sandbox of its own.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};

use perceptis_sandbox::{Sandbox, Settings, Temporary};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::shown;

/// Runs the program with a sandbox. Returns the exit code of the program.
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
    // Before the program starts: from now on signals go to it.
    let mut signals = [
        (signal(SignalKind::interrupt())?, Signal::INT),
        (signal(SignalKind::terminate())?, Signal::TERM),
        (signal(SignalKind::hangup())?, Signal::HUP),
    ];
    let sandbox = Sandbox::bind(settings).await?;
    let directory = Temporary::new()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("PERCEPTIS_API_BASE_URL", sandbox.base_url())
        .env("PERCEPTIS_API_KEY", sandbox.api_key())
        // The client takes a whole scale. A sandbox that is a little faster than its client is harmless.
        .env("PERCEPTIS_TIME_SCALE", format!("{}", settings.speed.floor()))
        .env("PERCEPTIS_LEDGER", directory.path().join("ledger.db"))
        .kill_on_drop(true);
    if let Some(file) = sandbox.ca_file() {
        command.env("PERCEPTIS_CA_FILE", file);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("perceptis-sandbox: can't run {}: {error}", shown(program));
            return Ok(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 });
        }
    };
    let status = tokio::select! {
        status = wait(&mut child, &mut signals) => status?,
        () = sandbox.serve() => child.wait().await?,
    };
    Ok(code_of(status))
}

/// Waits for the program, and passes on the signals that are meant to end it.
async fn wait(
    child: &mut Child,
    [interrupt, terminate, hangup]: &mut [(tokio::signal::unix::Signal, Signal); 3],
) -> io::Result<ExitStatus> {
    loop {
        let signal = tokio::select! {
            status = child.wait() => return status,
            // A terminal sends these to the program, too. The program decides what to do.
            _ = interrupt.0.recv() => interrupt.1,
            _ = terminate.0.recv() => terminate.1,
            _ = hangup.0.recv() => hangup.1,
        };
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // The program may have ended meanwhile.
            let _ = kill_process(pid, signal);
        }
    }
}

/// The exit code that a shell would report.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
