//! Rule 4: the age of a submission is checked again after name resolution and connect, just before the first
//! byte.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use crate::home::{GENERATE, Home, Kept, bought, shim};
use crate::support::script::{Answer, Server, accepted};
use crate::support::succeed;

/// The same call again while name resolution or connect waits. It goes on a month later by the clocks, or
/// soon; its code and how often the submission was sent by it.
fn sent_again(gate: &str, later: bool) -> (String, usize) {
    let (home, server, gates) = (Home::new(), Server::start(), tempfile::tempdir().unwrap());
    let by_name = server.base_url.replace("127.0.0.1", "service.test");
    let call = || {
        let mut call = home.one_call(&server, &["generate", "idempotency_key=order-1"]);
        call.env("PERCEPTIS_API_BASE_URL", &by_name).env("PERCEPTIS_ALLOW_HTTP", "true");
        // Only a client of this machine's sandbox may have a faster clock.
        call.env_remove("PERCEPTIS_TIME_SCALE");
        // `make test` puts a proxy that is not there before all other machines.
        call.env("no_proxy", "service.test");
        call.env("LD_PRELOAD", shim()).env("GATES", gates.path());
        call
    };
    server.on(GENERATE, Answer::Drop).on(GENERATE, Answer::error(401, "unauthorized"));
    assert!(succeed(&mut call()).stdout.starts_with(b"OUTCOME_UNKNOWN\n"));
    let sent = bought(&server);
    server.only(GENERATE, accepted());

    let shut = gates.path().join(gate);
    fs::write(&shut, "").unwrap();
    let mut again = Kept(call().stdout(Stdio::piped()).spawn().unwrap());
    while !gates.path().join(format!("{gate}.waits")).exists() {
        assert_eq!(again.0.try_wait().unwrap(), None, "it did not begin an attempt");
        std::thread::yield_now();
    }
    if later {
        fs::write(gates.path().join("later"), "").unwrap();
    }
    fs::remove_file(&shut).unwrap();
    let mut told = String::new();
    again.0.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    (told.lines().next().unwrap_or_default().to_owned(), bought(&server) - sent)
}

#[test]
fn first_byte_does_not_leave_where_the_window_ended_during_name_resolution_or_connect() {
    for gate in ["names", "connect"] {
        assert_eq!(sent_again(gate, false), ("OK".into(), 1), "slow {gate}, within the window");
        assert_eq!(
            sent_again(gate, true),
            ("OUTCOME_UNKNOWN".into(), 0),
            "slow {gate}, and the window is over"
        );
    }
}
