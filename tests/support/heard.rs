//! What a client's log tells, for tests that wait for something that shows nowhere else.

use std::ffi::{c_char, c_void};
use std::sync::{Condvar, Mutex};

use serde_json::Value;

use super::api::{Client, borrowed};

/// The records of a client's log. It outlives the client.
#[derive(Default)]
pub struct Heard {
    records: Mutex<Vec<Value>>,
    more: Condvar,
}

unsafe extern "C" fn hear(user: *mut c_void, record: *const c_char) {
    // SAFETY: `Heard::client` gave it, and it is there until the client is closed.
    let heard = unsafe { &*user.cast::<Heard>() };
    heard.records.lock().unwrap().push(serde_json::from_str(&borrowed(record)).unwrap());
    heard.more.notify_all();
}

impl Heard {
    /// A client that tells everything here. It has to be closed before this goes.
    pub fn client(&self, pairs: &[(&str, &str)]) -> Client {
        let mut all = vec![("log_level", "debug")];
        all.extend_from_slice(pairs);
        Client::with_log(&all, Some(hear), std::ptr::from_ref(self).cast_mut().cast()).unwrap()
    }

    /// Waits until so many records of this event have come, and returns them.
    pub fn wait_for(&self, event: &str, count: usize) -> Vec<Value> {
        let of_event = |records: &[Value]| -> Vec<Value> {
            records.iter().filter(|record| record["event"] == event).cloned().collect()
        };
        let records = self.records.lock().unwrap();
        let records = self.more.wait_while(records, |records| of_event(records).len() < count).unwrap();
        of_event(&records)
    }
}
