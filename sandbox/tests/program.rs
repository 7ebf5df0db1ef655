//! The program: `serve` and `exec`, as a shell uses them.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perceptis-sandbox"));
    command.stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn started(command: &mut Command) -> (Child, Value) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    (child, ready)
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn is_listening(ready: &Value) -> bool {
    TcpStream::connect(ready["base_url"].as_str().unwrap().strip_prefix("http://").unwrap()).is_ok()
}

#[test]
fn serve_prints_a_ready_line_and_ends_on_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut child, ready) = started(&mut program());
        assert_eq!(ready["pid"], child.id());
        assert!(ready["api_key"].as_str().unwrap().starts_with("sk-"));
        assert!(is_listening(&ready));
        send(&child, signal);
        assert!(child.wait().unwrap().success());
        let mut rest = String::new();
        child.stdout.unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line and no more");
        assert!(
            TcpStream::connect(ready["base_url"].as_str().unwrap().strip_prefix("http://").unwrap()).is_err()
        );
    }
}

#[test]
fn serve_ends_with_standard_input_if_asked() {
    let (mut child, ready) =
        started(program().args(["serve", "--speed", "10", "--exit-on-stdin-eof"]).stdin(Stdio::piped()));
    child.stdin.as_mut().unwrap().write_all(b"this input is ignored\n").unwrap();
    assert!(is_listening(&ready));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!is_listening(&ready));
}

#[test]
fn serve_outlives_standard_input_unless_asked() {
    let (mut child, ready) = started(program().stdin(Stdio::piped()));
    drop(child.stdin.take());
    let url = ready["base_url"].as_str().unwrap();
    let key = ready["api_key"].as_str().unwrap();
    assert_eq!(support::get(url, key, "/api/v1/status/none").status, 404, "the key is accepted");
    send(&child, Signal::TERM);
    assert!(child.wait().unwrap().success());
}

