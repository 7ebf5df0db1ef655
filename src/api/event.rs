//! Events: the exported functions.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use perceptis_core::{End, Receipt};

use crate::boundary::arguments::readable;
use crate::boundary::code::perceptis_code;
use crate::boundary::error::{self, perceptis_error};
use crate::boundary::guard;
use crate::boundary::handle::{Handle, Kind, Lent};
use crate::boundary::text::c_text;
use crate::events::completion_queue::Taken;

/// The kind of an event: one of `PERCEPTIS_EVENT_*`. New kinds get new numbers, so a program must
/// accept kinds that it does not know. Since 0.2.
pub type perceptis_event_type = i32;

/// A call has ended. There is exactly one such event for each call that was accepted, and its tag is
/// free from now on.
pub const PERCEPTIS_EVENT_FINISHED: perceptis_event_type = 0;
/// A call made with the option `progress` has come further.
pub const PERCEPTIS_EVENT_PROGRESS: perceptis_event_type = 1;
/// A record of the log.
pub const PERCEPTIS_EVENT_LOG: perceptis_event_type = 2;

/// An event that came out of a queue. It never changes. Any thread may read it, and it may be moved
/// from one thread to another. Since 0.2.
pub struct perceptis_event {
    tag: u64,
    kind: perceptis_event_type,
    json: CString,
    error: Option<Lent<perceptis_error>>,
    /// Signed when the program frees the event: it has the end then.
    receipt: Option<Receipt>,
}

impl Handle for perceptis_event {
    const KIND: Kind = Kind::Event;
}

impl From<Taken> for perceptis_event {
    fn from(taken: Taken) -> perceptis_event {
        let event_of = |tag, kind, json: &str| perceptis_event {
            tag,
            kind,
            json: c_text(json),
            error: None,
            receipt: None,
        };
        match taken {
            Taken::End(tag, End { outcome, receipt }) => {
                let (json, error) = match outcome {
                    Ok(json) => (json, None),
                    Err(failure) => {
                        let error = perceptis_error::from(&failure.error);
                        (failure.result.unwrap_or_default(), Some(Lent::new(Kind::EventError, error)))
                    }
                };
                let mut event = event_of(tag, PERCEPTIS_EVENT_FINISHED, &json);
                event.error = error;
                event.receipt = receipt;
                event
            }
            Taken::Progress(tag, operation) => {
                let activity = serde_json::to_string(&operation.tracker().activity());
                event_of(tag, PERCEPTIS_EVENT_PROGRESS, &activity.unwrap_or_else(|_| "{}".into()))
            }
            Taken::LogRecord(json) => event_of(0, PERCEPTIS_EVENT_LOG, &json),
            Taken::DroppedRecords(count) => {
                event_of(0, PERCEPTIS_EVENT_LOG, &format!("{{\"dropped\":{count}}}"))
            }
        }
    }
}

/// The tag that the call was made with; 0 of a record of the log.
///
/// Of NULL: 0. Any thread; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_event_tag(event: *const perceptis_event) -> u64 {
    readable(event).map_or(0, |event| event.tag)
}

/// The kind of the event: `PERCEPTIS_EVENT_FINISHED`, `_PROGRESS` or `_LOG`.
///
/// Of NULL: -1. Any thread; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_event_kind(event: *const perceptis_event) -> perceptis_event_type {
    readable(event).map_or(-1, |event| event.kind)
}

/// How the call has ended: what the form that blocks would have returned. `PERCEPTIS_OK` of all
/// other events.
///
/// Of NULL: `PERCEPTIS_OK`. Any thread; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_event_code(event: *const perceptis_event) -> perceptis_code {
    error::perceptis_error_code(perceptis_event_error(event))
}

/// The JSON of the event; "" where there is none. Of a call that has ended: what the form that
/// blocks would have returned, with `PERCEPTIS_OK` and with `PERCEPTIS_INCOMPLETE`. Of progress:
/// where the call stands, as an entry of `perceptis_client_activity`. Of the log: a record, or
/// `{"dropped"}` with the number of records that were dropped because the program did not take them.
///
/// Borrowed from the event; of NULL: "". Any thread; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_event_json(event: *const perceptis_event) -> *const c_char {
    readable(event).map_or(c"", |event| -> &CStr { &event.json }).as_ptr()
}

/// Why the call failed; NULL where it did not.
///
/// Borrowed from the event, not to be freed; of NULL: NULL. Any thread; does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_event_error(event: *const perceptis_event) -> *const perceptis_error {
    readable(event).and_then(|event| event.error.as_ref()).map_or(ptr::null(), Lent::as_ptr)
}

/// Frees an event, and what is borrowed from it. NULL is accepted.
///
/// A program frees a final event once it has stored the end: from then on the ledger counts the end
/// as given. A program that dies before finds the job again when it makes the same call. Any thread;
/// does not block. Since 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_event_free(event: *mut perceptis_event) {
    guard::free(event, |event| event.receipt.into_iter().for_each(Receipt::sign));
}

/// Frees a final event whose end the program does not store: its `await` was cancelled, its callback
/// is gone, Ctrl-C came in between. The ledger does not count the end as given, so that an equal
/// call continues the submission and does not buy a second job. Of other events: as
/// `perceptis_event_free`. NULL is accepted.
///
/// Any thread; does not block. Since 0.3.
#[unsafe(no_mangle)]
pub extern "C" fn perceptis_event_discard(event: *mut perceptis_event) {
    guard::free(event, drop);
}
