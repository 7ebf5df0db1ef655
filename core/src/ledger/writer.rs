//! One thread that works on one ledger for the whole process. Callers queue what they want done and wait for their
//! part; what waits together is committed together, so that many submissions cost one sync.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::engine::{Engine, Ran, Work};
use super::fork;
use super::location::Location;
use super::refusal;
use super::session::Session;
use crate::client::Spawn;
use crate::clock::{self, Stopwatch};
use crate::error::{Error, Kind};
use crate::sync::{lock, wait};

/// The largest group: nobody waits longer than for so many.
const GROUP: usize = 1_000;
/// How long another program may keep the file locked before that is told.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait where SQLite does not wait by itself.
const BREATH: Duration = Duration::from_millis(10);
/// How long nobody may want anything before the log is emptied.
const IDLE: Duration = Duration::from_secs(1);
/// The longest that a group waits for those who were in the one before.
const GATHER: Duration = Duration::from_millis(2);

/// What is done for a caller who was gone before it could hear of it.
pub(super) type GiveBack = Box<dyn FnOnce(&mut Session<'_>) -> Result<(), Error> + Send>;

/// The thread, its queue and its file.
pub(super) struct Writer {
    process: u32,
    queue: Mutex<Queue>,
    /// Something was queued, or the last handle is gone.
    wake: Condvar,
    engine: Mutex<Engine>,
    spawn: Option<Spawn>,
    location: Location,
    #[cfg(test)]
    pub(super) commits: std::sync::atomic::AtomicU64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Box<dyn Job>>,
    /// Whether there is a thread.
    thread: bool,
    handles: usize,
}

/// A caller's work and the way back to it.
trait Job: Work {
    fn work(&mut self) -> &mut dyn Work;

    /// Tells the caller what came of it.
    fn end(self: Box<Self>, failed: Option<&Error>, writer: &Arc<Writer>);
}

/// What keeps a writer's thread: clients have one each.
pub(super) struct Handle(Arc<Writer>);

impl Handle {
    /// The writer of this place: the process's, or for a ledger in memory a new one.
    pub(super) fn new(location: &Location, spawn: Option<Spawn>) -> Handle {
        let new = || {
            Arc::new(Writer {
                process: std::process::id(),
                queue: Mutex::default(),
                wake: Condvar::new(),
                engine: Mutex::new(Engine::new(location.clone())),
                spawn,
                location: location.clone(),
                #[cfg(test)]
                commits: std::sync::atomic::AtomicU64::new(0),
            })
        };
        let writer = match location {
            Location::Off | Location::Nowhere => new(),
            Location::At(path) => {
                let mut writers = fork::writers();
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
            // In a fork's child: what its locks guard is the parent's.
            std::mem::forget(Arc::clone(&self.0));
            return;
        }
        self.0.lock().handles -= 1;
        self.0.wake.notify_one();
    }
}

impl Writer {
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

    /// Queues work whose result makes its caller responsible for something. Should nobody be there to take it, that
    /// is given back.
    pub(super) fn hand_over<T: Send + 'static>(
        self: &Arc<Writer>,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Error> + Send + 'static,
        give_back: fn(&T) -> Option<GiveBack>,
    ) -> Answer<T> {
        self.submit(true, work, give_back)
    }

    fn submit<T: Send + 'static>(
        self: &Arc<Writer>,
        writes: bool,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, Error> + Send + 'static,
        give_back: fn(&T) -> Option<GiveBack>,
    ) -> Answer<T> {
        let (sender, receiver) = oneshot::channel();
        self.push(Box::new(Task { writes, work: Some(work), came: None, sender, give_back }));
        Answer { receiver, give_back, writer: Arc::clone(self) }
    }

    fn push(self: &Arc<Writer>, job: Box<dyn Job>) {
        if self.is_inherited() {
            let error =
                Error::new(Kind::Forked, "the ledger was opened before a fork, in the parent process");
            return job.end(Some(&error), self);
        }
        let mut queue = self.lock();
        queue.jobs.push_back(job);
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
                Next::Group(jobs) => self.group(jobs, &mut pace),
                Next::Tidy => self.tidy(),
                Next::End => {
                    {
                        let _gate = fork::inside();
                        self.engine().close();
                    }
                    let mut queue = self.lock();
                    if queue.jobs.is_empty() && queue.handles == 0 {
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
        while queue.jobs.is_empty() {
            if queue.handles == 0 {
                return Next::End;
            }
            let left = untidy.then(|| IDLE.saturating_sub(idle.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                return Next::Tidy;
            }
            queue = wait(&self.wake, &self.queue, queue, left);
        }
        // Those who were answered together come back together, but not all at the same instant.
        let (expected, patience) = pace.expects();
        let began = Stopwatch::start();
        while queue.jobs.len() < expected {
            let Some(left) = patience.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
                break;
            };
            queue = wait(&self.wake, &self.queue, queue, Some(left));
        }
        let count = queue.jobs.len().min(GROUP);
        Next::Group(queue.jobs.drain(..count).collect())
    }

    fn group(self: &Arc<Writer>, mut jobs: Vec<Box<dyn Job>>, pace: &mut Pace) {
        let began = Stopwatch::start();
        let ran = loop {
            let ran = {
                let _gate = fork::inside();
                let mut group: Vec<&mut dyn Work> = jobs.iter_mut().map(|job| job.work()).collect();
                self.engine().run(&mut group, clock::unix_ms())
            };
            // Between two looks at a locked file nothing is held: a fork can come.
            match ran {
                Ran::Busy if began.elapsed() < PATIENCE => thread::sleep(BREATH),
                ran => break ran,
            }
        };
        let failed = match ran {
            Ran::Committed { wrote } => {
                pace.ran(jobs.len(), began.elapsed());
                #[cfg(test)]
                self.commits.fetch_add(u64::from(wrote), std::sync::atomic::Ordering::SeqCst);
                let _ = wrote;
                None
            }
            Ran::Failed(error) => Some(error),
            Ran::Busy => Some(match &self.location {
                Location::At(path) => refusal::in_use(path),
                Location::Off | Location::Nowhere => refusal::nowhere(),
            }),
        };
        for job in jobs {
            job.end(failed.as_ref(), self);
        }
    }

    fn tidy(&self) {
        let _gate = fork::inside();
        // Nobody waits for it, and whoever comes next hears the same of the disk.
        let _ = self.engine().tidy(clock::unix_ms());
    }

    pub(super) fn close_for_fork(&self) {
        self.engine().close_for_fork();
    }

    fn is_inherited(&self) -> bool {
        self.process != std::process::id()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Inside the gate only, or by the thread.
    pub(super) fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.engine)
    }
}

enum Next {
    Group(Vec<Box<dyn Job>>),
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
        (self.last.max(self.before).min(GROUP), (self.took / 2).min(GATHER))
    }
}