#[test]
fn taken_port_is_an_error() {
    let (mut child, ready) = started(&mut program());
    let port = ready["base_url"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    for arguments in [&["--port", &port][..], &["exec", "--port", &port, "--", "true"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{output:?}");
    }
    send(&child, Signal::TERM);
    child.wait().unwrap();
}

#[test]
fn exec_ends_with_the_commands_exit_code() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
        assert_eq!(run(&["exec", "--", "sh", "-c", script]).status.code(), Some(code), "{script}");
    }
    for (command, code) in [("/nonexistent/command", 127), ("no-such-command", 127), ("/", 126)] {
        let temporary = tempfile::tempdir().unwrap();
        let output =
            program().env("TMPDIR", temporary.path()).args(["exec", "--", command]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{command}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(command), "{output:?}");
        assert_eq!(temporary.path().read_dir().unwrap().count(), 0, "{command}");
    }
    let output = run(&["exec", "--", "sh", "-c", "cat; echo \"$1\"", "sh", "--help --"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "--help --\n",
        "arguments after -- go to the command"
    );
}

#[test]
fn exec_sets_the_variables_and_leaves_nothing_behind() {
    let script = "stat -c '{\"mode\":\"%a\",' \"${PERCEPTIS_LEDGER%/*}\"; \
        touch \"$PERCEPTIS_LEDGER\"; \
        echo \"\\\"url\\\":\\\"$PERCEPTIS_API_BASE_URL\\\",\\\"key\\\":\\\"$PERCEPTIS_API_KEY\\\",\
        \\\"scale\\\":\\\"$PERCEPTIS_TIME_SCALE\\\",\\\"ledger\\\":\\\"$PERCEPTIS_LEDGER\\\"}\"";
    let output = run(&["exec", "--speed", "2000", "--", "sh", "-c", script]);
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(set["mode"], "700");
    assert_eq!(set["scale"], "2000");
    assert!(set["key"].as_str().unwrap().starts_with("sk-sandbox-"));
    let ledger = Path::new(set["ledger"].as_str().unwrap());
    assert!(ledger.is_absolute() && !ledger.parent().unwrap().exists(), "{ledger:?}");
    assert!(TcpStream::connect(set["url"].as_str().unwrap().strip_prefix("http://").unwrap()).is_err());
}

#[test]
fn exec_serves_as_long_as_the_command_runs() {
    let temporary = tempfile::tempdir().unwrap();
    let script = "echo \"$PERCEPTIS_API_BASE_URL $PERCEPTIS_API_KEY\"; cat; exit 5";
    let mut child = program()
        .args(["exec", "--", "sh", "-c", script])
        // exec replaces these, so that nothing goes to the real service.
        .env("PERCEPTIS_API_BASE_URL", "http://127.0.0.1:9")
        .env("PERCEPTIS_API_KEY", "sk-of-another-user")
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let (url, key) = line.trim().split_once(' ').unwrap();
    let body = r#"{"prompt":"p","output_type":"deck"}"#;
    let response = support::generate(url, key, None, body);
    assert_eq!(response.status, 202);
    let path = format!("/api/v1/status/{}", response.json()["job_id"].as_str().unwrap());
    assert_eq!(support::get(url, key, &path).status, 200);
    assert_eq!(temporary.path().read_dir().unwrap().count(), 1, "while it runs");
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert_eq!(temporary.path().read_dir().unwrap().count(), 0, "and no more");
    assert!(TcpStream::connect(url.strip_prefix("http://").unwrap()).is_err());
}

#[test]
fn exec_hands_signals_to_the_command() {
    // A trapped signal ends `wait` of a shell, but not `read`.
    let traps = "trap 'exit 9' TERM; trap 'exit 8' INT; echo ready; while :; do sleep 1 & wait $!; done";
    let falls = "echo ready; exec sleep 600";
    for (script, signal, code) in [
        (traps, Signal::TERM, 9),
        (traps, Signal::INT, 8),
        (falls, Signal::TERM, 143),
        (falls, Signal::INT, 130),
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let mut child = program()
            .args(["exec", "--", "sh", "-c", script])
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{script}");
        assert_eq!(temporary.path().read_dir().unwrap().count(), 0, "nothing is left behind");
    }
}

#[test]
fn wrong_arguments_get_an_error_with_the_accepted_ones() {
    for (arguments, says) in [
        (&["--speed", "0.5"][..], "1 to 10000"),
        (&["--speed", "10001"], "1 to 10000"),
        (&["--speed", "fast"], "1 to 10000"),
        (&["--speed"], "needs a value"),
        (&["--port", "70000"], "65535"),
        (&["--sped", "3"], "--sped"),
        (&["exec"], "--"),
        (&["exec", "--"], "command"),
        (&["exec", "ls"], "ls"),
        (&["frobnicate"], "frobnicate"),
        (&["--port", "-1"], "65535"),
        (&["--speed", "nan"], "1 to 10000"),
        (&["--seed", "x"], "whole number"),
        (&["--log=no", "--version"], "--log"),
        (&["--exit-on-stdin-eof=false", "--version"], "--exit-on-stdin-eof"),
        (&["exec", "--exit-on-stdin-eof", "--", "true"], "--exit-on-stdin-eof"),
        (&["scenarios", "frobnicate"], "frobnicate"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(says) && said.contains("--help"), "{arguments:?}: {said}");
    }
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(help.contains("exec") && help.contains("--speed") && help.contains("curl"), "{help}");
    assert!(run(&["exec", "--help"]).status.success());
    assert!(String::from_utf8(run(&["-V"]).stdout).unwrap().contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn tls_authority_file_is_removed_at_the_end() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (mut child, ready) = started(program().arg("--tls"));
        assert!(ready["base_url"].as_str().unwrap().starts_with("https://127.0.0.1:"));
        let file = Path::new(ready["ca_file"].as_str().unwrap()).to_owned();
        assert!(file.is_file());
        send(&child, signal);
        assert!(child.wait().unwrap().success());
        assert!(!file.parent().unwrap().exists(), "{signal:?}");
    }
    let output =
        run(&["exec", "--tls", "--", "sh", "-c", "echo $PERCEPTIS_API_BASE_URL; cat $PERCEPTIS_CA_FILE"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("https://") && text.contains("BEGIN CERTIFICATE"), "{text}");
    let refused = run(&["--tls=odd"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("self_signed"),
        "the error lists the certificates"
    );
    let listed = String::from_utf8(run(&["scenarios"]).stdout).unwrap();
    assert!(listed.contains("wrong_host") && listed.contains("plain_http"));
}

#[test]
fn exec_leaves_nothing_behind_after_a_hangup() {
    let mut child = program()
        .args(["exec", "--", "sh", "-c", "echo $PERCEPTIS_LEDGER; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let directory = Path::new(line.trim()).parent().unwrap().to_owned();
    assert!(directory.is_dir());
    send(&child, Signal::HUP);
    assert_eq!(child.wait().unwrap().code(), Some(128 + 1));
    assert!(!directory.exists());
}
