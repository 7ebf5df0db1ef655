//! When a job is asked about: by its age, and by what is known of how long jobs take.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::clock::{Clock, Moment};
use crate::common::jitter::Jitter;
use crate::common::runtime::RuntimeHandle;
use crate::common::sync::lock;
use crate::config::Settings;
use crate::ledger::Ledger;
use crate::model::figure::{Figure, Product};
use crate::model::job_id::JobId;
use crate::polling::estimate::{Estimates, Keep};
use crate::polling::schedule::Schedule;

/// How many of its own jobs a client remembers; then the older half goes.
const REMEMBERED_JOBS: usize = 10_000;

/// What the client knows of a job because it submitted it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnJob {
    pub(crate) submitted: Moment,
    pub(crate) variants: u32,
    pub(crate) product: Product,
    /// Whether `submitted` is known, and not only that it is past.
    pub(crate) is_dated: bool,
}

/// The client's own jobs, and what it has learned of how long jobs take.
#[derive(Debug)]
pub(crate) struct Timing {
    pub(crate) clock: Clock,
    pub(super) jitter: Arc<Jitter>,
    pub(super) estimates: Arc<Estimates>,
    poll_first: Duration,
    poll_max: Duration,
    home: RuntimeHandle,
    ledger: Arc<dyn Ledger>,
    /// Whether the ledger was asked what earlier processes have learned.
    recalled: AtomicBool,
    own: Mutex<HashMap<JobId, OwnJob>>,
}

impl Timing {
    pub(crate) fn new(
        settings: &Settings,
        clock: Clock,
        jitter: Arc<Jitter>,
        home: RuntimeHandle,
        ledger: Arc<dyn Ledger>,
    ) -> Timing {
        let keeper: Arc<dyn Keep> = Arc::new(Keeper(Arc::clone(&ledger)));
        Timing {
            clock,
            jitter,
            estimates: Arc::new(Estimates::new(Some(keeper))),
            poll_first: settings.poll_first,
            poll_max: settings.poll_max,
            home,
            ledger,
            recalled: AtomicBool::new(false),
            own: Mutex::default(),
        }
    }

    /// The distances between the polls of a job.
    pub(super) fn schedule(&self) -> Schedule {
        Schedule::new(self.poll_first, self.poll_max)
    }

    pub(crate) fn remember(&self, job_id: &JobId, job: OwnJob) {
        let mut own = lock(&self.own);
        own.insert(job_id.clone(), job);
        if own.len() > REMEMBERED_JOBS {
            let mut submitted: Vec<Moment> = own.values().map(|job| job.submitted).collect();
            let (_, middle, _) = submitted.select_nth_unstable(REMEMBERED_JOBS / 2);
            let middle = *middle;
            own.retain(|id, job| job.submitted > middle || id == job_id);
        }
    }

    /// Asks the ledger once what earlier processes have learned; what it says counts from when it comes. If
    /// it can't be asked, nothing was learned.
    pub(crate) fn recall(&self) {
        if self.recalled.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(runtime) = self.home.handle() else { return };
        let (kept, estimates, clock) = (self.ledger.figures(), Arc::clone(&self.estimates), self.clock);
        runtime.spawn(async move {
            if let Ok(kept) = kept.await {
                estimates.recall(&kept, clock.now().uptime());
            }
        });
    }

    pub(crate) fn own_job(&self, job_id: &JobId) -> Option<OwnJob> {
        lock(&self.own).get(job_id).copied()
    }
}

/// Keeps in the ledger what is learned of how long jobs take.
#[derive(Debug)]
struct Keeper(Arc<dyn Ledger>);

impl Keep for Keeper {
    fn keep(&self, figures: Vec<Figure>) {
        self.0.keep_figures(figures);
    }
}
