//! One thread that works on one ledger for the whole process. Callers queue what they want done and wait for
//! their part; what waits together is committed together, so that many submissions cost one sync.
//!
//! A group is the outbox (steps that have happened, and must be written in the end) and jobs (what callers
//! ask for, each of which may fail). The outbox goes first. If the group fails, the outbox stays and is tried
//! again at least each second; the jobs are answered with the error, but those that only read are done
//! without it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, TryLockError, Weak};
use std::thread;
use std::time::Duration;

use perceptis_descriptors::{PerProcess, Process};
use tokio::sync::oneshot;

use super::engine::{Engine, FileIdentity, Ran, Work};
use super::figures::Figures;
use super::gate;
use super::job::{Answer, Commit, Doubt, GiveBack, Job, Recorder, Task};
use super::outbox::{Batch, Item};
use super::refusal::{self, LedgerFailure};
use super::session::Session;
use super::work_queue::{BUSY_RETRY, GroupPace, IDLE, MAX_BUSY, MAX_GROUP, Next, WRITE_RETRY, WorkQueue};
use super::{Row, Step, Written};
use crate::common::clock::{Stamp, Stopwatch};
use crate::common::runtime::Spawn;
use crate::common::sync::{lock, wait};
use crate::config::ledger_location::Location;
use crate::error::{Error, Kind};
use crate::model::figure::Figure;

/// The thread, its queue and its file.
pub(super) struct Writer {
    process: Process,
    queue: Mutex<WorkQueue>,
    /// Something was queued, or the last handle is gone.
    wake: Condvar,
    /// Steps were written, or given up.
    written: Condvar,
    engine: Mutex<Engine>,
    /// The file that the engine has open.
    open_file: Mutex<Option<FileIdentity>>,
    spawn: Option<Spawn>,
    location: Location,
    #[cfg(test)]
    pub(super) commits: std::sync::atomic::AtomicU64,
}

/// Those that have their file open, by the file: two paths can lead to one file, which is opened once.
type OpenFiles = Mutex<BTreeMap<FileIdentity, Weak<Writer>>>;

static OPEN_FILES: PerProcess<OpenFiles> = PerProcess::new();

impl Recorder for Writer {
    fn record_soon(self: Arc<Writer>, row: Row, steps: Vec<Step>) {
        self.put(Item::soon(row, steps));
    }

    fn record(self: Arc<Writer>, row: Row, steps: Vec<Step>) -> oneshot::Receiver<Result<(), Error>> {
        Writer::record(&self, row, steps, &Arc::default())
    }
}

impl Writer {
    pub(super) fn new(location: &Location, spawn: Option<Spawn>) -> Writer {
        Writer {
            process: Process::current(),
            queue: Mutex::default(),
            wake: Condvar::new(),
            written: Condvar::new(),
            engine: Mutex::new(Engine::new(location.clone())),
            open_file: Mutex::default(),
            spawn,
            location: location.clone(),
            #[cfg(test)]
            commits: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// One more client uses the ledger.
    pub(super) fn add_handle(&self) {
        self.lock().handles += 1;
    }

    /// A client is gone. The thread ends with the last one, once all is written.
    pub(super) fn remove_handle(self: &Arc<Writer>) {
        if self.is_inherited() {
            // In a forked child: what its locks guard is the parent's.
            std::mem::forget(Arc::clone(self));
            return;
        }
        self.lock().handles -= 1;
        self.wake.notify_one();
    }

    /// Closes the connection before a fork, unless it is in use.
    pub(super) fn close_for_fork(&self) {
        let mut engine = match self.engine.try_lock() {
            Ok(engine) => engine,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        engine.close_for_fork();
        *lock(&self.open_file) = None;
    }

    /// The way by which jobs record what no caller takes.
    fn recorder(self: &Arc<Writer>) -> Arc<dyn Recorder> {
        Arc::clone(self) as Arc<dyn Recorder>
    }

    /// Queues work that may change something.
    pub(super) fn write<T: Send + 'static>(
        self: &Arc<Writer>,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        self.submit(true, work, |_| None, |_, error, _| Err(error.clone()))
    }

    /// Queues work that only reads: it costs no sync.
    pub(super) fn read<T: Send + 'static>(
        self: &Arc<Writer>,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        self.submit(false, work, |_| None, |_, error, _| Err(error.clone()))
    }

    /// Queues work whose result makes its caller responsible for something. If the caller is gone before it
    /// can take the result, that is given back. `doubt`: what the caller is given where the commit failed and
    /// the work may be on the disk all the same.
    pub(super) fn hand_over<T: Send + 'static>(
        self: &Arc<Writer>,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Error> + Send + 'static,
        give_back: fn(&T) -> GiveBack,
        doubt: Doubt<T>,
    ) -> Answer<T> {
        self.submit(true, work, give_back, doubt)
    }

