//! One thread that works on one ledger for the whole process. Callers queue what they want done and wait for
//! their part; what waits together is committed together, so that many submissions cost one sync.
//!
//! A group is the outbox (steps that have happened, and must be written in the end) and jobs (what callers
//! ask for, each of which may fail). The outbox goes first. If the group fails, the outbox stays and is tried
//! again at least each second; the jobs are answered with the error, but those that only read are done
//! without it.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::fs::MetadataExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, TryLockError, Weak};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use perceptis_descriptors::{PerProcess, Process};
use tokio::sync::oneshot;

use super::engine::{Engine, FileIdentity, Ran, Work};
use super::figures::Figures;
use super::gate;
use super::outbox::{Batch, Item};
use super::refusal::{self, Trouble};
use super::session::Session;
use super::{Row, Step, Written};
use crate::common::clock::{Stamp, Stopwatch};
use crate::common::runtime::Spawn;
use crate::common::sync::{lock, wait};
use crate::config::ledger_location::Location;
use crate::error::{Error, Kind};
use crate::model::figure::Figure;

/// The largest group: no caller waits longer than for so many jobs.
const MAX_GROUP: usize = 1_000;
/// How long another program may keep the file locked before a caller is given the error.
const MAX_BUSY: Duration = Duration::from_secs(30);
/// How long to wait before a locked file is tried again: the end of another process's lock is no event.
const BUSY_RETRY: Duration = Duration::from_millis(10);
/// How long to wait before steps that could not be written are tried again.
const WRITE_RETRY: Duration = Duration::from_secs(1);
/// How long no job may come before the log is emptied.
const IDLE: Duration = Duration::from_secs(1);
/// The longest that a group waits for those that were in the one before.
const MAX_GATHER: Duration = Duration::from_millis(2);

/// What has to be recorded where no caller is there to take a result.
pub(super) type GiveBack = Option<(Row, Vec<Step>)>;

/// The thread, its queue and its file.
pub(super) struct Writer {
    process: Process,
    queue: Mutex<Queue>,
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

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Box<dyn Job>>,
    outbox: VecDeque<Item>,
    /// What was learned. It goes with steps that no job is beside, or when nothing else is to be done.
    figures: Figures,
    /// How many steps are being written.
    writing: usize,
    /// Whether a thread waits for the outbox to be empty, so that no step waits for company.
    hurried: usize,
    /// Not before this time after the last attempt, which failed or found the file locked.
    pause: Option<(Stopwatch, Duration)>,
    /// How often the steps could not be written.
    failures: u64,
    /// Whether there is a thread.
    thread: bool,
    handles: usize,
}

/// A caller's work and the way back to it.
trait Job: Work {
    fn work(&mut self) -> &mut dyn Work;

    /// Whether the caller still waits.
    fn is_wanted(&self) -> bool;

    fn waited(&self) -> Duration;

    /// Gives the caller what came of it.
    fn end(self: Box<Self>, failed: Option<&Error>, writer: &Arc<Writer>);
}

/// The writers of this process, by the path of their ledger.
type Writers = Mutex<BTreeMap<PathBuf, Weak<Writer>>>;
/// Those that have their file open, by the file: two paths can lead to one file, which is opened once.
type OpenFiles = Mutex<BTreeMap<FileIdentity, Weak<Writer>>>;

static WRITERS: PerProcess<Writers> = PerProcess::new();
static OPEN_FILES: PerProcess<OpenFiles> = PerProcess::new();

/// What keeps a writer's thread: clients have one each.
pub(super) struct Handle(Arc<Writer>);

impl Handle {
    /// The writer of this place: the process's, or for a ledger in memory a new one.
    pub(super) fn new(location: &Location, spawn: Option<Spawn>) -> Handle {
        let new = || Arc::new(Writer::new(location, spawn));
        let writer = match location {
            Location::Off | Location::Nowhere => new(),
            Location::At(path) => {
                let mut writers = lock(WRITERS.get(Writers::default));
                writers.retain(|_, writer| writer.strong_count() > 0);
                match writers.get(path).and_then(Weak::upgrade) {
                    Some(writer) => writer,
                    None => {
                        let writer = new();
                        writers.insert(path.clone(), Arc::downgrade(&writer));
                        writer
                    }
                }
            }
        };
        writer.lock().handles += 1;
        Handle(writer)
    }

    pub(super) fn writer(&self) -> &Arc<Writer> {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.0.is_inherited() {
            // In a forked child: what its locks guard is the parent's.
            std::mem::forget(Arc::clone(&self.0));
            return;
        }
        self.0.lock().handles -= 1;
        self.0.wake.notify_one();
    }
}

