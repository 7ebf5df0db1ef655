//! One history played: its processes, its service, its files, its machine. An event is done when the world is
//! still again: each call has ended or waits for something that only a later event brings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::facts::{Asked, Call, Deck, Facts, Process as Known};
use crate::files;
use crate::history::{Ask, Form, History, Key, Line, Operation, REQUESTS, SLOTS};
use crate::http;
use crate::machine::Machine;
use crate::process::{Process, encoded};
use crate::service::{HOUR_MS, SCALE, Shared, WINDOW_MS};
use crate::ticks;

/// A deadline that is not short, in milliseconds of the clients' time: some seconds of the wall's.
const LONG_MS: u64 = 5 * HOUR_MS;
/// What a call may take beyond its deadline (`promise.md`, 20), and what the test adds for itself.
pub const GRACE: Duration = Duration::from_secs(2);
pub const OWN_GRACE: Duration = Duration::from_secs(1);
/// How long a program that ends normally may take: closing waits up to 2 s (`promise.md`, 14).
const MAX_EXIT: Duration = Duration::from_secs(5);

pub struct World {
    pub shared: Arc<Shared>,
    pub base: PathBuf,
    pub machine: Machine,
    pub slots: [Option<Process>; SLOTS as usize],
    /// Where later processes find the ledger, and whether that name may be refused.
    pub ledger: PathBuf,
    pub alias: bool,
    pub lock: Option<std::fs::File>,
    pub address: std::net::SocketAddr,
    sockets: u32,
    seed: u64,
    _directory: TempDir,
}

impl World {
    pub fn new(seed: u64) -> World {
        // In memory where the system has a place for that: what is shown here is not how fast a disk syncs.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let base = std::fs::canonicalize(directory.path()).unwrap();
        for name in ["tree/d1", "tree/d2", "tree/state"] {
            std::fs::create_dir_all(base.join(name)).unwrap();
        }
        std::os::unix::fs::symlink("d1", base.join("tree/link")).unwrap();
        let machine = Machine::new(&base.join("machine"), &base.join("tree"));
        let shared = Shared::new();
        let address = http::serve(&shared);
        World {
            shared,
            machine,
            slots: [const { None }; SLOTS as usize],
            ledger: base.join("tree/state/ledger.db"),
            alias: false,
            lock: None,
            address,
            sockets: 0,
            seed,
            base,
            _directory: directory,
        }
    }

    /// Opens or shuts the service's door.
    pub fn door(&self, standing: http::Standing) {
        self.shared.door.stand(self.address, standing);
    }

    /// Plays a history and its quiet end; all that is known then.
    pub fn play(mut self, history: &History) -> Facts {
        for event in &history.0 {
            self.apply(event);
        }
        self.quiet_end();
        let mut facts = std::mem::take(&mut *self.shared.lock());
        facts.files = files::all(&self.base);
        facts.base.clone_from(&self.base);
        facts.close();
        self.door(http::Standing::Gone);
        facts
    }

    /// Whether the quiet end begins with `recover`, or with the lines that were not finished.
    pub fn recovers_first(&self) -> bool {
        self.seed.is_multiple_of(2)
    }

    pub fn directory(&self, number: u8) -> PathBuf {
        let names = ["", "d1", "d2", "link"];
        self.base.join("tree").join(names[usize::from(number) % names.len()])
    }

    // ---- processes
    // ---------------------------------------------------------------------------------------------

    /// The process of a slot, started if there is none.
    pub fn ensure(&mut self, at: u8) -> &mut Process {
        let slot = usize::from(at % SLOTS);
        self.bury_dead();
        if self.slots[slot].is_none() {
            let id = self.new_process();
            let process = Process::start(&self.shared, id, &self.ledger, &self.base.join("machine"));
            self.slots[slot] = Some(process);
        }
        self.slots[slot].as_mut().unwrap()
    }

    fn new_process(&mut self) -> usize {
        let mut facts = self.shared.lock();
        facts.processes.push(Known { alias: self.alias, ..Known::default() });
        facts.processes.len() - 1
    }

