//! Who asks about which job, and when: a job has one poller, however many callers look at it or wait for it.
//!
//! What is due lies on one heap; one task takes it off into a few request slots. Where no other caller is
//! asking about a job, a look does not go that way: the caller asks itself, in a [`PollPermit`], so that one
//! call costs no detour. All state is behind one lock that is held for a few steps, never across an await or
//! while a tracker is told something.

pub mod estimate;
mod job_queue;
pub(crate) mod look;
pub mod schedule;
pub(crate) mod timing;
mod verdict;
pub(crate) mod watch;

use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, oneshot};

use crate::activity::log::Log;
use crate::activity::tracker::Tracker;
use crate::api::response::Job;
use crate::api::status::Polled;
use crate::api::status::StatusApi;
use crate::common::clock::Moment;
use crate::common::runtime::RuntimeHandle;
use crate::common::sync::lock;
use crate::error::{Error, Kind};
use crate::model::job_id::JobId;
pub(crate) use crate::polling::job_queue::SLOTS;
use crate::polling::job_queue::{BETWEEN_POLLS, JobQueue, Next};
use crate::polling::timing::Timing;
use crate::polling::watch::{LastSeen, Watch};
use crate::retry::Retrier;
use crate::retry::rate_limit::Pace;
use crate::transport::failure::{AttemptError, FailureKind};

/// Asks about the jobs of a client: one poller a job, however many callers wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Poller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Mutex<JobQueue>,
    /// Something is due earlier than the task thinks, or a slot is free again.
    wake: Notify,
    pace: Pace,
    api: StatusApi,
    timing: Arc<Timing>,
    retrier: Arc<Retrier>,
    home: RuntimeHandle,
    log: Log,
}

/// The right to poll one job now, given back with what the poll brought, or by being dropped.
pub(crate) struct PollPermit {
    poller: Poller,
    job_id: JobId,
    begun: Moment,
    /// Which poll of the job this is, from 1.
    number: u32,
    /// Whether the task holds it, which looks for what is due by itself after each poll.
    of_task: bool,
    done: bool,
}

/// How a look at a job begins.
enum LookStart {
    /// The caller asks itself.
    Yours(PollPermit),
    /// Another caller or the task is asking, or will.
    Others(oneshot::Receiver<Polled>),
}

/// One caller in the list of those that wait for a job; dropped, it leaves the list.
struct WaiterGuard<'a> {
    poller: &'a Poller,
    job_id: &'a JobId,
    number: u64,
}

impl Drop for WaiterGuard<'_> {
    fn drop(&mut self) {
        let mut queue = self.poller.lock();
        if let Some(entry) = queue.get_mut(self.job_id)
            && let Some(watch) = &mut entry.watch
            && watch.leave(self.number)
        {
            entry.watch = None;
        }
    }
}

impl Poller {
    pub(crate) fn new(
        api: StatusApi,
        timing: Arc<Timing>,
        retrier: Arc<Retrier>,
        home: RuntimeHandle,
    ) -> Poller {
        let log = api.log.clone();
        let (queue, wake, pace) = (Mutex::default(), Notify::default(), Pace::default());
        Poller(Arc::new(Inner { queue, wake, pace, api, timing, retrier, home, log }))
    }

    /// One poll of a job, shared by all callers that ask about it meanwhile.
    pub(crate) async fn look_once(&self, job_id: &JobId) -> Polled {
        match self.begin_look(job_id) {
            LookStart::Yours(permit) => {
                let polled = self.0.api.ask(job_id, permit.number).await;
                permit.end(polled.clone());
                polled
            }
            LookStart::Others(polled) => polled.await.unwrap_or_else(|_| Err(lost_poll())),
        }
    }

    fn begin_look(&self, job_id: &JobId) -> LookStart {
        let now = self.0.timing.clock.now();
        let mut queue = self.lock();
        match queue.start_look(job_id, now, &self.0.pace) {
            Ok(number) => LookStart::Yours(PollPermit::new(self, job_id.clone(), now, number, false)),
            Err(polled) => {
                self.drive(queue);
                LookStart::Others(polled)
            }
        }
    }

    /// Waits until a job is completed with `expected` files, has failed, or can't be seen.
    pub(crate) async fn watch(
        &self,
        job_id: &JobId,
        expected: u32,
        seen: LastSeen,
        tracker: &Tracker,
    ) -> Result<Arc<Job>, Error> {
        if self.0.timing.own_job(job_id).is_some() {
            self.0.timing.recall();
        }
        let (ended, guard) = {
            let now = self.0.timing.clock.now();
            let mut queue = self.lock();
            let number = queue.next_number();
            let (entry, free_at) = queue.entry(job_id, now);
            let mut first = None;
            let watch = entry.watch.get_or_insert_with(|| {
                let (watch, due) = Watch::new(&self.0.timing, job_id, seen, now);
                first = Some(due.max(free_at));
                watch
            });
            let ended = watch.join(number, expected, tracker.clone());
            if let Some(first) = first {
                queue.schedule_at_latest(job_id, first);
            }
            self.drive(queue);
            (ended, WaiterGuard { poller: self, job_id, number })
        };
        let end = ended.await.unwrap_or_else(|_| Err(lost_poll().error));
        drop(guard);
        end
    }

