//! Many cases on a few threads.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// By the wall's clock. Most take a second or two; what does not end in this does not end.
const LONGEST: Duration = Duration::from_secs(600);

/// Does this to each, on so many threads; what it returned. A panic is one of the things that can be wrong. What does
/// not end can't be stopped either: the process says which it was, and ends.
pub fn at_once<T: Sync + std::fmt::Debug>(
    all: Vec<T>,
    threads: usize,
    work: impl Fn(&T) -> Option<String> + Sync,
) -> Vec<String> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let running: Mutex<BTreeMap<usize, Instant>> = Mutex::default();
    let ended = Condvar::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(all.len()))
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(one) = all.get(at) else { break };
                        running.lock().unwrap().insert(at, Instant::now());
                        let wrong = catch_unwind(AssertUnwindSafe(|| work(one)))
                            .unwrap_or_else(|panic| Some(format!("{one:?} panicked: {}", text_of(&*panic))));
                        found.lock().unwrap().extend(wrong);
                        running.lock().unwrap().remove(&at);
                    }
                    ended.notify_all();
                })
            })
            .collect();
        let mut still = running.lock().unwrap();
        while workers.iter().any(|worker| !worker.is_finished()) {
            if let Some((at, _)) = still.iter().find(|(_, since)| since.elapsed() > LONGEST) {
                // Past what the test harness would keep to itself.
                let _ = writeln!(std::io::stderr(), "does not end: {:?}", all[*at]);
                std::process::exit(101);
            }
            still = ended.wait_timeout(still, Duration::from_millis(100)).unwrap().0;
        }
    });
    found.into_inner().unwrap()
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
