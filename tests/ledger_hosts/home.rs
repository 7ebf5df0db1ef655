//! A ledger and a directory for files, and the calls that share them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::api::{Client, Error, NETWORK, Request, patience};
use crate::support::deck::deck;
use crate::support::script::{Answer, Server, accepted, status};
use crate::support::{in_time, root, succeed};

pub const GENERATE: &str = "/api/v1/generate";
pub const STATUS: &str = "/api/v1/status/j1";

pub struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Home {
        let directory = tempfile::tempdir().unwrap();
        for name in ["out", "state"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        Home { directory }
    }

    pub fn path(&self) -> PathBuf {
        fs::canonicalize(self.directory.path()).unwrap()
    }

    pub fn ledger(&self) -> PathBuf {
        self.path().join("state/ledger.db")
    }

    pub fn out(&self) -> PathBuf {
        self.path().join("out")
    }

    /// A client with this home's ledger.
    pub fn client(&self, server: &Server, pairs: &[(&str, &str)]) -> Client {
        client_at(server, &self.ledger(), pairs)
    }

    /// A run of the deck `q3`, with these options further.
    pub fn run(&self, server: &Server, pairs: &[(&str, &str)]) -> Result<Value, Error> {
        run_with(&self.client(server, &[]), &self.out(), pairs)
    }

    /// A program of `programs/one_call.c` that uses this ledger and this directory.
    pub fn one_call(&self, server: &Server, arguments: &[&str]) -> Command {
        let mut command = crate::workshop::program("one_call", &server.base_url);
        command.args(arguments).arg(format!("directory={}", self.out().display()));
        command.env("PERCEPTIS_LEDGER", self.ledger());
        // A loaded machine must not look like a fault of the network.
        for key in NETWORK {
            command.env(format!("PERCEPTIS_{}", key.to_ascii_uppercase()), patience(200));
        }
        command.arg(format!("timeout_ms={}", patience(200)));
        command
    }
}

/// A process that does not outlive the test.
pub struct Kept(pub Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn client_at(server: &Server, ledger: &Path, pairs: &[(&str, &str)]) -> Client {
    let mut all = vec![("ledger", ledger.to_str().unwrap())];
    all.extend_from_slice(pairs);
    server.client_with(&all)
}

pub fn run_with(client: &Client, out: &Path, pairs: &[(&str, &str)]) -> Result<Value, Error> {
    let mut all = vec![("directory", out.to_str().unwrap()), ("name", "q3")];
    all.extend_from_slice(pairs);
    client.run(&Request::deck(), &all)
}

/// A server whose job takes until it is told that it is done.
pub fn working() -> Server {
    let server = Server::start();
    server.on(GENERATE, accepted()).on(STATUS, status("processing", "[]"));
    server
}

pub fn done(server: &Server) {
    let files = format!(r#"[{{"url":"{}/f","format":"pptx","variant":1}}]"#, server.base_url);
    server.on(STATUS, status("completed", &files)).on("/f", Answer::file(&deck("one")));
}

pub fn bought(server: &Server) -> usize {
    server.seen_at(GENERATE).len()
}

/// A run that its deadline ended while its job went on.
pub fn left_in_work(pairs: &[(&str, &str)]) -> (Home, Server) {
    in_time(|timeout_ms| {
        let (home, server) = (Home::new(), working());
        home.run(&server, &[pairs, &[("timeout_ms", timeout_ms)]].concat()).unwrap_err();
        (!server.seen_at(STATUS).is_empty()).then_some((home, server))
    })
}

/// The library that `programs/slow_system.c` is, built once.
pub fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("slow_system");
        fs::create_dir_all(&place).unwrap();
        // Made aside and put in place: another test process may be using the one that is there.
        let made = place.join(format!("{}.so", std::process::id()));
        let mut build = Command::new("gcc");
        build.args(["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
        build.arg(&made).arg(root().join("tests/programs/slow_system.c")).arg("-ldl");
        succeed(&mut build);
        let shim = place.join("slow_system.so");
        fs::rename(made, &shim).unwrap();
        shim
    })
}
