//! Rule 20: a disk that hangs keeps no call beyond its deadline.

use std::fs;
use std::process::Stdio;

use crate::home::{GENERATE, Home, Kept, STATUS, bought, done, shim};
use crate::support::script::{Server, accepted, status};

#[test]
fn call_ends_while_its_disk_hangs() {
    let (home, server, gates) = (Home::new(), Server::start(), tempfile::tempdir().unwrap());
    server.only(GENERATE, accepted()).on(STATUS, status("processing", "[]"));
    let mut call = home.one_call(&server, &["run", "name=q3", "idempotency_key=order-1"]);
    call.env("LD_PRELOAD", shim()).env("GATES", gates.path());
    // Some seconds of the wall's: time enough to get to the disk.
    call.arg("timeout_ms=1600000");
    let mut call = Kept(call.stdout(Stdio::piped()).spawn().unwrap());
    while bought(&server) == 0 {
        assert_eq!(call.0.try_wait().unwrap(), None, "it sent nothing");
        std::thread::yield_now();
    }
    let shut = gates.path().join("sync");
    fs::write(&shut, "").unwrap();
    done(&server);
    let output = std::io::read_to_string(call.0.stdout.take().unwrap()).unwrap();
    // Nothing has let the disk go on.
    assert!(gates.path().join("sync.waits").exists() && shut.exists());
    assert!(output.starts_with("TIMEOUT\n"), "{output}");
    assert!(output.contains("perceptis_download") || output.contains("perceptis_wait"), "{output}");
}
