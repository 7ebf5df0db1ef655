//! The environment: read while a client is made, kept, and not looked at again.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;

use support::program::build;
use support::{Sandbox, library_directory, succeed};

/// The variables of the network; those of the machine that runs the tests must not count.
const VARIABLES: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Runs the program that changes its environment against a sandbox, by address and by names.
fn run(program: &Path, library: &Path, sandbox: &Sandbox, clients: &str, mode: &str) -> String {
    let by_name = sandbox.base_url.replace("127.0.0.1", "localhost");
    // The name of this machine, which is not looked at before the system's resolver has been asked.
    let name = String::from_utf8(succeed(&mut Command::new("hostname")).stdout).unwrap();
    let by_own_name = sandbox.base_url.replace("127.0.0.1", name.trim());
    let mut command = Command::new(program);
    sandbox.environment(&mut command);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.env_remove("PERCEPTIS_TIME_SCALE").env("LD_LIBRARY_PATH", library);
    command.env("PERCEPTIS_STATUS_TIMEOUT_MS", "60000");
    command.args([clients, mode, &sandbox.base_url, &by_name]);
    match &sandbox.ca_file {
        Some(file) => command.env("PERCEPTIS_CA_FILE", file),
        None => command.arg(&by_own_name),
    };
    String::from_utf8(succeed(&mut command).stdout).unwrap()
}

/// Of the library's own reads each is told; those that the C library makes by itself are not seen here.
#[test]
fn nothing_of_the_environment_is_read_after_a_client_is_made() {
    let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
    let program = build("tests/programs/environment.c", work.path(), library.path());
    for arguments in [&[][..], &["--tls"]] {
        let sandbox = Sandbox::start_with(1, arguments);
        assert_eq!(run(&program, library.path(), &sandbox, "2", "told"), "", "{arguments:?}");
    }
}

/// A program that changes its environment all the time goes on, also while names are looked up.
#[test]
fn a_program_may_change_its_environment_while_calls_run() {
    let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
    let program = build("tests/programs/environment.c", work.path(), library.path());
    for arguments in [&[][..], &["--tls"]] {
        let sandbox = Sandbox::start_with(1, arguments);
        run(&program, library.path(), &sandbox, "40", "changing");
    }
}
