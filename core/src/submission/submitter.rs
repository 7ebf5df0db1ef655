//! What all submissions of a client share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::activity::log::Log;
use crate::common::clock::Clock;
use crate::config::Settings;
use crate::ledger::Ledger;
use crate::polling::timing::Timing;
use crate::retry::Retrier;
use crate::retry::rate_limit::RateLimiter;
use crate::submission::service_date::ServiceDate;
use crate::submission::unsettled::Unsettled;
use crate::transport::Transport;

/// Calls that ask the ledger at once what they are about, which takes far more memory than to wait for a
/// turn. The ledger commits together what comes together, and so many are enough to make a commit cheap.
pub(crate) const BEGINNINGS_AT_ONCE: usize = 64;

/// Submits requests: once each, whatever happens.
#[derive(Debug)]
pub(crate) struct Submitter {
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) retrier: Arc<Retrier>,
    pub(crate) timing: Arc<Timing>,
    pub(crate) unsettled: Arc<Unsettled>,
    /// Where calls that cost money wait for their turn to begin.
    pub(crate) beginnings: Semaphore,
    pub(crate) submissions: RateLimiter,
    pub(crate) service_date: ServiceDate,
}
