//! The client: what its operations share.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::activity::log::{Log, Sink};
use crate::activity::tracker::Tracker;
use crate::api::status::StatusApi;
use crate::common::blocking::abandon;
use crate::common::clock::{Clock, Moment, Stopwatch};
use crate::common::jitter::Jitter;
use crate::common::runtime::{RuntimeHandle, Spawn};
use crate::config::Settings;
use crate::download::downloader::{DOWNLOADS_AT_ONCE, Downloader};
use crate::error::{Error, Failure, Kind};
use crate::ledger::{self, Ledger};
use crate::polling::timing::Timing;
use crate::polling::{Poller, SLOTS};
use crate::retry::Retrier;
use crate::retry::rate_limit::RateLimiter;
use crate::submission::service_date::ServiceDate;
use crate::submission::submitter::{BEGINNINGS_AT_ONCE, Submitter};
use crate::submission::unsettled::Unsettled;
use crate::transport::Transport;

/// How long an operation may take where the caller does not say.
pub(crate) mod default_deadline {
    use std::time::Duration;

    pub(crate) const STATUS: Duration = Duration::from_secs(60);
    pub(crate) const GENERATE: Duration = Duration::from_secs(10 * 60);
    /// Above the documented maxima of 7 and 15 minutes, with room for queueing.
    pub(crate) const SLIDE: Duration = Duration::from_secs(30 * 60);
    pub(crate) const DECK: Duration = Duration::from_secs(45 * 60);
    pub(crate) const DOWNLOAD: Duration = Duration::from_secs(60 * 60);
    /// `jobs` and `forget`, which ask the ledger alone. In the wall's time: disks do not run faster.
    pub(crate) const LEDGER: Duration = Duration::from_secs(30);
}

/// What a client gets of the program around it.
#[derive(Debug, Default)]
pub struct ClientHooks {
    /// Who takes its log records.
    pub sink: Option<Arc<dyn Sink>>,
    /// How the client starts a thread of its own, where a plain one would not do.
    pub spawn: Option<Spawn>,
}

/// A client of one service with one API key.
#[derive(Debug)]
pub struct Client {
    pub(crate) clock: Clock,
    pub(crate) transport: Arc<Transport>,
    pub(crate) poller: Poller,
    pub(crate) timing: Arc<Timing>,
    pub(crate) submitter: Submitter,
    pub(crate) downloader: Downloader,
    pub(crate) log: Log,
    pub(crate) home: RuntimeHandle,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) unsettled: Arc<Unsettled>,
}

impl Client {
    /// A client with these settings. Opens nothing: certificates and connections come with the first request,
    /// the ledger with the first call that can cost money.
    ///
    /// # Errors
    /// `Configuration` when the CA file can't be read.
    pub fn new(settings: Settings, surroundings: ClientHooks) -> Result<Client, Error> {
        let ClientHooks { sink, spawn } = surroundings;
        let origin = settings.origin()?.as_text();
        let ledger = ledger::open(&settings.ledger, &origin, settings.api_key()?, spawn);
        let jitter = Arc::new(Jitter::new(settings.jitter_seed)?);
        let settings = Arc::new(settings);
        let clock = Clock::new(settings.time_scale);
        let home = RuntimeHandle::default();
        let log = Log::new(sink, settings.log_level);
        let retrier = Arc::new(Retrier::new(clock, Arc::clone(&jitter), log.clone()));
        let timing = Arc::new(Timing::new(&settings, clock, jitter, home.clone(), Arc::clone(&ledger)));
        // As many as there are requests at once, and that of a call on its caller's thread.
        let most_idle = SLOTS + settings.max_concurrent_submissions + 1;
        let transport = Arc::new(Transport::new(Arc::clone(&settings), clock, home.clone(), most_idle)?);
        let api = StatusApi {
            transport: Arc::clone(&transport),
            settings: Arc::clone(&settings),
            clock,
            log: log.clone(),
        };
        let poller = Poller::new(api, Arc::clone(&timing), Arc::clone(&retrier), home.clone());
        let unsettled = Arc::new(Unsettled::new(Arc::clone(&ledger), log.clone()));
        let submitter = Submitter {
            settings: Arc::clone(&settings),
            clock,
            log: log.clone(),
            ledger: Arc::clone(&ledger),
            transport: Arc::clone(&transport),
            retrier: Arc::clone(&retrier),
            timing: Arc::clone(&timing),
            unsettled: Arc::clone(&unsettled),
            beginnings: Semaphore::new(BEGINNINGS_AT_ONCE),
            submissions: RateLimiter::new(settings.max_concurrent_submissions),
            service_date: ServiceDate::new(Arc::clone(&transport), Arc::clone(&settings), clock),
        };
        let downloader = Downloader {
            settings: Arc::clone(&settings),
            clock,
            log: log.clone(),
            transport: Arc::clone(&transport),
            retrier,
            poller: poller.clone(),
            unsettled: Arc::clone(&unsettled),
            downloads: Semaphore::new(DOWNLOADS_AT_ONCE),
        };
        Ok(Client { transport, poller, timing, submitter, downloader, home, unsettled, ledger, log, clock })
    }

