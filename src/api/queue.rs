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

/// A queue: where calls that do not block end. `perceptis_*_async` puts calls in,
/// `perceptis_queue_take` gives their events out. It serves event loops, by its descriptor, and
/// programs with threads of their own. Calls of any number of clients may share a queue, and any
/// number of threads may use it at once. After a fork it belongs to the parent: in the child every
/// call answers `FORKED`, and the child can make a new queue. Since 0.2.
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
/// On success the caller owns `*queue` and frees it with `perceptis_queue_free`. Errors:
/// `INVALID_ARGUMENT`, `INTERNAL` (the process has no descriptors left). Any thread; does not block.
/// Since 0.2.
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

/// Takes up to `capacity` events into `events` and says in `*taken` how many. Where no event waits,
/// `timeout_ms` says how long this waits for one: 0 not at all, -1 until one comes, otherwise at
/// most so many milliseconds of the wall's time (up to a week). If none comes within the time, that
/// is no error, and `*taken` is 0. The ends of calls come first, then progress, then the log. An
/// event or `perceptis_queue_close` wakes a thread that waits here; neither a signal nor
/// `pthread_cancel` ends the wait.
///
/// The caller owns each event and frees it with `perceptis_event_free`. Errors: `INVALID_ARGUMENT`,
/// `CLOSED` (the queue is closed and holds no event), `FORKED`, `WOULD_DEADLOCK` (with a timeout
/// other than 0); `*taken` is 0 with all of them. Any thread, several at once; blocks as
/// `timeout_ms` says. Since 0.2.
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

/// The descriptor of a queue. It is readable exactly while events wait, and for good once the queue
/// is closed. It is for `poll`, `select`, `epoll` and the event loops that use them. A program must
/// never read, write or close it. With an edge-triggered `epoll`, take until fewer events come than
/// there was room for.
///
/// Owned by the queue, and the same all its life. -1 of NULL and after a fork. Any thread; does not
/// block. POSIX only. Since 0.2.
#[cfg(not(windows))]
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_queue_fd(queue: *const perceptis_queue) -> c_int {
    let queue = arguments::readable(queue).filter(|queue| queue.process.is_current());
    queue.map_or(-1, |queue| queue.descriptor)
}

/// Sets the wakeup, for programs without an event loop that watches descriptors: `wakeup` is called
/// with `user` whenever the queue, empty before, holds an event. It is not called for events that
/// wait already when it is set. NULL removes the wakeup. This function returns after the calls in
/// progress of earlier wakeups have ended. In a callback it returns at once, and calls on other
/// threads may go on.
///
/// A runtime that runs callbacks on one thread of its own must not call this function from that
/// thread: it would wait for itself. `perceptis_queue_set_wakeup_with_release` is for such runtimes,
/// and for a `user` that has to be freed.
///
/// The wakeup is called on a thread of the library's or on a thread that is in a call of the
/// library, with no lock held; with several clients, on several threads at once. It may call the
/// library back, except for what blocks (`WOULD_DEADLOCK`). It must return: it must not end by
/// `longjmp`, `pthread_exit` or an exception. While it runs, a client's other work waits. Errors:
/// `INVALID_ARGUMENT`, `FORKED`. Any thread; blocks for a call in progress only. Since 0.2.
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

/// Sets the wakeup as `perceptis_queue_set_wakeup` does, and never waits. It is for runtimes that
/// run callbacks on one thread of theirs and call this function from that thread, where a wait for a
/// callback in progress would never end.
///
/// Where this returns `PERCEPTIS_OK`, `release` is called with `user` exactly once, when no call of
/// `wakeup` is in progress any more and none will begin. That is after the program has set another
/// wakeup or freed the queue: in that call, or on the thread that ends the last call of `wakeup`.
/// `release` is called with no lock held, may call the library back, except for what blocks
/// (`WOULD_DEADLOCK`), and must return as `wakeup` must. A `wakeup` of NULL removes the wakeup, and
/// `release` is called at once. `release` may be NULL.
///
/// A wakeup from `perceptis_queue_set_wakeup` that this replaces may still be in a call. That
/// function, called next, waits for it, and so does `perceptis_queue_free`. In a fork's child
/// nothing is called. Errors: `INVALID_ARGUMENT`, `FORKED`: `release` is not called then. Any
/// thread, also in a callback; does not block. Since 0.3.
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

/// Stops the call with this tag. Its final event comes at once, `CANCELLED` and with all that is
/// known of the job, unless the call has ended by itself. The job goes on at the service, and a file
/// that has come in part stays as `.part`: `perceptis_wait` and `perceptis_download` continue with
/// them. Before the first byte was sent, nothing is submitted and nothing billed.
///
/// A tag of no call, or of a call that has ended or was cancelled before, is no error. Errors:
/// `INVALID_ARGUMENT`, `FORKED`. Any thread, also in a callback; does not block. Since 0.2.
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

/// Closes a queue: a thread that waits in `perceptis_queue_take` gets `CLOSED`, and so does every
/// later call that would put something in. Calls that run go on, and their events can still be
/// taken. Where no event waits, `perceptis_queue_take` answers `CLOSED` and does not wait. A second
/// close does nothing.
///
/// The handle stays the caller's, who frees it. Errors: `INVALID_ARGUMENT`, `FORKED`. Any thread;
/// does not block. Since 0.2.
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

/// Frees a queue, with the events that were not taken. Calls that run go on without an event, until
/// they or their client end: their files still come to their places. A thread that waits in
/// `perceptis_queue_take` gets `CLOSED`. The descriptor is closed: take it out of the event loop
/// before. NULL is accepted.
///
/// After this function has returned, no call of the wakeup begins. A call in progress has ended,
/// except when this is called from a callback, and except for a wakeup that was set with
/// `perceptis_queue_set_wakeup_with_release`: this function does not wait for that one, and its
/// release says when it is over. Any thread; blocks for a call in progress only. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_queue_free(queue: *mut perceptis_queue) {
    guard::free(queue, |queue| {
        if queue.process.is_current() {
            queue.completions.free();
        } else {
            // In a fork's child: a thread of the parent may hold the lock for ever there, and the program may
            // have closed the descriptors, whose numbers can be those of other files by now. Nothing is
            // touched.
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