    /// The slot of a process's client with this API key; made if there is none.
    fn client(&mut self, at: u8, api: u8, copy: bool) -> usize {
        let (origin, seed) = (format!("http://{}", self.address), self.seed);
        let shared = Arc::clone(&self.shared);
        let process = self.ensure(at);
        let number = {
            let clients = &mut shared.lock().processes[process.id].clients;
            if let Some(at) = clients.iter().position(|client| *client == (api, copy)) {
                return at;
            }
            clients.push((api, copy));
            clients.len() - 1
        };
        // A loaded machine must not look like a fault of the network.
        let patient = ["connect", "submit", "status", "download_idle"];
        let patient: String =
            patient.iter().map(|what| format!(" k.{what}_timeout_ms={}", 20_000 * SCALE)).collect();
        let command = format!(
            "client c={number} copy={} k.api_key=sk-test-{api} k.api_base_url={} k.app_name=p{} k.ledger={} \
             k.time_scale={SCALE} k.resubmit_window_ms={WINDOW_MS} k.poll_first_ms=1000 k.poll_max_ms=4000 \
             n.jitter_seed={seed}{patient}",
            u8::from(copy),
            encoded(&origin),
            process.id,
            encoded(process.ledger.to_str().unwrap()),
        );
        process.command(&shared, &command);
        number
    }

