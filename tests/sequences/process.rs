//! The workers: started, told what to do, heard, killed and buried.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::facts::{Call, Facts};
use crate::history::Form;
use crate::service::Shared;
use crate::support::{library, root, succeed};
use crate::ticks;

/// How long an answer of a worker is waited for, by the ticks of a machine that may be busy with other
/// things.
const MAX_ANSWER: Duration = Duration::from_secs(20);

/// What is built once for all histories.
pub struct Tools {
    pub worker: PathBuf,
    pub clock: PathBuf,
    pub library: PathBuf,
    pub copy: PathBuf,
}

pub fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sequences");
        std::fs::create_dir_all(&place).unwrap();
        // Made aside and put in place: another run may be using what is there.
        let work = tempfile::tempdir_in(&place).unwrap();
        let build = |name: &str, arguments: &[&str]| {
            let (source, made) = (root().join("tests/sequences").join(name), work.path().join(name));
            let mut gcc = Command::new("gcc");
            gcc.args(["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"]);
            succeed(
                gcc.arg("-I").arg(root().join("include")).arg(source).args(arguments).arg("-o").arg(&made),
            );
            made
        };
        let worker = build("worker.c", &["-ldl"]);
        let clock = build("clock.c", &["-Wno-pedantic", "-shared", "-fPIC", "-ldl"]);
        let copy = work.path().join("copy.so");
        std::fs::copy(library(), &copy).unwrap();
        let put = |made: PathBuf, name: &str| {
            std::fs::rename(made, place.join(name)).unwrap();
            place.join(name)
        };
        let (worker, clock, copy) = (put(worker, "worker"), put(clock, "clock.so"), put(copy, "copy.so"));
        Tools { worker, clock, library: std::fs::canonicalize(library()).unwrap(), copy }
    })
}

/// A worker, of which the world keeps one end.
pub struct Process {
    /// Its number among the history's processes.
    pub id: usize,
    pub ledger: PathBuf,
    input: Input,
    child: Option<Child>,
    end: OwnedFd,
    reader: Option<JoinHandle<()>>,
}

enum Input {
    Pipe(File),
    Socket(UnixStream),
}

impl Process {
    /// A new process, with these variables.
    pub fn start(shared: &Arc<Shared>, id: usize, ledger: &Path, machine: &Path) -> Process {
        let tools = tools();
        let mut child = Command::new(&tools.worker)
            // No variable of the user's is a worker's.
            .env_clear()
            .env("LD_PRELOAD", &tools.clock)
            .env("SEQUENCES_MACHINE", machine)
            .env("SEQUENCES_LIBRARY", &tools.library)
            .env("SEQUENCES_COPY", &tools.copy)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let input = Input::Pipe(File::from(OwnedFd::from(child.stdin.take().unwrap())));
        let output = File::from(OwnedFd::from(child.stdout.take().unwrap()));
        let mut process = Process::of(shared, id, ledger, pid, input, output);
        process.child = Some(child);
        process
    }

    fn of(shared: &Arc<Shared>, id: usize, ledger: &Path, pid: i32, input: Input, output: File) -> Process {
        shared.lock().processes[id].pid = pid;
        let reader = {
            let shared = Arc::clone(shared);
            thread::spawn(move || listen(&shared, id, output))
        };
        let ledger = ledger.to_owned();
        Process { id, ledger, input, child: None, end: open_pid(pid), reader: Some(reader) }
    }