/// Every writer of this process.
fn writers() -> Vec<Arc<Writer>> {
    lock(WRITERS.get(Writers::default)).values().filter_map(Weak::upgrade).collect()
}

/// Closes the connections of all ledgers before a fork, but for those in use.
pub(super) fn close_all_for_fork() {
    for writer in writers() {
        let mut engine = match writer.engine.try_lock() {
            Ok(engine) => engine,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => continue,
        };
        engine.close_for_fork();
        *lock(&writer.open_file) = None;
    }
}

/// Writes what is not written yet before the process exits, and waits for that on this thread, at most so
/// long. A disk that refuses them is asked once: the process can't wait for it.
pub fn write_all_before_exit(timeout: Duration) {
    let began = Stopwatch::start();
    for writer in writers() {
        writer.write_waiting(timeout.saturating_sub(began.elapsed()), 1);
    }
}

/// How many writers there are for this path; for tests.
#[cfg(test)]
pub(super) fn count_at(path: &std::path::Path) -> usize {
    lock(WRITERS.get(Writers::default)).get(path).map_or(0, Weak::strong_count)
}

impl Writer {
    fn new(location: &Location, spawn: Option<Spawn>) -> Writer {
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

    /// Queues work that may change something.
    pub(super) fn write<T: Send + 'static>(
        self: &Arc<Writer>,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        self.submit(true, work, |_| None)
    }

    /// Queues work that only reads: it costs no sync.
    pub(super) fn read<T: Send + 'static>(
        self: &Arc<Writer>,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        self.submit(false, work, |_| None)
    }

    /// Queues work whose result makes its caller responsible for something. Should no caller be there to take
    /// it, it is given back.
    pub(super) fn hand_over<T: Send + 'static>(
        self: &Arc<Writer>,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Error> + Send + 'static,
        give_back: fn(&T) -> GiveBack,
    ) -> Answer<T> {
        self.submit(true, work, give_back)
    }

    fn submit<T: Send + 'static>(
        self: &Arc<Writer>,
        writes: bool,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Error> + Send + 'static,
        give_back: fn(&T) -> GiveBack,
    ) -> Answer<T> {
        let (sender, receiver) = oneshot::channel();
        let since = Stopwatch::start();
        let task = Task { writes, work: Some(work), came: None, sender, give_back, since };
        if self.is_inherited() {
            Box::new(task).end(Some(&inherited()), self);
        } else {
            let mut queue = self.lock();
            queue.jobs.push_back(Box::new(task));
            queue.pause = None;
            self.start(queue);
        }
        Answer { receiver, give_back, writer: Arc::clone(self) }
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

    /// Puts steps into the outbox that no caller waits for.
    pub(super) fn record_soon(self: &Arc<Writer>, row: Row, steps: Vec<Step>) {
        self.put(Item::soon(row, steps));
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
    fn write_waiting(self: &Arc<Writer>, timeout: Duration, max_failures: u64) -> usize {
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
    fn start(self: &Arc<Writer>, mut queue: MutexGuard<'_, Queue>) {
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
                    job.end(Some(&error), self);
                }
            }
        }
    }

    /// The thread.
    fn run(self: Arc<Writer>) {
        let mut pace = Pace::default();
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

    fn next(&self, pace: &Pace) -> Next {
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
        pace: &mut Pace,
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
                jobs.into_iter().for_each(|job| job.end(None, self));
            }
            Ran::Failed(error) => {
                let stays = !batch.0.is_empty();
                self.lock().failures += u64::from(stays);
                self.put_back(batch, Vec::new(), WRITE_RETRY);
                let (reads, writes): (Vec<_>, Vec<_>) =
                    jobs.into_iter().partition(|job| stays && !job.writes());
                writes.into_iter().for_each(|job| job.end(Some(&error), self));
                self.read_alone(reads);
            }
            Ran::Busy => {
                let (late, wait): (Vec<_>, Vec<_>) =
                    jobs.into_iter().partition(|job| job.waited() >= MAX_BUSY);
                self.put_back(batch, wait, BUSY_RETRY);
                let error = self.in_use();
                late.into_iter().for_each(|job| job.end(Some(&error), self));
            }
        }
    }

    /// Opens the file, if it is not open. Another writer of this process that has it open, where there is
    /// one.
    fn open(self: &Arc<Writer>, engine: &mut Engine) -> Result<Option<Arc<Writer>>, Trouble> {
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
        let mut queue = self.lock();
        queue.writing = 0;
        if !batch.0.is_empty() || !jobs.is_empty() {
            queue.pause = Some((Stopwatch::start(), pause));
        }
        for item in batch.put_back().into_iter().rev() {
            queue.outbox.push_front(item);
        }
        for job in jobs.into_iter().rev() {
            queue.jobs.push_front(job);
        }
        drop(queue);
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
            Ran::Failed(error) => Some(error),
            Ran::Busy => Some(self.in_use()),
        };
        jobs.into_iter().for_each(|job| job.end(failed.as_ref(), self));
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

    fn lock(&self) -> MutexGuard<'_, Queue> {
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

