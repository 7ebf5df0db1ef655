//! What all downloads of a client share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::activity::log::Log;
use crate::common::clock::Clock;
use crate::config::Settings;
use crate::polling::Poller;
use crate::retry::Retrier;
use crate::submission::unsettled::Unsettled;
use crate::transport::Transport;

/// Files on their way at once.
pub(crate) const DOWNLOADS_AT_ONCE: usize = 4;
/// Finds or fetches the files of jobs.
#[derive(Debug)]
pub(crate) struct Downloader {
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) transport: Arc<Transport>,
    pub(crate) retrier: Arc<Retrier>,
    pub(crate) poller: Poller,
    pub(crate) unsettled: Arc<Unsettled>,
    /// One permit for each file on its way.
    pub(crate) downloads: Semaphore,
}