    /// A child of it, which is number `id`; none if it dies over it.
    pub fn fork(&mut self, shared: &Arc<Shared>, id: usize, socket: &Path, raw: bool) -> Option<Process> {
        let listener = UnixListener::bind(socket).unwrap();
        self.send(&format!("fork raw={} socket={}", u8::from(raw), encoded(socket.to_str().unwrap())));
        let deadline = Instant::now() + MAX_ANSWER;
        // The parent can die before the child comes.
        listener.set_nonblocking(true).unwrap();
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) if self.is_gone() || Instant::now() > deadline => return None,
                Err(_) => wait_for(listener.as_raw_fd(), 20),
            };
        };
        stream.set_nonblocking(false).unwrap();
        let pid = peer(&stream)?;
        let output = File::from(OwnedFd::from(stream.try_clone().unwrap()));
        let _ = std::fs::remove_file(socket);
        Some(Process::of(shared, id, &self.ledger, pid, Input::Socket(stream), output))
    }

    /// Sends a command. A process that is gone hears nothing, which the world sees.
    pub fn send(&mut self, command: &str) {
        let line = format!("{command}\n");
        let _ = match &mut self.input {
            Input::Pipe(pipe) => pipe.write_all(line.as_bytes()),
            Input::Socket(socket) => socket.write_all(line.as_bytes()),
        };
    }

    /// Waits until the facts are so, or the process is gone; whether they are.
    pub fn until(&self, shared: &Shared, mut so: impl FnMut(&Facts) -> bool) -> bool {
        let deadline = ticks::now() + ticks::of(MAX_ANSWER);
        let mut facts = shared.lock();
        loop {
            if so(&facts) {
                return true;
            }
            if facts.processes[self.id].eof {
                return false;
            }
            if ticks::now() > deadline {
                let why = format!("process {} does not answer", self.id);
                facts.noticed.push(why);
                return false;
            }
            facts = shared.changed.wait_timeout(facts, Duration::from_millis(50)).unwrap().0;
        }
    }

    /// Sends a command and waits until it is done.
    pub fn command(&mut self, shared: &Shared, command: &str) -> bool {
        let before = shared.lock().processes[self.id].done;
        self.send(command);
        self.until(shared, |facts| facts.processes[self.id].done > before)
    }

    pub fn is_gone(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.end.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid entry.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
    }

    pub fn kill(&self, shared: &Shared) {
        let mut facts = shared.lock();
        let process = &mut facts.processes[self.id];
        process.exited = false;
        // SAFETY: not waited for yet, so that it is nobody else.
        unsafe { libc::kill(process.pid, libc::SIGKILL) };
    }

    /// Ends its input, after which it closes its clients and ends. Whether it does.
    pub fn close_input(&mut self) {
        match &mut self.input {
            Input::Pipe(pipe) => *pipe = File::open("/dev/null").unwrap(),
            Input::Socket(socket) => drop(socket.shutdown(std::net::Shutdown::Write)),
        }
    }

    /// Waits for its end, up to so long; whether it came.
    pub fn await_end(&self, longest: Duration) -> bool {
        let deadline = ticks::now() + ticks::of(longest);
        while !self.is_gone() {
            if ticks::now() > deadline {
                return false;
            }
            wait_for(self.end.as_raw_fd(), 20);
        }
        true
    }

    /// Waits for its end and notes it, after all that it said before.
    pub fn bury(mut self, shared: &Shared) {
        assert!(self.await_end(MAX_ANSWER), "a killed process does not end");
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        let mut facts = shared.lock();
        let now = facts.next_stamp();
        facts.processes[self.id].gone = Some(now);
        facts.processes[self.id].gone_tick = ticks::now();
        drop(facts);
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }
}

fn open_pid(pid: i32) -> OwnedFd {
    // SAFETY: the call has these arguments; what it returns is a new descriptor.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        assert!(fd >= 0, "pidfd_open: {}", std::io::Error::last_os_error());
        OwnedFd::from_raw_fd(i32::try_from(fd).unwrap())
    }
}

/// The process at the other end.
fn peer(stream: &UnixStream) -> Option<i32> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = u32::try_from(size_of::<libc::ucred>()).unwrap();
    // SAFETY: the place for the answer is as large as its size says.
    let got = unsafe {
        let place = (&raw mut peer).cast();
        libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, place, &raw mut size)
    };
    (got == 0).then_some(peer.pid)
}

fn wait_for(fd: i32, milliseconds: i32) {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid entry.
    unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
}

