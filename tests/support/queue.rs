//! Queues and their events, as a program uses them.

use std::ffi::c_void;
use std::os::fd::RawFd;
use std::ptr;

use serde_json::Value;

use super::api::{Client, Error, Handle, Opaque, Request, borrowed, c, call, functions, parse, read_error};

pub const FINISHED: i32 = 0;
pub const PROGRESS: i32 = 1;
pub const LOG: i32 = 2;

/// A queue. Its functions may be called from many threads.
pub struct Queue(pub Handle);
unsafe impl Send for Queue {}
unsafe impl Sync for Queue {}

/// An event that came out, read and freed.
#[derive(Debug)]
pub struct Event {
    pub tag: u64,
    pub kind: i32,
    pub end: Result<(), Error>,
    pub json: String,
}

/// An event that the test frees.
pub struct Held(Opaque);

impl Held {
    /// The program has what is in it.
    pub fn free(self) -> Event {
        Event::of(self.0, functions().perceptis_event_free)
    }

    /// The program does not get it.
    pub fn discard(self) -> Event {
        Event::of(self.0, functions().perceptis_event_discard)
    }
}

impl Event {
    /// Reads an event and frees it.
    fn of(event: Opaque, free: unsafe extern "C" fn(Opaque)) -> Event {
        let api = functions();
        unsafe {
            let (error, code) = ((api.perceptis_event_error)(event), (api.perceptis_event_code)(event));
            let json = borrowed((api.perceptis_event_json)(event));
            let end = if error.is_null() { Ok(()) } else { Err(read_error(error)) };
            let name = borrowed((api.perceptis_code_name)(code));
            assert_eq!(end.as_ref().map_or_else(|error| error.code.as_str(), |()| "OK"), name);
            let read = Event {
                tag: (api.perceptis_event_tag)(event),
                kind: (api.perceptis_event_kind)(event),
                end,
                json,
            };
            free(event);
            read
        }
    }

    /// The code's name.
    pub fn code(&self) -> &str {
        self.end.as_ref().map_or_else(|error| error.code.as_str(), |()| "OK")
    }

    pub fn value(&self) -> Value {
        parse(&self.json)
    }

    pub fn error(&self) -> &Error {
        self.end.as_ref().unwrap_err()
    }
}

impl Queue {
    pub fn new() -> Queue {
        let api = functions();
        let mut queue = ptr::dangling_mut::<c_void>();
        call(|error| unsafe { (api.perceptis_queue_new)(&raw mut queue, error) }).unwrap();
        Queue(Handle(queue, api.perceptis_queue_free))
    }

    pub fn fd(&self) -> RawFd {
        unsafe { (functions().perceptis_queue_fd)(self.0.0) }
    }

    /// Takes up to `capacity` events.
    pub fn take(&self, capacity: usize, timeout_ms: i64) -> Result<Vec<Event>, Error> {
        let events = self.take_held(capacity, timeout_ms)?;
        Ok(events.into_iter().map(Held::free).collect())
    }

    /// The same, not freed.
    pub fn take_held(&self, capacity: usize, timeout_ms: i64) -> Result<Vec<Held>, Error> {
        let mut events: Vec<Opaque> = vec![ptr::dangling_mut::<c_void>(); capacity];
        let mut taken = usize::MAX;
        let end = call(|error| unsafe {
            let take = functions().perceptis_queue_take;
            take(self.0.0, events.as_mut_ptr(), capacity, timeout_ms, &raw mut taken, error)
        });
        assert!(taken <= capacity);
        assert!(end.is_ok() || taken == 0);
        events.truncate(taken);
        end.map(|()| events.into_iter().map(Held).collect())
    }

    /// The next event, waited for.
    pub fn next(&self) -> Event {
        self.take(1, -1).unwrap().pop().unwrap()
    }

    pub fn cancel(&self, tag: u64) {
        call(|error| unsafe { (functions().perceptis_queue_cancel)(self.0.0, tag, error) }).unwrap();
    }

    pub fn close(&self) {
        call(|error| unsafe { (functions().perceptis_queue_close)(self.0.0, error) }).unwrap();
    }

    pub fn set_wakeup(&self, wakeup: Option<unsafe extern "C" fn(Opaque)>, user: Opaque) {
        let set = functions().perceptis_queue_set_wakeup;
        call(|error| unsafe { set(self.0.0, wakeup, user, error) }).unwrap();
    }

    pub fn run(
        &self,
        client: &Client,
        request: &Request,
        pairs: &[(&str, &str)],
        tag: u64,
    ) -> Result<(), Error> {
        self.request(functions().perceptis_run_async, client, request, pairs, tag)
    }

    pub fn generate(
        &self,
        client: &Client,
        request: &Request,
        pairs: &[(&str, &str)],
        tag: u64,
    ) -> Result<(), Error> {
        self.request(functions().perceptis_generate_async, client, request, pairs, tag)
    }

    pub fn wait(&self, client: &Client, job_id: &str, pairs: &[(&str, &str)], tag: u64) -> Result<(), Error> {
        self.about(functions().perceptis_wait_async, client, job_id, pairs, tag)
    }

    pub fn get_status(&self, client: &Client, job_id: &str, tag: u64) -> Result<(), Error> {
        self.get_status_with(client, job_id, &[], tag)
    }

    pub fn get_status_with(
        &self,
        client: &Client,
        job_id: &str,
        pairs: &[(&str, &str)],
        tag: u64,
    ) -> Result<(), Error> {
        self.about(functions().perceptis_get_status_async, client, job_id, pairs, tag)
    }

    pub fn download(
        &self,
        client: &Client,
        job_id: &str,
        pairs: &[(&str, &str)],
        tag: u64,
    ) -> Result<(), Error> {
        self.about(functions().perceptis_download_async, client, job_id, pairs, tag)
    }

    fn request(
        &self,
        function: unsafe extern "C" fn(Opaque, Opaque, Opaque, Opaque, u64, *mut Opaque) -> i32,
        client: &Client,
        request: &Request,
        pairs: &[(&str, &str)],
        tag: u64,
    ) -> Result<(), Error> {
        let options = client.options(pairs)?;
        call(|error| unsafe { function(client.0.0, request.0.0, options.0, self.0.0, tag, error) })
    }

    fn about(
        &self,
        function: unsafe extern "C" fn(
            Opaque,
            *const std::ffi::c_char,
            Opaque,
            Opaque,
            u64,
            *mut Opaque,
        ) -> i32,
        client: &Client,
        job_id: &str,
        pairs: &[(&str, &str)],
        tag: u64,
    ) -> Result<(), Error> {
        let (options, job_id) = (client.options(pairs)?, c(job_id));
        call(|error| unsafe { function(client.0.0, job_id.as_ptr(), options.0, self.0.0, tag, error) })
    }
}
