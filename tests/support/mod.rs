//! What the tests share: the shared library through its header's functions, a server that plays a script,
//! and the sandbox. Nothing here goes around the C ABI.
#![allow(dead_code, missing_docs)]
// Every call of the library here is unsafe for the one reason that it is C; the arguments are what its header asks
// for, or wrong on purpose.
#![allow(clippy::undocumented_unsafe_blocks, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod admin;
pub mod api;
pub mod deck;
pub mod heard;
pub mod program;
pub mod queue;
pub mod script;
pub mod workers;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where this build put its products: beside the directory of the tests themselves.
pub fn products() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().to_owned()
}

/// The shared library under test: the one that `PERCEPTIS_TEST_LIBRARY` names, or this build's.
pub fn library() -> PathBuf {
    let path = match std::env::var_os("PERCEPTIS_TEST_LIBRARY") {
        Some(path) => PathBuf::from(path),
        None => products().join("libperceptis.so"),
    };
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace` first", path.display());
    // Cargo does not build the shared library for these tests; an old one would prove nothing.
    let built = path.metadata().unwrap().modified().unwrap();
    for folder in ["src", "core/src", "core/descriptors/src"] {
        assert_older(&root().join(folder), built);
    }
    path
}

/// Unit tests are no part of the library: cargo does not build it again for them.
fn assert_older(folder: &Path, built: std::time::SystemTime) {
    for source in std::fs::read_dir(folder).unwrap() {
        let source = source.unwrap();
        let (path, found) = (source.path(), source.metadata().unwrap());
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if found.is_dir() {
            assert_older(&path, built);
            continue;
        }
        let changed = found.modified().unwrap();
        assert!(changed <= built, "{path:?} is newer than the library: run `cargo build --workspace`");
    }
}

/// A directory in which a program finds the library under the name that it asks for.
pub fn library_directory() -> tempfile::TempDir {
    directory_with(&library())
}

/// The same with another build's library.
pub fn directory_with(library: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["libperceptis.so", "libperceptis.so.0"] {
        std::os::unix::fs::symlink(library, directory.path().join(name)).unwrap();
    }
    directory
}

/// The sandbox's program.
pub fn sandbox_program() -> PathBuf {
    let path = products().join("perceptis-sandbox");
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}

/// A place for a ledger that nobody else uses, gone when it is dropped.
pub struct Ledger {
    path: String,
    _directory: tempfile::TempDir,
}

impl Default for Ledger {
    fn default() -> Ledger {
        let directory = tempfile::tempdir().unwrap();
        Ledger {
            path: directory.path().join("ledger.db").to_str().unwrap().to_owned(),
            _directory: directory,
        }
    }
}

impl Ledger {
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// A sandbox of the test's own, gone when it is dropped.
pub struct Sandbox {
    pub base_url: String,
    pub api_key: String,
    pub speed: u32,
    /// The certificate of its authority, where it speaks TLS.
    pub ca_file: Option<String>,
    child: Child,
    input: Option<ChildStdin>,
    ledger: Ledger,
}

impl Sandbox {
    pub fn start(speed: u32) -> Sandbox {
        Sandbox::start_with(speed, &[])
    }

    pub fn start_with(speed: u32, arguments: &[&str]) -> Sandbox {
        let mut child = Command::new(sandbox_program())
            .args(["serve", "--speed", &speed.to_string(), "--exit-on-stdin-eof"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        let input = child.stdin.take();
        let ca_file = ready["ca_file"].as_str().map(str::to_owned);
        let (base_url, api_key, ledger) = (text("base_url"), text("api_key"), Ledger::default());
        Sandbox { base_url, api_key, speed, ca_file, child, input, ledger }
    }

    /// A client of this sandbox at its speed.
    pub fn client(&self) -> api::Client {
        self.client_with(&[])
    }

    /// The same with further settings.
    pub fn client_with(&self, pairs: &[(&str, &str)]) -> api::Client {
        let scale = self.speed.to_string();
        let mut all = vec![
            ("api_key", self.api_key.as_str()),
            ("api_base_url", &self.base_url),
            ("time_scale", &scale),
            ("ledger", self.ledger.path()),
        ];
        all.extend(self.ca_file.iter().map(|file| ("ca_file", file.as_str())));
        all.extend(pairs);
        api::Client::new(&all).unwrap()
    }

    /// Has a scenario strike from now on.
    pub fn rule(&self, scenario: &str) {
        let rule = serde_json::json!({ "scenario": scenario });
        admin::ask(&self.base_url, "POST", "/_sandbox/rules", "", Some(&rule));
    }

    /// From now on nothing goes wrong any more.
    pub fn clear(&self) {
        admin::ask(&self.base_url, "DELETE", "/_sandbox/rules", "", None);
    }

    /// Sets the variables of a program that talks to this sandbox, whose jobs take a minute at most, so that its clocks can
    /// run so slowly that a loaded machine keeps the library's own deadlines.
    pub fn quickly(&self, command: &mut Command) {
        self.environment(command);
        command.env("PERCEPTIS_API_KEY", "sk-sandbox-default--takes=20");
    }

    /// Sets the variables of a program that talks to this sandbox.
    pub fn environment(&self, command: &mut Command) {
        command
            .env("PERCEPTIS_API_KEY", &self.api_key)
            .env("PERCEPTIS_API_BASE_URL", &self.base_url)
            .env("PERCEPTIS_LEDGER", self.ledger.path())
            .env("PERCEPTIS_TIME_SCALE", self.speed.to_string());
        // A loaded machine does not look like a fault of the network.
        for key in api::NETWORK {
            command.env(format!("PERCEPTIS_{}", key.to_ascii_uppercase()), api::patience(self.speed.into()));
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// What came of a call whose deadline is to strike in the middle of something. How long a machine takes to get there is
/// not what is tested: each deadline, in milliseconds, is longer than the one before, and `call` says with `None` that it
/// came too soon.
pub fn in_time<T>(mut call: impl FnMut(&str) -> Option<T>) -> T {
    let deadlines = ["60000", "240000", "960000", "3840000", "15360000"];
    deadlines.into_iter().find_map(&mut call).expect("nothing is done before any deadline")
}

/// A port of this machine at which connections are refused for as long as the descriptor is kept: it is taken, and
/// nobody listens.
pub fn refusing_port() -> (std::os::fd::OwnedFd, u16) {
    use std::os::fd::{AsRawFd as _, FromRawFd as _};
    // SAFETY: the addresses are of the sizes that are said, and the descriptor is this function's own.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        assert!(socket >= 0);
        let socket = std::os::fd::OwnedFd::from_raw_fd(socket);
        let mut address: libc::sockaddr_in = std::mem::zeroed();
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        address.sin_addr.s_addr = u32::from(std::net::Ipv4Addr::LOCALHOST).to_be();
        let mut size = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        assert_eq!(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size), 0);
        assert_eq!(libc::getsockname(socket.as_raw_fd(), (&raw mut address).cast(), &raw mut size), 0);
        (socket, u16::from_be(address.sin_port))
    }
}

/// Runs a command that must succeed and shows what it said if it does not.
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// What is in a directory, sorted.
pub fn listing(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
