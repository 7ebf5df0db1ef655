//! One story's place: a namespace of the sandbox, a directory for files, one for the ledger, the lines that are run
//! there, and what must be true once they have ended.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::service::{Namespace, SPEED, directory, shared};
use crate::support::{directory_with, library, listing, program, root, succeed};

/// What is built once for all stories.
pub struct Tools {
    directory: PathBuf,
    library: TempDir,
}

/// The release build's library, which is what is shipped; without one, this build's.
fn shipped() -> PathBuf {
    let Some(release) = std::env::var_os("PERCEPTIS_TEST_RELEASE_LIBRARY") else {
        assert!(std::env::var_os("CI").is_none(), "CI must name the release build's library");
        return library();
    };
    fs::canonicalize(release).unwrap()
}

pub fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crashes");
        fs::create_dir_all(&place).unwrap();
        let library = directory_with(&shipped());
        // Made aside and put in place: another test process may be using the ones that are there.
        let work = tempfile::tempdir_in(&place).unwrap();
        for source in ["victim", "fork_commit", "fork_storm"] {
            let source = format!("tests/crashes/{source}.c");
            let built = program::build(&source, work.path(), library.path());
            fs::rename(&built, place.join(built.file_name().unwrap())).unwrap();
        }
        let shim = work.path().join("shim.so");
        succeed(
            Command::new("gcc")
                .args([
                    "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread",
                    "-o",
                ])
                .arg(&shim)
                .arg(root().join("tests/crashes/shim.c"))
                .arg("-ldl"),
        );
        fs::rename(&shim, place.join("shim.so")).unwrap();
        Tools { directory: place, library }
    })
}

/// How often as much is played as in `make test`.
pub fn is_long() -> bool {
    std::env::var_os("TEST_LONG").is_some_and(|set| set != "0")
}

/// A line that a user types, always the same.
#[derive(Clone, Debug)]
pub struct Line {
    /// "deck", or the number of variants of a slide.
    pub kind: &'static str,
    pub name: Option<String>,
    pub key: Option<String>,
    /// Which of the organization's API keys.
    pub user: u32,
    /// Whether it replaces a file of its name, which is there before it first runs.
    pub overwrite: bool,
}

impl Line {
    /// As `callers/restart.py` has it.
    pub fn restart() -> Line {
        Line { kind: "deck", name: None, key: Some("order-17".to_owned()), user: 1, overwrite: false }
    }

    /// One that replaces a file.
    pub fn overwriting() -> Line {
        Line { name: Some("q3".to_owned()), overwrite: true, ..Line::restart() }
    }

    /// Two files, and nothing but the line itself says that it is the same.
    pub fn adopted() -> Line {
        Line { kind: "2", name: Some("q3".to_owned()), key: None, ..Line::restart() }
    }

    /// One whose file is not even called the same twice.
    pub fn nameless() -> Line {
        Line { key: None, ..Line::restart() }
    }

    /// Whether, once it has ended well, it is a new request when it is run again.
    pub fn begins_anew(&self) -> bool {
        self.key.is_none() && self.name.is_none()
    }

    pub fn variants(&self) -> usize {
        self.kind.parse().unwrap_or(1)
    }

    fn arguments<'a>(&'a self, directory: &'a Path) -> [&'a str; 5] {
        let or_none = |text: &'a Option<String>| text.as_deref().unwrap_or("-");
        ["run", self.kind, directory.to_str().unwrap(), or_none(&self.name), or_none(&self.key)]
    }
}

/// How a line ended.
#[derive(Debug)]
pub enum End {
    /// With its result, and the ledger's list after it.
    Well {
        result: Value,
        ledger: Value,
    },
    /// With an error of the library's.
    Told(String),
    Killed,
}

impl End {
    pub fn of(output: &Output) -> End {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        if output.status.signal() == Some(9) {
            return End::Killed;
        }
        if output.status.code() == Some(1) {
            return End::Told(text(&output.stderr));
        }
        assert!(output.status.success(), "{output:?}");
        let said = text(&output.stdout);
        let mut lines = said.lines().map(|line| serde_json::from_str(line).unwrap());
        End::Well { result: lines.next().unwrap(), ledger: lines.next().unwrap() }
    }
}

pub struct Scene {
    pub namespace: Namespace<'static>,
    base: TempDir,
}

impl Scene {
    pub fn new() -> Scene {
        Scene::at(directory())
    }

    pub fn at(base: TempDir) -> Scene {
        let scene = Scene { namespace: Namespace::new(SPEED), base };
        for directory in [scene.out(), scene.state()] {
            fs::create_dir_all(directory).unwrap();
        }
        scene
    }

    /// Beside what a crash can touch.
    pub fn base(&self) -> PathBuf {
        fs::canonicalize(self.base.path()).unwrap()
    }

    /// What a crash can touch: the files and the ledger.
    pub fn tree(&self) -> PathBuf {
        self.base().join("tree")
    }