    /// Notes the end of processes that have died by themselves.
    pub fn bury_dead(&mut self) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(Process::is_gone) {
                slot.take().unwrap().bury(&self.shared);
            }
        }
    }

    pub fn kill(&mut self, at: u8) {
        if let Some(process) = self.slots[usize::from(at % SLOTS)].take() {
            process.kill(&self.shared);
            process.bury(&self.shared);
        }
    }

    /// Ends a process as a program does that returns from main.
    pub fn exit(&mut self, at: u8) {
        let Some(mut process) = self.slots[usize::from(at % SLOTS)].take() else { return };
        process.close_input();
        self.shared.lock().processes[process.id].exited = true;
        if !process.await_end(MAX_EXIT + OWN_GRACE) {
            let why = format!("14: process {} does not end normally", process.id);
            self.shared.lock().noticed.push(why);
            process.kill(&self.shared);
        }
        process.bury(&self.shared);
    }

    pub fn fork(&mut self, at: u8, child: u8, raw: bool) {
        if at % SLOTS == child % SLOTS || self.slots[usize::from(at % SLOTS)].is_none() {
            return;
        }
        self.kill(child);
        let id = self.new_process();
        {
            let mut facts = self.shared.lock();
            let parent = self.slots[usize::from(at % SLOTS)].as_ref().unwrap().id;
            facts.processes[id].alias = facts.processes[parent].alias;
        }
        self.sockets += 1;
        let socket = self.base.join(format!("s{}", self.sockets));
        let shared = Arc::clone(&self.shared);
        let parent = self.slots[usize::from(at % SLOTS)].as_mut().unwrap();
        let made = parent.fork(&shared, id, &socket, raw);
        if made.is_none() {
            let mut facts = shared.lock();
            let now = facts.next_stamp();
            facts.processes[id].gone = Some(now);
        }
        self.slots[usize::from(child % SLOTS)] = made;
    }

    // ---- calls
    // -------------------------------------------------------------------------------------------------

    /// Begins a call that can cost money; its number.
    pub fn call(
        &mut self,
        (at, form, copy): (u8, Form, bool),
        line: &Line,
        key: Option<String>,
        quiet: bool,
    ) -> usize {
        let client = self.client(at, line.api, copy);
        let deck =
            Deck { line: line.clone(), directory: if line.directory == 3 { 1 } else { line.directory }, key };
        let (kind, prompt, variants) = REQUESTS[usize::from(line.request) % REQUESTS.len()];
        let op = if line.op == Operation::Run { "run" } else { "generate" };
        let mut words = format!(" op={op} type={kind} prompt={prompt}");
        if kind == "single_slide" {
            words += &format!(" variants={variants}");
        }
        if line.directory > 0 {
            words += &format!(" o.directory={}", encoded(self.directory(line.directory).to_str().unwrap()));
        }
        if line.name > 0 {
            words += &format!(" o.name=n{}", line.name);
        }
        if let Some(key) = &deck.key {
            words += &format!(" o.idempotency_key={}", encoded(key));
        }
        for (set, word) in [
            (line.overwrite, " o.overwrite=true"),
            (line.adopt_off, " o.adopt=off"),
            (line.other_key, " o.on_other_key=submit"),
            (line.resubmit, " o.resubmit=true"),
        ] {
            words += if set { word } else { "" };
        }
        if form == Form::Queue {
            words += " o.progress=true";
        }
        let asked = Asked::Deck(deck);
        self.begin((at, client, form, copy), line.api, asked, &words, line.seconds, quiet)
    }

    pub fn key(&self, key: Key) -> Option<String> {
        match key {
            Key::None => None,
            Key::One => Some("k1".to_owned()),
            Key::Two => Some("k2".to_owned()),
            Key::LikeAJob => Some("job_1".to_owned()),
            Key::Last => {
                let facts = self.shared.lock();
                facts.calls.iter().rev().find_map(|call| call.says("idempotency_key").map(str::to_owned))
            }
        }
    }

    /// Begins any other call; none where it speaks of something that is not there.
    pub fn ask(
        &mut self,
        at: u8,
        form: Form,
        api: u8,
        what: &Ask,
        seconds: Option<u32>,
        quiet: bool,
    ) -> Option<usize> {
        let job = self.shared.lock().jobs.last().map(|job| job.id.clone());
        let (asked, words) = match what {
            Ask::Recover { resubmit } => {
                let words = if *resubmit { " op=recover o.resubmit=true" } else { " op=recover" };
                (Asked::Recover { resubmit: *resubmit }, words.to_owned())
            }
            Ask::Jobs => (Asked::Jobs, " op=jobs".to_owned()),
            Ask::Status => (Asked::Status, format!(" op=get_status job={}", job?)),
            Ask::Wait => (Asked::Wait(job.clone()?), format!(" op=wait job={}", job?)),
            Ask::Download { directory, name, overwrite } => {
                let place = self.directory(*directory);
                let mut words = format!(" op=download job={} o.directory=", job.clone()?);
                words += &encoded(place.to_str().unwrap());
                if *name > 0 {
                    words += &format!(" o.name=n{name}");
                }
                words += if *overwrite { " o.overwrite=true" } else { "" };
                let job = job?;
                (Asked::Download { job, directory: *directory, name: *name, overwrite: *overwrite }, words)
            }
            Ask::ForgetJob => forget(job.as_deref()?),
            Ask::ForgetKey => forget(&self.key(Key::Last)?),
            Ask::ForgetLikeAJob => forget("job_1"),
            Ask::ForgetOnlyJob => forget("job:job_1"),
            Ask::ForgetOnlyKey => forget("key:job_1"),
            Ask::ForgetSettled => (Asked::Forget(None), " op=forget".to_owned()),
        };
        // These have one form only.
        let form = if matches!(asked, Asked::Jobs | Asked::Forget(_)) { Form::Block } else { form };
        let client = self.client(at, api, false);
        Some(self.begin((at, client, form, false), api, asked, &words, seconds, quiet))
    }

    fn begin(
        &mut self,
        (at, client, form, copy): (u8, usize, Form, bool),
        api: u8,
        asked: Asked,
        words: &str,
        seconds: Option<u32>,
        quiet: bool,
    ) -> usize {
        let found = files::all(&self.base);
        let shared = Arc::clone(&self.shared);
        let process = self.ensure(at);
        let number = {
            let mut facts = shared.lock();
            let (began, began_ms) = (facts.next(), shared.now_ms(&facts));
            let ticks = (ticks::now(), None, 0);
            facts.calls.push(Call {
                number: 0,
                process: process.id,
                api,
                form,
                asked,
                copy,
                began,
                began_ms,
                under_way: None,
                ended: None,
                told: None,
                cancelled: false,
                dropped: None,
                key: None,
                seconds,
                code: String::new(),
                message: String::new(),
                result: Value::Null,
                details: Value::Null,
                ticks,
                seen: Vec::new(),
                kept: Vec::new(),
                found,
                quiet,
                over: 0,
                targets: Vec::new(),
                refused: false,
            });
            facts.calls.len() - 1
        };
        let form = match form {
            Form::Queue => "queue",
            Form::Keep => "keep",
            Form::Block => "block",
        };
        let timeout = seconds.map_or(LONG_MS, |seconds| u64::from(seconds) * 1000);
        process.command(
            &shared,
            &format!("call id={number} c={client} form={form}{words} o.timeout_ms={timeout}"),
        );
        self.settle();
        number
    }
}

fn forget(name: &str) -> (Asked, String) {
    (Asked::Forget(Some(name.to_owned())), format!(" op=forget job_or_key={}", encoded(name)))
}

/// A call's deadline by the wall's clock, where it is short.
pub fn deadline(call: &Call) -> Option<Duration> {
    if matches!(call.asked, Asked::Jobs | Asked::Forget(_)) {
        return None;
    }
    let seconds = call.seconds?;
    Some(Duration::from_millis(u64::from(seconds) * 1000 / SCALE))
}
