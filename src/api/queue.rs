//! Queues: the exported functions.

use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::time::Duration;

use perceptis_core::{Error, Kind};

use crate::api::event::perceptis_event;
use crate::boundary::arguments;
use crate::boundary::code::perceptis_code;
use crate::boundary::error::perceptis_error;
use crate::boundary::guard;
use crate::boundary::handle::{self, Handle};
use crate::boundary::returns;
use crate::events::completion_queue::CompletionQueue;
use crate::events::readiness::Readiness;
use crate::events::wakeup::{self, Wakeup, perceptis_release_function, perceptis_wakeup_function};
use crate::platform::process::Process;
use crate::platform::threads;

/// The longest wait for events that has an end: a week, in milliseconds.
const MAX_TAKE_MS: i64 = 7 * 24 * 3600 * 1000;

/// Where calls that do not block end: `perceptis_*_async` puts them in, `perceptis_queue_take` gives their events out.
/// For event loops, by a descriptor, and for programs with threads of their own. Calls of any number of clients may
/// share one. May be used from any number of threads at once. After a fork it belongs to the parent: in the child
/// every call answers `FORKED`, and a new queue can be made. Since 0.2.
pub struct perceptis_queue {
    process: Process,
    descriptor: c_int,
    completions: Arc<CompletionQueue>,
}

impl Handle for perceptis_queue {
    const KIND: handle::Kind = handle::Kind::Queue;
}

impl perceptis_queue {
    /// What a call keeps, so that the program may free the handle while the call runs.
    pub(crate) fn completions(&self) -> Result<Arc<CompletionQueue>, Error> {
        self.process.check("queue")?;
        Ok(Arc::clone(&self.completions))
    }
}

/// Makes a queue.
///
/// On success the caller owns `*queue` and frees it with `perceptis_queue_free`. Errors: `INVALID_ARGUMENT`,
/// `INTERNAL` (the process has no descriptors left). Any thread; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_queue_new(
    queue: *mut *mut perceptis_queue,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::clear(queue);
    returns::call(error, || {
        arguments::out("queue", queue)?;
        let readiness = Readiness::new().map_err(|error| {
            Error::new(Kind::Internal, format!("the queue's socket pair can't be made: {error}"))
        })?;
        let (process, descriptor) = (Process::current(), readiness.descriptor());
        let completions = Arc::new(CompletionQueue::new(readiness));
        returns::put(queue, || handle::new(perceptis_queue { process, descriptor, completions }));
        Ok(())
    })
}

/// A descriptor that is readable exactly while events wait, and for good once the queue is closed: for `poll`,
/// `select`, `epoll` and the event loops that stand on them. It is never to be read, written or closed. With an
/// edge-triggered `epoll`, take until fewer events come than there was room for.
///
/// Owned by the queue, and the same all its life. -1 of NULL and after a fork. Any thread; does not block. POSIX
/// only. Since 0.2.
#[cfg(not(windows))]
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_queue_fd(queue: *const perceptis_queue) -> c_int {
    let queue = arguments::readable(queue).filter(|queue| queue.process.is_current());
    queue.map_or(-1, |queue| queue.descriptor)
}

/// Sets the wakeup, for programs without an event loop that watches descriptors: `wakeup` is called with
/// `user` whenever the queue, empty before, holds an event. It is not called for events that wait already
/// when it is set. NULL takes it away. Returns after the calls in progress of the wakeups before have
/// ended, except when called from a callback: there it returns at once, and calls on other threads may go on.
///
/// Not for a runtime that runs callbacks on one thread of its own and calls this from there: it would wait
/// for itself. `perceptis_queue_set_wakeup_with_release` is for those, and where `user` has to be freed.
///
/// The wakeup is called on a thread of the library's or on one that is in a call of it, with no lock held;
/// with several clients, on several threads at once. It may call the library back, except for what blocks
/// (`WOULD_DEADLOCK`), and returns: it is not left by `longjmp`, `pthread_exit` or an exception. While it
/// runs, a client's other work waits. Errors: `INVALID_ARGUMENT`, `FORKED`. Any thread; blocks for a call in
/// progress only. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_queue_set_wakeup(
    queue: *mut perceptis_queue,
    wakeup: perceptis_wakeup_function,
    user: *mut c_void,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        let completions = arguments::handle("queue", queue)?.completions()?;
        completions.set_wakeup(Wakeup::new(wakeup, user));
        Ok(())
    })
}

/// Sets the wakeup as `perceptis_queue_set_wakeup` does, and never waits: for runtimes that run callbacks
/// on one thread of theirs, and call this from that thread, where a wait for a callback in progress would
/// never end.
///
/// Where this returns `PERCEPTIS_OK`, `release` is called with `user` exactly once, when no call of `wakeup`
/// is in progress any more and none will begin: after another wakeup was set or the queue was freed, in
/// that call, or on the thread that ends the last call of `wakeup`, and never while one is in progress. It is
/// called with no lock held, may call the library back, except for what blocks (`WOULD_DEADLOCK`), and must
/// return as `wakeup` must. A `wakeup` of NULL takes the wakeup away, and `release` is called at once.
/// `release` may be NULL.
///
/// A wakeup from `perceptis_queue_set_wakeup` that this replaces may be in a call still; that function,
/// called next, waits for it, and so does `perceptis_queue_free`. In a fork's child nothing is called.
/// Errors: `INVALID_ARGUMENT`, `FORKED`: `release` is not called then. Any thread, also in a callback; does
/// not block. Since 0.3.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_queue_set_wakeup_with_release(
    queue: *mut perceptis_queue,
    wakeup: perceptis_wakeup_function,
    user: *mut c_void,
    release: perceptis_release_function,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        let completions = arguments::handle("queue", queue)?.completions()?;
        let made = Wakeup::with_release(wakeup, user, release);
        let none = made.is_none();
        completions.set_wakeup_at_once(made);
        if none {
            wakeup::release(release, user);
        }
        Ok(())
    })
}