    /// Sees to it that the task runs and knows what is due.
    fn drive(&self, mut queue: MutexGuard<'_, JobQueue>) {
        if queue.is_empty() {
            return;
        }
        if queue.driven {
            let late = queue.is_due_earlier();
            drop(queue);
            if late {
                self.0.wake.notify_one();
            }
            return;
        }
        // Without a runtime the client is being taken down, and all waiters with it.
        let Some(runtime) = self.0.home.handle() else { return };
        queue.begin_driving();
        drop(queue);
        runtime.spawn(drive(self.clone()));
    }
}

/// The task: takes what is due off the heap into the slots, until nothing is left to ask about.
async fn drive(poller: Poller) {
    let driving = Driving(&poller);
    let mut polls = FuturesUnordered::new();
    loop {
        let next = loop {
            match poller.take(polls.is_empty()) {
                NextStep::Now(permit) => polls.push(async {
                    let polled = poller.0.api.ask(&permit.job_id, permit.number).await;
                    permit.end(polled);
                }),
                NextStep::At(then) => break Some(then),
                NextStep::Full => break None,
                NextStep::Nothing => {
                    std::mem::forget(driving);
                    return;
                }
            }
        };
        let due = async {
            match next {
                Some(then) => poller.0.timing.clock.sleep_until(then).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(()) = polls.next(), if !polls.is_empty() => {}
            () = due => {}
            () = poller.0.wake.notified() => {}
        }
    }
}

/// Ends all waiting when the task is gone: it ends early only by a panic or with its runtime.
struct Driving<'a>(&'a Poller);

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        // The senders go with the entries, which ends the waiting of their receivers.
        let jobs = self.0.lock().end_driving();
        drop(jobs);
    }
}

impl Poller {
    /// What the task does next.
    fn take(&self, is_idle: bool) -> NextStep {
        let now = self.0.timing.clock.now();
        let mut queue = self.lock();
        match queue.take(now, is_idle, &self.0.pace) {
            Next::Poll { job_id, number } => NextStep::Now(PollPermit::new(self, job_id, now, number, true)),
            Next::At(then) => NextStep::At(then),
            Next::Full => NextStep::Full,
            Next::Nothing => NextStep::Nothing,
        }
    }

    fn lock(&self) -> MutexGuard<'_, JobQueue> {
        lock(&self.0.queue)
    }
}

/// What the task does next.
enum NextStep {
    Now(PollPermit),
    At(Moment),
    /// All slots are taken: one that gets free wakes the task.
    Full,
    /// No job has a waiter: the task has ended.
    Nothing,
}

impl PollPermit {
    fn new(poller: &Poller, job_id: JobId, begun: Moment, number: u32, of_task: bool) -> PollPermit {
        PollPermit { poller: poller.clone(), job_id, begun, number, of_task, done: false }
    }

    /// Gives the permit back and hands the result of the poll to all callers that ask about the job.
    fn end(mut self, polled: Polled) {
        self.done = true;
        let poller = self.poller.clone();
        let (begun, now) = (self.begun, poller.0.timing.clock.now());
        match &polled {
            Ok(_) => poller.0.pace.succeeded(),
            Err(miss @ AttemptError { came: FailureKind::Status(429), .. }) => {
                poller.0.pace.limited(self.begun, now, miss.floor().unwrap_or_default());
            }
            Err(_) => {}
        }
        let (mut looks, mut told) = (Vec::new(), None);
        self.give_back(now, |queue, job_id| {
            let Some(entry) = queue.get_mut(job_id) else { return };
            looks = std::mem::take(&mut entry.looks);
            let Some(watch) = &mut entry.watch else { return };
            let (tell, next) = watch.judge(&poller.0.timing, job_id, &polled, (begun, now));
            match next {
                Some(next) => queue.schedule(job_id, next.max(now.after(BETWEEN_POLLS))),
                None => entry.watch = None,
            }
            told = Some(tell);
        });
        if let Some(told) = told {
            told.say(&poller.0.log, &polled);
        }
        for look in looks {
            // The receiver is gone only when its caller has gone.
            let _ = look.send(polled.clone());
        }
    }

    /// Frees the slot and the job, decides what comes next for it, and wakes the task if need be.
    fn give_back(&self, now: Moment, decide: impl FnOnce(&mut JobQueue, &JobId)) {
        let mut queue = self.poller.lock();
        let was_full = queue.finish(&self.job_id, now);
        decide(&mut queue, &self.job_id);
        if self.of_task {
            return;
        }
        if was_full && queue.driven {
            self.poller.0.wake.notify_one();
        }
        self.poller.drive(queue);
    }
}

impl Drop for PollPermit {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // Its caller was cancelled in the middle of the poll: others who want the answer ask again.
        let now = self.poller.0.timing.clock.now();
        self.give_back(now, |queue, job_id| {
            if queue.get_mut(job_id).is_some_and(|entry| entry.is_wanted()) {
                queue.schedule(job_id, now.after(BETWEEN_POLLS));
            }
        });
    }
}

/// The one who asked for all is gone, which only a fault of this library can do.
fn lost_poll() -> AttemptError {
    let message = "a fault in libperceptis, please report it: the polls have ended";
    AttemptError::new(FailureKind::Fault, Error::new(Kind::Internal, message))
}
