//! Which job is polled when: plain data, without a lock, a clock or a network.
//!
//! What is due lies on one heap. At most [`SLOTS`] polls run at once, one for each job, and two polls of a
//! job are a second apart.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::api::status::Polled;
use crate::common::clock::Moment;
use crate::model::job_id::JobId;
use crate::polling::watch::Watch;
use crate::retry::rate_limit::Pace;

/// The service's hard ceiling: one poll a second for one job.
pub(super) const BETWEEN_POLLS: Duration = Duration::from_secs(1);
/// Polls at once.
pub(crate) const SLOTS: usize = 8;
/// Above this many jobs those without a waiter are forgotten.
const PRUNE_ABOVE: usize = 1024;

/// The jobs that callers ask about, and when each is due.
#[derive(Debug, Default)]
pub(super) struct JobQueue {
    /// In boxes, since a hash table has more slots than entries.
    jobs: HashMap<JobId, Box<JobEntry>>,
    /// When which job is due. An element counts only while it is its job's own.
    due: BinaryHeap<Reverse<(Moment, JobId)>>,
    polling: usize,
    /// Whether the task that takes from the queue runs.
    pub(super) driven: bool,
    /// Until when that task sleeps.
    sleeps_until: Option<Moment>,
    next_number: u64,
    prune_above: usize,
}

/// One job that callers ask about, or did a second ago.
#[derive(Debug, Default)]
pub(super) struct JobEntry {
    /// When the last poll ended: the next second counts from there, so that no delay on the way can bring two
    /// polls closer together at the service.
    last: Option<Moment>,
    polling: bool,
    due: Option<Moment>,
    /// How often this client has asked about it.
    polls: u32,
    /// The callers that want the next answer.
    pub(super) looks: Vec<oneshot::Sender<Polled>>,
    /// The callers that wait for the end.
    pub(super) watch: Option<Watch>,
}

impl JobEntry {
    pub(super) fn is_wanted(&self) -> bool {
        !self.looks.is_empty() || self.watch.is_some()
    }

    /// The first moment at which this job may be polled.
    fn free_at(&self, now: Moment) -> Moment {
        self.last.map_or(now, |last| last.after(BETWEEN_POLLS))
    }

    fn start_poll(&mut self) -> u32 {
        self.due = None;
        self.polling = true;
        self.polls += 1;
        self.polls
    }
}

/// What the task that takes from the queue does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Polls this job; `number`: which poll of the job it is, from 1.
    Poll { job_id: JobId, number: u32 },
    /// Waits until then.
    At(Moment),
    /// Waits until a poll ends: all slots are taken, or nothing else is due.
    Full,
    /// Ends: no job has a waiter.
    Nothing,
}

impl JobQueue {
    /// A caller asks about a job once. Ok: it polls by itself, now, and this is the number of that poll. Err:
    /// another caller or the task is asking, or will; the answer comes here.
    pub(super) fn start_look(
        &mut self,
        job_id: &JobId,
        now: Moment,
        pace: &Pace,
    ) -> Result<u32, oneshot::Receiver<Polled>> {
        self.prune(now);
        let free = self.polling < SLOTS;
        let entry = self.jobs.entry(job_id.clone()).or_default();
        if free && !entry.polling && entry.free_at(now) <= now && pace.start(now).is_ok() {
            let number = entry.start_poll();
            self.polling += 1;
            return Ok(number);
        }
        let (sender, receiver) = oneshot::channel();
        entry.looks.retain(|look| !look.is_closed());
        entry.looks.push(sender);
        let then = entry.free_at(now).max(now);
        self.schedule_at_latest(job_id, then);
        Err(receiver)
    }

    /// A number for a caller that waits.
    pub(super) fn next_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// The entry of a job, made where there is none, and the first moment at which it may be polled.
    pub(super) fn entry(&mut self, job_id: &JobId, now: Moment) -> (&mut JobEntry, Moment) {
        self.prune(now);
        let entry = self.jobs.entry(job_id.clone()).or_default();
        let free_at = entry.free_at(now);
        (entry, free_at)
    }