    fn submit<T: Send + 'static>(
        self: &Arc<Writer>,
        writes: bool,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Error> + Send + 'static,
        give_back: fn(&T) -> GiveBack,
        doubt: Doubt<T>,
    ) -> Answer<T> {
        let (sender, receiver) = oneshot::channel();
        let since = Stopwatch::start();
        let task = Task { writes, work: Some(work), came: None, sender, give_back, doubt, since };
        if self.is_inherited() {
            Box::new(task).end(Commit::Failed(&inherited()), &self.recorder());
        } else {
            let mut queue = self.lock();
            queue.jobs.push_back(Box::new(task));
            queue.pause = None;
            self.start(queue);
        }
        Answer { receiver, give_back, recorder: self.recorder() }
    }

    /// Puts steps into the outbox. The future is ready when they are written.
    pub(super) fn record(
        self: &Arc<Writer>,
        row: Row,
        steps: Vec<Step>,
        written: &Arc<Written>,
    ) -> oneshot::Receiver<Result<(), Error>> {
        let (sender, receiver) = oneshot::channel();
        self.put(Item::new(row, steps, written, sender));
        receiver
    }

    fn put(self: &Arc<Writer>, item: Item) {
        if self.is_inherited() {
            return item.give_up(&inherited());
        }
        let mut queue = self.lock();
        if item.is_urgent() {
            queue.pause = None;
        }
        queue.outbox.push_back(item);
        self.start(queue);
    }

    /// Leaves figures of an origin to the thread, if there is one.
    pub(super) fn keep_figures(&self, origin: &Arc<str>, figures: Vec<Figure>) {
        if self.is_inherited() {
            return;
        }
        let mut queue = self.lock();
        queue.figures.add(origin, figures);
        let wake = queue.thread;
        drop(queue);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Writes the outbox, and waits for that on this thread, at most so long. How many steps are left.
    pub(super) fn write_all(self: &Arc<Writer>, timeout: Duration) -> usize {
        self.write_waiting(timeout, u64::MAX)
    }

    /// The same, ended by so many failures.
    pub(super) fn write_waiting(self: &Arc<Writer>, timeout: Duration, max_failures: u64) -> usize {
        if self.is_inherited() {
            return 0;
        }
        let began = Stopwatch::start();
        let mut queue = self.lock();
        if !queue.outbox.is_empty() {
            queue.pause = None;
            self.start(queue);
            queue = self.lock();
        }
        let last_failure = queue.failures.saturating_add(max_failures);
        queue.hurried += 1;
        self.wake.notify_one();
        loop {
            let left = queue.outbox.len() + queue.writing;
            let time = timeout.saturating_sub(began.elapsed());
            if left == 0 || time.is_zero() || queue.failures >= last_failure {
                queue.hurried -= 1;
                return left;
            }
            queue = wait(&self.written, &self.queue, queue, Some(time));
        }
    }

    /// Wakes the thread, or starts it.
    fn start(self: &Arc<Writer>, mut queue: MutexGuard<'_, WorkQueue>) {
        if queue.thread {
            drop(queue);
            self.wake.notify_one();
            return;
        }
        let writer = Arc::clone(self);
        let work = Box::new(move || writer.run());
        let started = match self.spawn {
            Some(spawn) => spawn(work),
            None => thread::Builder::new().name("perceptis".to_owned()).spawn(work).map(drop),
        };
        match started {
            Ok(()) => queue.thread = true,
            Err(error) => {
                // The steps stay: the next that comes tries to start a thread again.
                let jobs = std::mem::take(&mut queue.jobs);
                drop(queue);
                let error =
                    Error::new(Kind::Ledger, format!("the ledger's thread can't be started: {error}"));
                for job in jobs {
                    job.end(Commit::Failed(&error), &self.recorder());
                }
            }
        }
    }

    /// The thread.
    fn run(self: Arc<Writer>) {
        let mut pace = GroupPace::default();
        loop {
            match self.next(&pace) {
                Next::Group(batch, jobs, figures) => self.group(batch, jobs, figures, &mut pace),
                Next::Tidy => self.tidy(),
                Next::End => {
                    {
                        let _inside = gate::enter();
                        self.engine().close();
                        *lock(&self.open_file) = None;
                    }
                    let mut queue = self.lock();
                    if queue.jobs.is_empty() && queue.outbox.is_empty() && queue.handles == 0 {
                        queue.thread = false;
                        return;
                    }
                }
            }
        }
    }

    fn next(&self, pace: &GroupPace) -> Next {
        let untidy = self.engine().is_untidy();
        let idle = Stopwatch::start();
        let mut queue = self.lock();
        loop {
            let pause = queue.pause_left();
            let due = queue.due_in();
            if due.is_some_and(|due| due.is_zero()) && pause.is_zero() {
                break;
            }
            let learned = queue.figures.can_wait().filter(|_| due.is_none());
            if learned.is_some_and(|left| left.is_zero() || queue.handles == 0) {
                return Next::Group(Batch::default(), Vec::new(), std::mem::take(&mut queue.figures));
            }
            if due.is_none() && queue.handles == 0 {
                return Next::End;
            }
            let tidy = (untidy && due.is_none()).then(|| IDLE.saturating_sub(idle.elapsed()));
            if tidy.is_some_and(|left| left.is_zero()) {
                return Next::Tidy;
            }
            let due = due.map(|due| due.max(pause));
            let soonest = due.into_iter().chain(tidy).chain(learned).min();
            queue = wait(&self.wake, &self.queue, queue, soonest);
        }
        // Those that were answered together come back together, but not all at the same instant.
        let (expected, patience) = pace.expects();
        let began = Stopwatch::start();
        while queue.jobs.len() + queue.outbox.len() < expected {
            let Some(left) = patience.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
                break;
            };
            queue = wait(&self.wake, &self.queue, queue, Some(left));
        }
        queue.pause = None;
        let count = queue.jobs.len().min(MAX_GROUP);
        let jobs: Vec<_> = queue.jobs.drain(..count).collect();
        let batch = Batch(queue.outbox.drain(..).collect());
        queue.writing = batch.0.len();
        // Beside a job they could be why it fails; without steps they would cost a commit.
        let alone = jobs.is_empty() && !batch.0.is_empty();
        let figures = if alone { std::mem::take(&mut queue.figures) } else { Figures::default() };
        Next::Group(batch, jobs, figures)
    }

    /// A group that fails loses its figures: they are not why steps are tried again.
    fn group(
        self: &Arc<Writer>,
        mut batch: Batch,
        jobs: Vec<Box<dyn Job>>,
        mut figures: Figures,
        pace: &mut GroupPace,
    ) {
        // What its caller does not wait for any more is not begun.
        let mut jobs: Vec<_> = jobs.into_iter().filter(|job| job.is_wanted()).collect();
        let began = Stopwatch::start();
        let ran = {
            let _inside = gate::enter();
            let mut engine = self.engine();
            match self.open(&mut engine) {
                Ok(None) => {
                    let steps: &mut dyn Work = &mut batch;
                    let jobs = jobs.iter_mut().map(|job| job.work());
                    let learned: &mut dyn Work = &mut figures;
                    let mut group: Vec<&mut dyn Work> =
                        std::iter::once(steps).chain(jobs).chain([learned]).collect();
                    let ran = engine.run(&mut group, &Stamp::now());
                    *lock(&self.open_file) = engine.open_file();
                    ran
                }
                Ok(Some(other)) => {
                    drop(engine);
                    return self.forward(&other, batch, jobs, figures);
                }
                Err(trouble) => trouble.into(),
            }
        };
        match ran {
            Ran::Committed { wrote } => {
                if !jobs.is_empty() || !batch.0.is_empty() {
                    pace.ran(jobs.len() + batch.0.len(), began.elapsed());
                }
                #[cfg(test)]
                self.commits.fetch_add(u64::from(wrote), std::sync::atomic::Ordering::SeqCst);
                let _ = wrote;
                batch.committed();
                self.lock().writing = 0;
                self.written.notify_all();
                jobs.into_iter().for_each(|job| job.end(Commit::Done, &self.recorder()));
            }
            Ran::Failed(ref error) | Ran::InDoubt(ref error) => {
                let commit = match ran {
                    Ran::InDoubt(_) => Commit::InDoubt(error),
                    _ => Commit::Failed(error),
                };
                let stays = !batch.0.is_empty();
                self.lock().failures += u64::from(stays);
                self.put_back(batch, Vec::new(), WRITE_RETRY);
                let (reads, writes): (Vec<_>, Vec<_>) =
                    jobs.into_iter().partition(|job| stays && !job.writes());
                // Behind the steps that were put back, and before the next job: nothing uses a row in
                // between.
                writes.into_iter().for_each(|job| job.end(commit, &self.recorder()));
                self.read_alone(reads);
            }
            Ran::Busy => {
                let (late, wait): (Vec<_>, Vec<_>) =
                    jobs.into_iter().partition(|job| job.waited() >= MAX_BUSY);
                self.put_back(batch, wait, BUSY_RETRY);
                let error = self.in_use();
                late.into_iter().for_each(|job| job.end(Commit::Failed(&error), &self.recorder()));
            }
        }
    }

    /// Opens the file, if it is not open. Another writer of this process that has it open, where there is
    /// one.
    fn open(self: &Arc<Writer>, engine: &mut Engine) -> Result<Option<Arc<Writer>>, LedgerFailure> {
        let Some(file) = engine.ensure_open()? else { return Ok(None) };
        let mut open = lock(OPEN_FILES.get(OpenFiles::default));
        open.retain(|_, writer| writer.strong_count() > 0);
        match open.get(&file).and_then(Weak::upgrade) {
            // What it has open now counts: a file that is gone leaves its number to another one.
            Some(other)
                if !Arc::ptr_eq(&other, self)
                    && *lock(&other.open_file) == Some(file)
                    && other.leads_to(file) =>
            {
                engine.close();
                Ok(Some(other))
            }
            _ => {
                *lock(&self.open_file) = Some(file);
                open.insert(file, Arc::downgrade(self));
                Ok(None)
            }
        }
    }

    /// Leaves a group to another writer of the process, which has the file open under another path.
    fn forward(&self, other: &Arc<Writer>, batch: Batch, jobs: Vec<Box<dyn Job>>, figures: Figures) {
        let mut queue = other.lock();
        queue.outbox.extend(batch.0);
        queue.jobs.extend(jobs);
        queue.figures.add_all(figures);
        other.start(queue);
        self.lock().writing = 0;
        self.written.notify_all();
    }

    /// Puts back what is tried again, in the place that it had.
    fn put_back(&self, batch: Batch, jobs: Vec<Box<dyn Job>>, pause: Duration) {
        self.lock().put_back(batch, jobs, pause);
        self.written.notify_all();
    }

    /// Jobs that only read are done without the outbox, which can't be written just now. Those that were done
    /// before the commit failed have their result already.
    fn read_alone(self: &Arc<Writer>, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        let ran = {
            let _inside = gate::enter();
            let mut group: Vec<&mut dyn Work> = jobs.iter_mut().map(|job| job.work()).collect();
            self.engine().run(&mut group, &Stamp::now())
        };
        let failed = match ran {
            Ran::Committed { .. } => None,
            Ran::Failed(error) | Ran::InDoubt(error) => Some(error),
            Ran::Busy => Some(self.in_use()),
        };
        let commit = failed.as_ref().map_or(Commit::Done, Commit::Failed);
        jobs.into_iter().for_each(|job| job.end(commit, &self.recorder()));
    }

    fn in_use(&self) -> Error {
        match &self.location {
            Location::At(path) => refusal::in_use(path),
            Location::Off | Location::Nowhere => refusal::nowhere(),
        }
    }

    /// Whether its path is one of this file. A writer that is about to close a file that was removed still
    /// says that it has that one open, and the number can be another ledger's by then.
    fn leads_to(&self, file: FileIdentity) -> bool {
        let Location::At(path) = &self.location else { return false };
        std::fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == file)
    }

    fn tidy(self: &Arc<Writer>) {
        let _inside = gate::enter();
        let mut engine = self.engine();
        // A fork may have closed the file. No call waits for this, and the next one is given the same error
        // of the disk.
        let _ = self.open(&mut engine);
        let _ = engine.tidy(&Stamp::now());
    }

    fn is_inherited(&self) -> bool {
        self.process != Process::current()
    }

    fn lock(&self) -> MutexGuard<'_, WorkQueue> {
        lock(&self.queue)
    }

    /// Inside the gate only, or by the thread.
    pub(super) fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.engine)
    }
}

fn inherited() -> Error {
    Error::new(Kind::Forked, "the ledger was opened before a fork, in the parent process")
}