    pub fn out(&self) -> PathBuf {
        self.base().join("tree/out")
    }

    pub fn state(&self) -> PathBuf {
        self.base().join("tree/state")
    }

    /// One of the tools at work in this place.
    pub fn command(&self, tool: &str, user: u32) -> Command {
        let tools = tools();
        let mut command = Command::new(tools.directory.join(tool));
        command
            .env("LD_LIBRARY_PATH", tools.library.path())
            .env("PERCEPTIS_API_BASE_URL", &shared().base_url)
            .env("PERCEPTIS_API_KEY", self.key(user))
            .env("PERCEPTIS_TIME_SCALE", SPEED.to_string())
            .env("PERCEPTIS_LEDGER", self.state().join("ledger.db"))
            // A loaded machine must not look like a fault, nor like an hour.
            .env("PERCEPTIS_CONNECT_TIMEOUT_MS", "36000000")
            .env("PERCEPTIS_SUBMIT_TIMEOUT_MS", "36000000")
            .env("PERCEPTIS_STATUS_TIMEOUT_MS", "36000000")
            .env("PERCEPTIS_DOWNLOAD_IDLE_TIMEOUT_MS", "36000000")
            .env("PERCEPTIS_RESUBMIT_WINDOW_MS", "100000000");
        command
    }

    fn key(&self, user: u32) -> String {
        if user == 1 { self.namespace.key() } else { format!("{}--user={user}", self.namespace.key()) }
    }

    pub fn line(&self, line: &Line) -> Command {
        let mut command = self.command("victim", line.user);
        command.args(line.arguments(&self.out()));
        if line.overwrite {
            command.env("VICTIM_OVERWRITE", "true");
        }
        command
    }

    /// The line with the shim, which does this at that call.
    pub fn shimmed(&self, line: &Line, how: &str, at: u64) -> Command {
        let mut command = self.line(line);
        command
            .env("LD_PRELOAD", tools().directory.join("shim.so"))
            .env("SHIM_ROOT", self.tree())
            .env("SHIM_LOG", self.record())
            .env("SHIM_HOW", how)
            .env("SHIM_AT", at.to_string());
        command
    }

    /// Where the shim keeps its record.
    pub fn record(&self) -> PathBuf {
        self.base().join("record")
    }

    pub fn recover(&self, user: u32) -> Command {
        let mut command = self.command("victim", user);
        command.arg("recover");
        command
    }

    /// What the ledger says.
    pub fn ledger(&self) -> Value {
        let output = self.command("victim", 1).arg("jobs").output().unwrap();
        match End::of(&output) {
            End::Well { ledger, .. } if ledger["jobs"].is_array() => ledger,
            _ => panic!("the ledger can't be read: {output:?}"),
        }
    }

    /// Puts the file there that the line replaces. It is no presentation.
    pub fn put_old_file(&self, line: &Line) {
        if line.overwrite {
            fs::write(self.out().join(format!("{}.pptx", line.name.as_ref().unwrap())), "old").unwrap();
        }
    }

    /// Removes reservations, which are an empty file, and what is left of rehearsals.
    pub fn remove_locks(&self) {
        for name in listing(&self.out()).iter().filter(|name| name.starts_with(".perceptis")) {
            fs::remove_file(self.out().join(name)).unwrap();
        }
    }

    /// How often the ledger says that a caller was told that all went well.
    pub fn told_well(&self) -> usize {
        let ledger = self.ledger();
        let of_job = |job: &Value| job["history"].as_array().unwrap().clone();
        ledger["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(of_job)
            .filter(|event| event["event"] == "told OK")
            .count()
    }

    /// Runs the line once more, which has to bring it to its end; what the ledger says then.
    pub fn again(&self, line: &Line) -> Result<Value, String> {
        match End::of(&self.line(line).output().unwrap()) {
            End::Well { result, ledger } => {
                if result["files"].as_array().map(Vec::len) != Some(line.variants()) {
                    return Err(format!("the line ends with other files than asked for: {result}"));
                }
                Ok(ledger)
            }
            // Without a key nothing but its file says that a line ended well, whose end nobody saw.
            End::Told(error)
                if line.key.is_none() && error.starts_with("FILE: ") && error.contains(" exists; ") =>
            {
                self.look(line.user)
            }
            End::Told(error) => Err(format!("the line does not end: {error}")),
            End::Killed => Err("the line is killed again".to_owned()),
        }
    }

    /// What the ledger says; there must be nothing to recover.
    pub fn look(&self, user: u32) -> Result<Value, String> {
        match End::of(&self.recover(user).output().unwrap()) {
            End::Well { result, ledger } if result["jobs"].as_array().is_some_and(Vec::is_empty) => {
                Ok(ledger)
            }
            other => Err(format!("there was something to recover: {other:?}")),
        }
    }
}