struct Task<T, W> {
    writes: bool,
    work: Option<W>,
    came: Option<Result<T, Error>>,
    sender: oneshot::Sender<Result<T, Error>>,
    give_back: fn(&T) -> Option<GiveBack>,
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

    fn end(self: Box<Self>, failed: Option<&Error>, writer: &Arc<Writer>) {
        let came = match (failed, self.came) {
            // Its own reason tells more than the group's.
            (_, Some(Err(error))) => Err(error),
            (Some(error), _) => Err(error.clone()),
            (None, Some(came)) => came,
            (None, None) => Err(Error::new(Kind::Internal, "the ledger's work was not done")),
        };
        if let Err(Ok(nobodys)) = self.sender.send(came) {
            give_back(writer, self.give_back, &nobodys);
        }
    }
}

fn give_back<T>(writer: &Arc<Writer>, how: fn(&T) -> Option<GiveBack>, value: &T) {
    if let Some(work) = how(value) {
        // Nobody waits for this: should it fail, the submission is this process's for as long as that lives.
        drop(writer.write(work));
    }
}

/// What a caller waits on. Dropped before it is ready, the work goes on and its result is given back.
pub(super) struct Answer<T> {
    receiver: oneshot::Receiver<Result<T, Error>>,
    give_back: fn(&T) -> Option<GiveBack>,
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
        if let Ok(Ok(nobodys)) = self.receiver.try_recv() {
            give_back(&self.writer, self.give_back, &nobodys);
        }
    }
}