impl Queue {
    /// How long until there is something to do; none: nothing waits.
    fn due_in(&self) -> Option<Duration> {
        if !self.jobs.is_empty() {
            return Some(Duration::ZERO);
        }
        let hurried = self.hurried > 0 || self.handles == 0 || self.outbox.iter().any(Item::is_urgent);
        let first = self.outbox.front()?;
        Some(if hurried { Duration::ZERO } else { first.can_wait() })
    }

    /// How long not to try again. A new job or step ends the pause.
    fn pause_left(&self) -> Duration {
        self.pause.map_or(Duration::ZERO, |(since, pause)| pause.saturating_sub(since.elapsed()))
    }
}

enum Next {
    Group(Batch, Vec<Box<dyn Job>>, Figures),
    Tidy,
    End,
}

/// How large the last groups were and how long a commit takes: whether it pays to wait for more.
#[derive(Default)]
struct Pace {
    last: usize,
    before: usize,
    took: Duration,
}

impl Pace {
    fn ran(&mut self, size: usize, took: Duration) {
        self.before = std::mem::replace(&mut self.last, size);
        self.took = (self.took * 3 + took) / 4;
    }

    /// How many are worth waiting for, and for how long: less than a commit takes, nothing for one alone.
    fn expects(&self) -> (usize, Duration) {
        (self.last.max(self.before).min(MAX_GROUP), (self.took / 2).min(MAX_GATHER))
    }
}

struct Task<T, W> {
    writes: bool,
    work: Option<W>,
    came: Option<Result<T, Error>>,
    sender: oneshot::Sender<Result<T, Error>>,
    give_back: fn(&T) -> GiveBack,
    since: Stopwatch,
}

impl<T, W> Work for Task<T, W>
where
    T: Send,
    W: FnOnce(&mut Session<'_>) -> Result<T, Error> + Send,
{
    fn writes(&self) -> bool {
        self.writes
    }

    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Error> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let came = catch_unwind(AssertUnwindSafe(|| work(session))).unwrap_or_else(|_| {
            Err(Error::new(Kind::Internal, "the ledger's work panicked; nothing of it was recorded"))
        });
        let failed = came.as_ref().err().cloned();
        self.came = Some(came);
        failed.map_or(Ok(()), Err)
    }
}

impl<T, W> Job for Task<T, W>
where
    T: Send + 'static,
    W: FnOnce(&mut Session<'_>) -> Result<T, Error> + Send,
{
    fn work(&mut self) -> &mut dyn Work {
        self
    }

    fn is_wanted(&self) -> bool {
        !self.sender.is_closed()
    }

    fn waited(&self) -> Duration {
        self.since.elapsed()
    }

    fn end(self: Box<Self>, failed: Option<&Error>, writer: &Arc<Writer>) {
        let came = match (failed, self.came) {
            // Its own reason tells more than the group's.
            (_, Some(Err(error))) => Err(error),
            (Some(error), _) => Err(error.clone()),
            (None, Some(came)) => came,
            (None, None) => Err(Error::new(Kind::Internal, "the ledger's work was not done")),
        };
        if let Err(Ok(unclaimed)) = self.sender.send(came) {
            give_back(writer, self.give_back, &unclaimed);
        }
    }
}

fn give_back<T>(writer: &Arc<Writer>, how: fn(&T) -> GiveBack, value: &T) {
    if let Some((row, steps)) = how(value) {
        writer.record_soon(row, steps);
    }
}

/// What a caller waits on. Dropped before it is ready, the work is not begun, or its result is given back.
pub(super) struct Answer<T> {
    receiver: oneshot::Receiver<Result<T, Error>>,
    give_back: fn(&T) -> GiveBack,
    writer: Arc<Writer>,
}

impl<T> Future for Answer<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Error>> {
        Pin::new(&mut self.receiver).poll(context).map(|came| {
            came.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the ledger's thread is gone")))
        })
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(Ok(unclaimed)) = self.receiver.try_recv() {
            give_back(&self.writer, self.give_back, &unclaimed);
        }
    }
}