/// Text as a worker's commands have it.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() || b"/._-:".contains(&byte) {
            all.push(char::from(byte));
        } else {
            all += &format!("%{byte:02X}");
        }
        all
    })
}

/// Reads what a worker says, to its end.
fn listen(shared: &Shared, id: usize, output: File) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let Ok(said) = serde_json::from_str::<Value>(&line) else {
            shared.lock().noticed.push(format!("process {id} says {line}"));
            continue;
        };
        let mut facts = shared.lock();
        facts.hear(id, said);
        shared.changed.notify_all();
    }
    shared.lock().processes[id].eof = true;
    shared.changed.notify_all();
}

impl Facts {
    pub fn next_stamp(&mut self) -> u64 {
        self.next()
    }

    fn hear(&mut self, id: usize, mut said: Value) {
        let number = said["id"].as_u64().unwrap_or(0);
        let code = said["code"].as_str().unwrap_or_default().to_owned();
        let process = &mut self.processes[id];
        match said["what"].as_str().unwrap_or_default() {
            "done" => process.done += 1,
            "client" if code != "OK" => self.noticed.push(format!("no client: {said}")),
            "activity" => {
                process.activity.insert(number, said["json"].take());
                self.name_calls(id, number);
            }
            "looked" => process.looked += 1,
            "closed" => process.closed.push(code),
            // Exactly which call it is, where its queue says so.
            "progress" => {
                let call = &mut self.calls[usize::try_from(number).unwrap()];
                let key = said["json"]["idempotency_key"].as_str().filter(|_| call.deck().is_some());
                call.key = key.map(str::to_owned).or(call.key.take());
            }
            "freed" => {
                let now = self.next();
                let call = &mut self.calls[usize::try_from(number).unwrap()];
                (call.told, call.ticks.2) = (Some(now), ticks::now());
            }
            "end" => {
                let now = self.next();
                let call = &mut self.calls[usize::try_from(number).unwrap()];
                if call.ended.is_some() {
                    let twice = format!("call {number} ends twice: {said}");
                    self.noticed.push(twice);
                    return;
                }
                call.ended = Some(now);
                call.ticks.1 = Some(ticks::now());
                call.message = said["message"].as_str().unwrap_or_default().to_owned();
                (call.result, call.details) = (said["json"].take(), said["details"].take());
                call.code = code;
                if call.form == Form::Block {
                    call.told = Some(now);
                }
            }
            _ => {}
        }
    }

    /// Notes the keys of calls whose queues do not say them, when a client's activity has come: of that and
    /// of the calls that have not ended the oldest come first.
    fn name_calls(&mut self, id: usize, client: u64) {
        let Some(whose) = self.processes[id].clients.get(usize::try_from(client).unwrap()).copied() else {
            return;
        };
        let operations =
            self.processes[id].activity[&client]["operations"].as_array().cloned().unwrap_or_default();
        let open = |call: &Call| call.process == id && (call.api, call.copy) == whose && call.ended.is_none();
        let calls: Vec<usize> = (0..self.calls.len()).filter(|at| open(&self.calls[*at])).collect();
        let fits = |(at, operation): (&usize, &Value)| {
            let call = &self.calls[*at];
            let known =
                call.form != Form::Queue || call.key.as_deref() == operation["idempotency_key"].as_str();
            // A blocking call begins on a thread of its own, perhaps after a later one.
            let ordered = call.form != Form::Block || calls.len() == 1;
            call.asked.operation() == operation["operation"].as_str()
                && (known || call.deck().is_none())
                && ordered
        };
        if calls.len() != operations.len() || !calls.iter().zip(&operations).all(fits) {
            return;
        }
        for (at, operation) in calls.into_iter().zip(&operations) {
            if let Some(key) =
                operation["idempotency_key"].as_str().filter(|_| self.calls[at].deck().is_some())
            {
                self.calls[at].key = Some(key.to_owned());
            }
        }
    }
}
