//! A clock that a busy machine slows down too: it counts the turns that a thread of this process got. What is
//! judged by it is never called late because the machine had no time for it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(5);

/// The ticks so far.
pub fn now() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        thread::spawn(|| {
            loop {
                thread::sleep(TICK);
                COUNT.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    COUNT.load(Ordering::Relaxed)
}

/// How many ticks a duration is at most.
pub fn of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
}

/// How long so many ticks are at least.
pub fn duration(ticks: u64) -> Duration {
    TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}