    pub(super) fn get_mut(&mut self, job_id: &JobId) -> Option<&mut JobEntry> {
        self.jobs.get_mut(job_id).map(|entry| &mut **entry)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Makes a job due at this moment.
    pub(super) fn schedule(&mut self, job_id: &JobId, then: Moment) {
        if let Some(entry) = self.jobs.get_mut(job_id)
            && entry.due != Some(then)
        {
            entry.due = Some(then);
            self.due.push(Reverse((then, job_id.clone())));
        }
    }

    /// Makes a job due at this moment, unless it is due earlier or a poll of it is on its way.
    pub(super) fn schedule_at_latest(&mut self, job_id: &JobId, then: Moment) {
        if let Some(entry) = self.jobs.get(job_id)
            && !entry.polling
        {
            let then = entry.due.map_or(then, |due| due.min(then));
            self.schedule(job_id, then);
        }
    }

    /// Whether the task sleeps longer than the first job on the heap allows.
    pub(super) fn is_due_earlier(&self) -> bool {
        let first = self.due.peek().map(|Reverse((then, _))| *then);
        first.is_some_and(|first| self.sleeps_until.is_none_or(|until| first < until))
    }

    pub(super) fn begin_driving(&mut self) {
        self.driven = true;
        self.sleeps_until = None;
    }

    /// The task is gone. Hands out the jobs, whose waiters are to be dropped without a lock.
    pub(super) fn end_driving(&mut self) -> impl Sized + use<> {
        self.driven = false;
        self.due.clear();
        self.polling = 0;
        std::mem::take(&mut self.jobs)
    }

    /// What the task does next. `is_idle`: it has no poll of its own on its way.
    pub(super) fn take(&mut self, now: Moment, is_idle: bool, pace: &Pace) -> Next {
        self.sleeps_until = None;
        loop {
            let Some(Reverse((then, job_id))) = self.due.peek() else {
                if is_idle {
                    self.driven = false;
                    return Next::Nothing;
                }
                return Next::Full;
            };
            let (then, job_id) = (*then, job_id.clone());
            let entry = self.jobs.get_mut(&job_id).filter(|entry| entry.due == Some(then));
            let Some(entry) = entry else {
                // Left over from an earlier plan.
                self.due.pop();
                continue;
            };
            if !entry.is_wanted() {
                entry.due = None;
                self.due.pop();
                continue;
            }
            if self.polling >= SLOTS {
                return Next::Full;
            }
            let start = if then > now { Err(then) } else { pace.start(now) };
            if let Err(then) = start {
                self.sleeps_until = Some(then);
                return Next::At(then);
            }
            self.due.pop();
            self.polling += 1;
            return Next::Poll { job_id, number: entry.start_poll() };
        }
    }

    /// A poll has ended: frees its slot and its job. Whether all slots were taken.
    pub(super) fn finish(&mut self, job_id: &JobId, now: Moment) -> bool {
        let was_full = self.polling >= SLOTS;
        self.polling = self.polling.saturating_sub(1);
        if let Some(entry) = self.jobs.get_mut(job_id) {
            entry.polling = false;
            entry.last = Some(now);
            entry.due = None;
        }
        was_full
    }

    /// Forgets, now and then, jobs without a waiter whose second is over.
    fn prune(&mut self, now: Moment) {
        if self.jobs.len() <= self.prune_above.max(PRUNE_ABOVE) {
            return;
        }
        self.jobs.retain(|_, entry| entry.is_wanted() || entry.polling || entry.free_at(now) > now);
        self.prune_above = self.jobs.len() * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::clock::Clock;

    fn job(number: usize) -> JobId {
        JobId::from_caller(&format!("j{number}")).unwrap()
    }

    fn poll(number: usize, which: u32) -> Next {
        Next::Poll { job_id: job(number), number: which }
    }

    /// A queue, a pace without a limit, and the moment at which the test begins.
    fn begin() -> (JobQueue, Pace, Moment) {
        (JobQueue::default(), Pace::default(), Clock::new(1).now())
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn look_polls_at_once_and_the_next_one_a_second_later() {
        let (mut queue, pace, now) = begin();
        assert_eq!(queue.start_look(&job(1), now, &pace).ok(), Some(1));
        // Another caller joins the poll that is on its way, and makes none.
        let joined = queue.start_look(&job(1), now, &pace).unwrap_err();
        assert_eq!(queue.take(now, true, &pace), Next::Nothing);
        queue.finish(&job(1), now);
        assert_eq!(queue.get_mut(&job(1)).unwrap().looks.len(), 1);
        drop(joined);
        // Within the second a caller waits for its end.
        let later = now.after(seconds(1) / 2);
        let waits = queue.start_look(&job(1), later, &pace).unwrap_err();
        assert_eq!(queue.get_mut(&job(1)).unwrap().looks.len(), 1, "the caller that has gone is removed");
        assert_eq!(queue.take(later, true, &pace), Next::At(now.after(seconds(1))));
        assert_eq!(queue.take(now.after(seconds(1)), true, &pace), poll(1, 2));
        drop(waits);
    }

    #[test]
    fn job_that_a_caller_polls_is_not_polled_by_the_task_too() {
        let (mut queue, pace, now) = begin();
        let (entry, _) = queue.entry(&job(1), now);
        let (sender, receiver) = oneshot::channel();
        entry.looks.push(sender);
        queue.schedule(&job(1), now.after(seconds(5)));
        assert_eq!(queue.start_look(&job(1), now.after(seconds(4)), &pace).ok(), Some(1));
        // Its moment comes while the answer is on its way.
        assert_eq!(queue.take(now.after(seconds(5)), false, &pace), Next::Full);
        drop(receiver);
    }

    #[test]
    fn polls_take_eight_slots_at_most() {
        let (mut queue, pace, now) = begin();
        let waits: Vec<_> = (0..10)
            .map(|number| {
                let (entry, _) = queue.entry(&job(number), now);
                let (sender, receiver) = oneshot::channel();
                entry.looks.push(sender);
                queue.schedule(&job(number), now);
                receiver
            })
            .collect();
        for number in 0..SLOTS {
            assert_eq!(queue.take(now, number == 0, &pace), poll(number, 1));
        }
        assert_eq!(queue.take(now, false, &pace), Next::Full);
        assert!(queue.finish(&job(3), now));
        assert_eq!(queue.take(now, false, &pace), poll(8, 1));
        assert_eq!(queue.take(now, false, &pace), Next::Full);
        drop(waits);
    }

    #[test]
    fn jobs_are_taken_in_the_order_in_which_they_are_due() {
        let (mut queue, pace, now) = begin();
        let mut waits = Vec::new();
        for (number, after) in [(1, 30), (2, 10), (3, 20)] {
            let (entry, _) = queue.entry(&job(number), now);
            let (sender, receiver) = oneshot::channel();
            entry.looks.push(sender);
            waits.push(receiver);
            queue.schedule(&job(number), now.after(seconds(after)));
        }
        assert!(queue.is_due_earlier(), "the task knows of nothing yet");
        assert_eq!(queue.take(now, true, &pace), Next::At(now.after(seconds(10))));
        assert!(!queue.is_due_earlier());
        // A job that is due earlier than before wakes the task; its old element on the heap does not count.
        queue.schedule_at_latest(&job(1), now.after(seconds(5)));
        queue.schedule_at_latest(&job(1), now.after(seconds(7)));
        assert!(queue.is_due_earlier());
        let then = now.after(seconds(60));
        assert_eq!(queue.take(then, true, &pace), poll(1, 1));
        assert_eq!(queue.take(then, false, &pace), poll(2, 1));
        assert_eq!(queue.take(then, false, &pace), poll(3, 1));
        assert_eq!(queue.take(then, false, &pace), Next::Full);
        // No caller is left: the elements of the heap are thrown away, and the task ends.
        for number in 1..=3 {
            queue.finish(&job(number), then);
            queue.schedule(&job(number), then);
            queue.get_mut(&job(number)).unwrap().looks.clear();
        }
        assert_eq!(queue.take(then, true, &pace), Next::Nothing);
        assert!(!queue.driven);
    }

    #[test]
    fn pace_that_the_service_asked_for_holds_back_every_job() {
        let (mut queue, pace, now) = begin();
        pace.limited(now, now, seconds(20));
        let wait = queue.start_look(&job(1), now, &pace).unwrap_err();
        let Next::At(then) = queue.take(now, true, &pace) else {
            panic!("a poll against the service's word")
        };
        assert!(then >= now.after(seconds(20)));
        assert_eq!(queue.take(then, true, &pace), poll(1, 1));
        drop(wait);
    }

    #[test]
    fn jobs_without_a_waiter_are_forgotten() {
        let (mut queue, pace, now) = begin();
        for number in 0..=PRUNE_ABOVE {
            assert!(queue.start_look(&job(number), now, &pace).is_ok());
            queue.finish(&job(number), now);
        }
        assert_eq!(queue.jobs.len(), PRUNE_ABOVE + 1);
        let later = now.after(seconds(2));
        assert!(queue.start_look(&job(0), later, &pace).is_ok());
        assert_eq!(queue.jobs.len(), 1);
    }
}
