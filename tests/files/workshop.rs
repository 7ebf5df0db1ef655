//! The programs of these tests, built once, and one call of such a program.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::build;
use crate::support::script::{Answer, Server, accepted, status};
use crate::support::{library_directory, root, succeed};

pub const GENERATE: &str = "/api/v1/generate";
pub const STATUS: &str = "/api/v1/status/j1";

struct Tools {
    directory: PathBuf,
    library: TempDir,
}

fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("files");
        std::fs::create_dir_all(&place).unwrap();
        let library = library_directory();
        // Made aside and put in place: another test process may be using the ones that are there.
        let work = tempfile::tempdir_in(&place).unwrap();
        for source in ["one_call", "many_runs", "starved"] {
            let built = build(&format!("tests/programs/{source}.c"), work.path(), library.path());
            std::fs::rename(&built, place.join(source)).unwrap();
        }
        let odd = work.path().join("odd_disk.so");
        succeed(
            Command::new("gcc")
                .args(["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
                .arg(&odd)
                .arg(root().join("tests/programs/odd_disk.c"))
                .arg("-ldl"),
        );
        std::fs::rename(&odd, place.join("odd_disk.so")).unwrap();
        Tools { directory: place, library }
    })
}

/// One of the programs, on a server's base URL, with a ledger of its own in memory.
pub fn program(name: &str, base_url: &str) -> Command {
    let tools = tools();
    let mut command = Command::new(tools.directory.join(name));
    command
        .env("LD_LIBRARY_PATH", tools.library.path())
        .env("PERCEPTIS_API_BASE_URL", base_url)
        .env("PERCEPTIS_API_KEY", "sk-test-secret")
        .env("PERCEPTIS_TIME_SCALE", "200")
        .env("PERCEPTIS_LEDGER", "off");
    command
}

/// A directory that every user may enter and write to, on the file system of this build.
pub fn open_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    set_mode(directory.path(), 0o777);
    directory
}

pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Whether this process is root, as it is in CI; else says in one line what is not tested.
pub fn is_root(test: &str) -> bool {
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        println!("SKIPPED: {test} needs root, to become other users");
    }
    is_root
}

/// A mount, undone when it is dropped.
pub struct Mount(PathBuf);

impl Mount {
    /// `None` where this process may not mount.
    pub fn make(arguments: &[&str], at: &Path) -> Option<Mount> {
        let made = Command::new("mount").args(arguments).arg(at).output();
        made.is_ok_and(|output| output.status.success()).then(|| Mount(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        succeed(Command::new("umount").arg(&self.0));
    }
}

/// How a call ended.
#[derive(Debug)]
pub struct Told {
    pub code: String,
    pub message: String,
    pub details: Value,
    pub result: Value,
}

impl Told {
    pub fn detail(&self, name: &str) -> String {
        self.details[name].as_str().map_or_else(|| self.details[name].to_string(), str::to_owned)
    }

    /// Where the file of this place in the result is.
    pub fn path(&self, at: usize) -> &Path {
        Path::new(self.result["files"][at]["path"].as_str().unwrap_or_else(|| panic!("{self:?}")))
    }

    pub fn note(&self) -> &str {
        self.result["files"][0]["note"].as_str().unwrap_or_default()
    }
}

/// One call of a process of its own, and what surrounds it.
pub struct Call {
    command: Command,
}

impl Call {
    /// `arguments` as `one_call` takes them; the directory is one of them.
    pub fn new(server: &Server, directory: &Path, arguments: &[&str]) -> Call {
        let mut command = program("one_call", &server.base_url);
        command.args(arguments).arg(format!("directory={}", directory.display()));
        Call { command }
    }

    /// The same on a disk that is odd below the directory.
    pub fn on_odd_disk(mut self, directory: &Path, odd: &str) -> Call {
        self.command
            .env("LD_PRELOAD", tools().directory.join("odd_disk.so"))
            .env("ODD_ROOT", std::fs::canonicalize(directory).unwrap())
            .env("ODD", odd);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Call {
        self.command.env(name, value);
        self
    }

    /// How it ended.
    pub fn end(mut self) -> Told {
        let output = self.command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let [code, message, details, result] = lines[..] else {
            panic!("{text}{}", String::from_utf8_lossy(&output.stderr))
        };
        let json = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        Told { code: code.into(), message: message.into(), details: json(details), result: json(result) }
    }

    /// It is killed by what the odd disk does.
    pub fn dies(mut self) {
        use std::os::unix::process::ExitStatusExt as _;
        let output = self.command.output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{output:?}");
    }

    /// Waits until it is under way, and leaves it there.
    pub fn under_way(mut self) -> Held {
        let mut child = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), "held");
        let input = child.stdin.take();
        Held { child, input }
    }
}

/// A call that is under way until this is dropped.
pub struct Held {
    child: Child,
    input: Option<ChildStdin>,
}

impl Held {
    /// Kills the process. A child of it lives on, as long as this does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends the call, as a program does that is stopped.
    pub fn end(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// A server on which a deck is never done.
pub fn endless() -> Server {
    let server = Server::start();
    server.on(GENERATE, accepted()).on(STATUS, status("processing", "[]"));
    server
}

/// A server with a deck of this content, however often it is asked for.
pub fn server_of(bytes: &[u8]) -> Server {
    let server = Server::start();
    server.job(&["/f"]).on("/f", Answer::file(bytes));
    server
}
