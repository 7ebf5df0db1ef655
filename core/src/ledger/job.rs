//! The work of one caller for the ledger's thread, and the way back to the caller.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use super::engine::Work;
use super::session::Session;
use super::{Row, Step};
use crate::common::clock::Stopwatch;
use crate::error::{Error, Kind};

/// What has to be recorded where no caller is there to take a result.
pub(super) type GiveBack = Option<(Row, Vec<Step>)>;

/// Records the steps that give something back.
pub(super) trait Recorder: Send + Sync {
    /// No caller waits for them.
    fn record_soon(self: Arc<Self>, row: Row, steps: Vec<Step>);

    /// A caller waits for them: the receiver is told when they are written, or are found to be of no use.
    fn record(self: Arc<Self>, row: Row, steps: Vec<Step>) -> oneshot::Receiver<Result<(), Error>>;
}

/// What came of the transaction that a job was in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Commit<'a> {
    Done,
    /// Nothing of it is on the disk.
    Failed(&'a Error),
    /// It may be on the disk all the same.
    InDoubt(&'a Error),
}

/// What a caller is given whose work may be on the disk, though its commit failed.
pub(super) type Doubt<T> = fn(T, &Error, &Arc<dyn Recorder>) -> Result<T, Error>;

/// A caller's work and the way back to it.
pub(super) trait Job: Work {
    fn work(&mut self) -> &mut dyn Work;

    /// Whether the caller still waits.
    fn is_wanted(&self) -> bool;

    fn waited(&self) -> Duration;

    /// Gives the caller what came of it.
    fn end(self: Box<Self>, commit: Commit<'_>, recorder: &Arc<dyn Recorder>);
}

/// The work of one caller, and where its result goes.
pub(super) struct Task<T, W> {
    pub(super) writes: bool,
    pub(super) work: Option<W>,
    pub(super) came: Option<Result<T, Error>>,
    pub(super) sender: oneshot::Sender<Result<T, Error>>,
    pub(super) give_back: fn(&T) -> GiveBack,
    pub(super) doubt: Doubt<T>,
    pub(super) since: Stopwatch,
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

    fn end(self: Box<Self>, commit: Commit<'_>, recorder: &Arc<dyn Recorder>) {
        let came = match (commit, self.came) {
            // Its own reason tells more than the group's.
            (_, Some(Err(error))) => Err(error),
            (Commit::InDoubt(error), Some(Ok(value))) => (self.doubt)(value, error, recorder),
            (Commit::Failed(error) | Commit::InDoubt(error), _) => Err(error.clone()),
            (Commit::Done, Some(came)) => came,
            (Commit::Done, None) => Err(Error::new(Kind::Internal, "the ledger's work was not done")),
        };
        if let Err(Ok(unclaimed)) = self.sender.send(came) {
            give_back(recorder, self.give_back, &unclaimed);
        }
    }
}

fn give_back<T>(recorder: &Arc<dyn Recorder>, how: fn(&T) -> GiveBack, value: &T) {
    if let Some((row, steps)) = how(value) {
        Arc::clone(recorder).record_soon(row, steps);
    }
}

/// What a caller waits on. Dropped before it is ready, the work is not begun, or its result is given back.
pub(super) struct Answer<T> {
    pub(super) receiver: oneshot::Receiver<Result<T, Error>>,
    pub(super) give_back: fn(&T) -> GiveBack,
    pub(super) recorder: Arc<dyn Recorder>,
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
            give_back(&self.recorder, self.give_back, &unclaimed);
        }
    }
}
