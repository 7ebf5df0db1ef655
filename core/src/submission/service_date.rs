//! The service's date, which says whether this machine's can be believed: `promise.md`, 4.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Mutex;

use crate::api::endpoints::status_path;
use crate::api::retry_after;
use crate::common::clock::{Clock, Moment, Stamp, unix_ms};
use crate::config::Settings;
use crate::model::job_id::JobId;
use crate::retry::CLOCK_TOLERANCE;
use crate::transport::Transport;

/// How long an answer is good for, also one that has not come. Many submissions can be in doubt at once.
const MAX_AGE: Duration = Duration::from_secs(60);
/// How exact a date in HTTP is: whole seconds (RFC 9110, 5.6.7), and the way here takes a while.
const RESOLUTION: Duration = Duration::from_secs(2);

/// The service's date as of the last minute, asked for by one call for all.
#[derive(Debug)]
pub(crate) struct ServiceDate {
    transport: Arc<Transport>,
    settings: Arc<Settings>,
    clock: Clock,
    asked: Mutex<Option<Asked>>,
}

/// What the service said, and when, by the clock that nothing sets.
#[derive(Debug)]
struct Asked {
    at: Moment,
    date: Option<SystemTime>,
}

impl ServiceDate {
    pub(crate) fn new(transport: Arc<Transport>, settings: Arc<Settings>, clock: Clock) -> ServiceDate {
        ServiceDate { transport, settings, clock, asked: Mutex::default() }
    }

    /// Whether the service confirms the date of this machine, which is all that is left of a record's age
    /// after a start of the machine.
    pub(crate) async fn confirms(&self, recorded: &Stamp) -> bool {
        let Some(date) = self.date().await else { return false };
        let date = date.duration_since(UNIX_EPOCH).unwrap_or_default();
        let here = Duration::from_millis(unix_ms());
        let tolerance = self.clock.wall(CLOCK_TOLERANCE).max(RESOLUTION);
        here.abs_diff(date) <= tolerance && Duration::from_millis(recorded.unix_ms) <= date + tolerance
    }

    async fn date(&self) -> Option<SystemTime> {
        let clock = Clock::wall_clock();
        let mut asked = self.asked.lock().await;
        let since = |asked: &Asked| clock.now().since(asked.at);
        if let Some(known) = asked.as_ref().filter(|known| since(known) < MAX_AGE) {
            return known.date.map(|date| date + since(known));
        }
        let date = self.ask_for_date().await;
        *asked = Some(Asked { at: clock.now(), date });
        date
    }

    /// Any answer has its date, and a status costs nothing.
    async fn ask_for_date(&self) -> Option<SystemTime> {
        let job_id = JobId::from_caller("date").ok()?;
        let reply =
            self.transport.call(&status_path(&job_id), None, self.settings.status_timeout).await.ok()?;
        retry_after::date(&reply.headers)
    }
}