/// Takes up to `capacity` events into `events` and says in `*taken` how many. Where there is none it waits:
/// `timeout_ms` 0 not at all, -1 until one comes, otherwise at most so many milliseconds of the wall's time (up to a
/// week); none within the time is no error, `*taken` is 0 then. The ends of calls come first, then progress, then the
/// log. A thread that waits here is woken by an event or by `perceptis_queue_close`; neither a signal nor
/// `pthread_cancel` ends the wait.
///
/// The caller owns each event and frees it with `perceptis_event_free`. Errors: `INVALID_ARGUMENT`, `CLOSED` (the
/// queue is closed and holds no event), `FORKED`, `WOULD_DEADLOCK` (with a timeout other than 0); `*taken` is 0 with
/// all of them. Any thread, several at once; blocks as told by `timeout_ms`. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_queue_take(
    queue: *mut perceptis_queue,
    events: *mut *mut perceptis_event,
    capacity: usize,
    timeout_ms: i64,
    taken: *mut usize,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    if !taken.is_null() {
        // SAFETY: not NULL, so the caller says that a number can be written there.
        unsafe { taken.write(0) };
    }
    returns::call(error, || {
        let completions = arguments::handle("queue", queue)?.completions()?;
        arguments::out("events", events)?;
        if taken.is_null() {
            return Err(Error::invalid("argument taken is NULL").into());
        }
        if capacity == 0 {
            return Err(Error::invalid("argument capacity is 0; accepted is 1 or more").into());
        }
        let wait = match timeout_ms {
            -1 => None,
            0..=MAX_TAKE_MS => Some(Duration::from_millis(timeout_ms.unsigned_abs())),
            _ => {
                let message = format!("argument timeout_ms is {timeout_ms}; accepted is -1 to {MAX_TAKE_MS}");
                return Err(Error::invalid(message).into());
            }
        };
        if timeout_ms != 0 {
            threads::check_blocking()?;
        }
        for (at, event) in completions.take(capacity, wait)?.into_iter().enumerate() {
            let event = handle::new(perceptis_event::from(event));
            // SAFETY: the caller says that there is room for `capacity` events, and no more were taken.
            unsafe {
                events.add(at).write(event);
                taken.write(at + 1);
            }
        }
        Ok(())
    })
}

/// Stops waiting for the call with this tag; its final event comes at once, `CANCELLED` and with all that is known of
/// the job, unless it has ended by itself. The job goes on at the service, and what has arrived of a file stays as
/// `.part`: `perceptis_wait` and `perceptis_download` go on with them. Before the first byte went out nothing is
/// submitted and nothing billed.
///
/// A tag of no call, or of one that has ended or was cancelled before, is no error. Errors: `INVALID_ARGUMENT`,
/// `FORKED`. Any thread, also in a callback; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_queue_cancel(
    queue: *mut perceptis_queue,
    tag: u64,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        arguments::handle("queue", queue)?.completions()?.cancel(tag);
        Ok(())
    })
}

/// Closes a queue: a thread that waits in `perceptis_queue_take` gets `CLOSED`, and so does every later call that would put
/// something in. What runs goes on, and events can be taken still; where there is none, taking answers `CLOSED`
/// rather than wait. Closing again does nothing.
///
/// The handle stays the caller's, to be freed. Errors: `INVALID_ARGUMENT`, `FORKED`. Any thread; does not block.
/// Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_queue_close(
    queue: *mut perceptis_queue,
    error: *mut *mut perceptis_error,
) -> perceptis_code {
    returns::call(error, || {
        arguments::handle("queue", queue)?.completions()?.close();
        Ok(())
    })
}

/// Frees a queue, with the events that were not taken. Calls that run go on without an event, until they or
/// their client end: files still come to where they belong. A thread that waits in `perceptis_queue_take` gets `CLOSED`. The
/// descriptor is closed: take it out of the event loop before. NULL is accepted.
///
/// After it no call of the wakeup begins. One in progress has ended, except when this is called from a
/// callback, and except for a wakeup that was set with `perceptis_queue_set_wakeup_with_release`, whose
/// release says when: for that one this does not wait. Any thread; blocks for a call in progress only.
/// Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_queue_free(queue: *mut perceptis_queue) {
    guard::free(queue, |queue| {
        if queue.process.is_current() {
            queue.completions.free();
        } else {
            // In a fork's child the lock may be one that a thread of the parent's holds for ever, and the descriptors may
            // be closed and others by now. Nothing is touched.
            std::mem::forget(queue);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::completion_queue::Taken;

    #[test]
    fn of_the_log_a_bounded_number_waits_and_what_was_dropped_is_told() {
        let completions = CompletionQueue::new(Readiness::new().unwrap());
        for number in 0..1030 {
            completions.push_log(number.to_string());
        }
        let taken = completions.take(2000, Some(Duration::ZERO)).unwrap();
        assert_eq!(taken.len(), 1025);
        assert!(matches!(taken[0], Taken::DroppedRecords(6)));
        assert!(matches!(&taken[1], Taken::LogRecord(record) if record == "6"));
        assert!(completions.take(1, Some(Duration::ZERO)).unwrap().is_empty());
    }
}
