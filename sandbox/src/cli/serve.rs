//! `serve`: runs a sandbox until a signal ends it.

use std::io::Write as _;
use std::process::ExitCode;

use perceptis_sandbox::{Sandbox, Settings};
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};

/// Runs a sandbox until SIGINT, SIGTERM, SIGHUP or, if asked, the end of standard input.
pub async fn serve(settings: &Settings, exit_on_stdin_eof: bool) -> ExitCode {
    let started = async {
        let signals = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        );
        Ok::<_, std::io::Error>((Sandbox::bind(settings).await?, signals))
    };
    let (sandbox, (mut interrupt, mut terminate, mut hangup)) = match started.await {
        Ok(started) => started,
        Err(error) => {
            eprintln!("perceptis-sandbox: can't listen on port {}: {error}", settings.port);
            return ExitCode::FAILURE;
        }
    };
    let mut ready = serde_json::json!({
        "base_url": sandbox.base_url(),
        "api_key": sandbox.api_key(),
        "pid": std::process::id(),
    });
    if let Some(file) = sandbox.ca_file() {
        ready["ca_file"] = file.display().to_string().into();
    }
    let mut output = std::io::stdout();
    if writeln!(output, "{ready}").and_then(|()| output.flush()).is_err() {
        // The program that started this one is gone already.
        return ExitCode::FAILURE;
    }
    tokio::select! {
        () = sandbox.serve() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
        () = end_of_input(), if exit_on_stdin_eof => {}
    }
    ExitCode::SUCCESS
}

async fn end_of_input() {
    let mut input = tokio::io::stdin();
    let mut ignored = [0; 256];
    while matches!(input.read(&mut ignored).await, Ok(1..)) {}
}