    /// Names the runtime that lasts as long as the client, where operations run on others too. The first one
    /// counts.
    pub fn live_on(&self, runtime: &Handle) {
        self.home.live_on(runtime);
    }

    /// Writes what the ledger does not have yet, and waits for that on this thread, at most so long. How many
    /// steps are left; they are tried again for as long as the process lives.
    pub fn write_ledger(&self, timeout: Duration) -> usize {
        self.ledger.write_all(timeout)
    }

    /// Closes the connections that wait: nothing more will be asked.
    pub fn disconnect(&self) {
        self.transport.close();
    }

    /// Runs an operation's steps to their end, to the deadline, or until it is stopped, whichever comes
    /// first. Deadline and stop are outside, so that no await within can outlast them; the tracker knows
    /// where they struck.
    pub(crate) fn until<'a, T, R>(
        &'a self,
        deadline: Moment,
        tracker: &'a Tracker,
        steps: impl Future<Output = Result<T, Failure<R>>> + Send + 'a,
    ) -> impl Future<Output = Result<T, Failure<R>>> {
        self.whichever_first(deadline, tracker, Box::pin(steps))
    }

    /// The same, once for all operations. The steps are boxed: as they are they would be in a call's memory
    /// twice, where they are handed over and where they run.
    #[allow(clippy::manual_async_fn)] // That would keep its arguments twice, in each of thousands of calls.
    fn whichever_first<'a, T, R>(
        &'a self,
        deadline: Moment,
        tracker: &'a Tracker,
        mut steps: Pin<Box<dyn Future<Output = Result<T, Failure<R>>> + Send + 'a>>,
    ) -> impl Future<Output = Result<T, Failure<R>>> {
        async move {
            self.log.started(tracker);
            let mut ending = Ending { log: &self.log, tracker, told: false };
            let end = tokio::select! {
                biased;
                reason = tracker.stopped() => {
                    // The error says what was sent: nothing may be sent after it.
                    tracker.revoke();
                    Err(tracker.stop_error(reason).into())
                }
                result = &mut steps => result.map_err(|failure| Failure {
                    error: tracker.completed_error(failure.error),
                    result: failure.result,
                }),
                () = self.clock.sleep_until(deadline) => {
                    tracker.revoke();
                    Err(tracker.interrupted_error(Kind::Timeout, "the deadline has passed").into())
                }
            };
            if let Some(left) = abandon(steps) {
                let begun = Stopwatch::start();
                left.await;
                tracker.overran(begun.elapsed());
            }
            ending.told = true;
            self.log.finished(tracker, end.as_ref().err().map(|failure| &failure.error));
            end
        }
    }

    pub(crate) fn deadline(&self, asked: Option<Duration>, default: Duration) -> Moment {
        self.clock.now().after(asked.unwrap_or(default))
    }
}

/// Tells the log of an operation that is ended from outside, by a cancel or a close.
struct Ending<'a> {
    log: &'a Log,
    tracker: &'a Tracker,
    told: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.log.stopped(self.tracker);
        }
    }
}
