//! A client's log: what it tells, to whom, and when it is silent.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The callbacks get what this file gave for them.
#![allow(clippy::undocumented_unsafe_blocks)]

mod support;

use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};

use serde_json::Value;
use support::api::{self, Client, Request};
use support::deck::deck;
use support::queue::{LOG, Queue};
use support::script::{Answer, Server, accepted, status};

const STATUS: &str = "/api/v1/status/j1";

/// What a callback was told, and whether it may return.
#[derive(Default)]
struct Told {
    records: Mutex<Vec<Value>>,
    inside: AtomicU32,
    held: AtomicBool,
    entered: (Mutex<bool>, Condvar),
}

unsafe extern "C" fn hear(user: *mut c_void, record: *const c_char) {
    let told = unsafe { &*user.cast::<Told>() };
    assert_eq!(told.inside.fetch_add(1, Ordering::SeqCst), 0, "two calls at once");
    *told.entered.0.lock().unwrap() = true;
    told.entered.1.notify_all();
    while told.held.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    told.records.lock().unwrap().push(serde_json::from_str(&api::borrowed(record)).unwrap());
    told.inside.fetch_sub(1, Ordering::SeqCst);
}

impl Told {
    fn client(&self, server: &Server, pairs: &[(&str, &str)]) -> Client {
        let mut all =
            vec![("api_key", "sk-test-secret"), ("api_base_url", &*server.base_url), ("time_scale", "200")];
        all.extend_from_slice(pairs);
        Client::with_log(&all, Some(hear), std::ptr::from_ref(self).cast_mut().cast()).unwrap()
    }

    fn events(&self) -> Vec<String> {
        self.records.lock().unwrap().iter().map(|record| record["event"].as_str().unwrap().into()).collect()
    }

    fn wait_until_called(&self) {
        let entered = self.entered.0.lock().unwrap();
        drop(self.entered.1.wait_while(entered, |entered| !*entered).unwrap());
    }
}

/// A run that stumbles twice.
fn stumbling() -> (Server, tempfile::TempDir) {
    let server = Server::start();
    server.on("/api/v1/generate", Answer::error(503, "down").with("Retry-After", "2"));
    server.on(STATUS, Answer::Drop);
    server.job(&["/f?signature=s3cr3t"]).on("/f?signature=s3cr3t", Answer::file(&deck("one")));
    (server, tempfile::tempdir().unwrap())
}

/// A seed is for tests that are played again; it makes no idempotency key.
#[test]
fn waits_of_one_jitter_seed_are_the_same_each_time() {
    let waits = |seed: &str| {
        let server = Server::start();
        for _ in 0..8 {
            server.on("/api/v1/generate", Answer::error(500, "internal"));
        }
        server.on("/api/v1/generate", accepted());
        let told = Told::default();
        let client = told.client(&server, &[("jitter_seed", seed), ("time_scale", "1000")]);
        // Longer than all waits together, so that no deadline strikes.
        let result = client.generate(&Request::deck(), &[("timeout_ms", "36000000")]).unwrap();
        client.close(10_000).unwrap();
        let records = told.records.lock().unwrap();
        let waits: Vec<u64> = records
            .iter()
            .filter(|record| record["event"] == "retrying")
            .map(|record| record["wait_ms"].as_u64().unwrap())
            .collect();
        assert_eq!(waits.len(), 8, "{records:?}");
        (waits, result["idempotency_key"].as_str().unwrap().to_owned())
    };
    let [one, again, other] = ["17", "17", "18"].map(waits);
    assert_eq!(one.0, again.0);
    assert_ne!(one.0, other.0);
    assert_ne!(one.1, again.1, "a seed makes no key");
}

#[test]
fn a_run_is_told_as_it_goes() {
    let (server, directory) = stumbling();
    let told = Told::default();
    let client = told.client(&server, &[("log_level", "debug")]);
    let options = [("directory", directory.path().to_str().unwrap()), ("idempotency_key", "order-1")];
    client.run(&Request::deck(), &options).unwrap();
    client.close(10_000).unwrap();
    assert_eq!(
        told.events(),
        [
            "started",
            "request",
            "outcome unknown",
            "retrying",
            "request",
            "request",
            "poll failed",
            "request",
            "status",
            "request",
            "status",
            "request",
            "finished",
        ]
    );
    let records = told.records.lock().unwrap();
    let requests: Vec<_> = records.iter().filter(|record| record["event"] == "request").collect();
    let told: Vec<_> = (requests.iter())
        .map(|record| {
            let text = |name: &str| record[name].as_str().unwrap().to_owned();
            (text("request"), record["attempt"].as_u64().unwrap(), text("outcome"))
        })
        .collect();
    let expected = [
        ("generate", 1, "failed"),
        ("generate", 2, "answered"),
        ("status", 1, "no answer"),
        ("status", 2, "answered"),
        ("status", 3, "answered"),
        ("download", 1, "answered"),
    ];
    assert_eq!(told, expected.map(|(request, attempt, outcome)| (request.into(), attempt, outcome.into())));
    assert_eq!(requests[0]["http_status"], 503);
    assert!(requests.iter().all(|record| record["took_ms"].is_u64() && record["level"] == "debug"));
    assert!(records.iter().all(|record| record["unix_ms"].as_u64() > Some(1_700_000_000_000)));
    let retrying = &records[3];
    assert!(retrying["wait_ms"].as_u64() >= Some(2_000) && retrying["level"] == "warning", "{retrying}");
    assert_eq!(retrying["idempotency_key"], "order-1");
    let finished = records.last().unwrap();
    assert_eq!((&finished["job_id"], &finished["operation"]), (&"j1".into(), &"run".into()));
    let all = serde_json::to_string(&*records).unwrap();
    assert!(
        !all.contains("sk-test-secret") && !all.contains("s3cr3t") && !all.contains("signature"),
        "{all}"
    );
}

#[test]
fn levels_leave_out_what_matters_less() {
    for (level, least) in [("error", 0), ("warning", 3), ("info", 7)] {
        let (server, directory) = stumbling();
        let told = Told::default();
        let client = told.client(&server, &[("log_level", level)]);
        client.run(&Request::deck(), &[("directory", directory.path().to_str().unwrap())]).unwrap();
        client.close(10_000).unwrap();
        assert_eq!(told.events().len(), least, "{level}: {:?}", told.events());
    }
    let server = Server::start();
    server.on("/api/v1/generate", Answer::error(401, "unauthorized"));
    let told = Told::default();
    let client = told.client(&server, &[("log_level", "error")]);
    client.generate(&Request::deck(), &[]).unwrap_err();
    client.close(10_000).unwrap();
    let failed = told.records.lock().unwrap()[0].clone();
    let expected = ["failed", "UNAUTHENTICATED", "no"];
    assert_eq!(["event", "code", "billed"].map(|name| failed[name].as_str().unwrap()), expected);
    let error = Client::new(&[("api_key", "sk-1"), ("log_level", "loud")]).map(|_| ()).unwrap_err();
    assert!(error.message.contains("error, warning, info, debug"), "{error:?}");
}

static ASKED: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static REFUSED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Does what a callback may not do.
unsafe extern "C" fn call_back(_: *mut c_void, _: *const c_char) {
    let client = ASKED.load(Ordering::SeqCst);
    let job_id = api::c("j1");
    let mut refused = REFUSED.lock().unwrap();
    let functions = api::functions();
    let status = api::call_for_text(|text, error| unsafe {
        (functions.perceptis_get_status)(client, job_id.as_ptr(), std::ptr::null_mut(), text, error)
    });
    refused.push(status.unwrap_err().code);
    let closed = api::call(|error| unsafe { (functions.perceptis_client_close)(client, 1000, error) });
    refused.push(closed.unwrap_err().code);
}

#[test]
fn a_callback_can_not_wait_for_itself() {
    let server = Server::start();
    server.on(STATUS, status("pending", "[]"));
    let pairs = [("api_key", "sk-1"), ("api_base_url", &*server.base_url)];
    let client = Client::with_log(&pairs, Some(call_back), std::ptr::null_mut()).unwrap();
    ASKED.store(client.0.0, Ordering::SeqCst);
    client.get_status("j1", &[]).unwrap();
    client.close(10_000).unwrap();
    let refused = REFUSED.lock().unwrap();
    assert!(refused.len() >= 6 && refused.iter().all(|code| code == "WOULD_DEADLOCK"), "{refused:?}");
}

/// Clients of one configuration.
fn clients_of_one(told: &Told, server: &Server, count: usize) -> Vec<Client> {
    let functions = api::functions();
    let config = api::Handle(unsafe { (functions.perceptis_config_new)() }, functions.perceptis_config_free);
    for (key, value) in [("api_key", "sk-1"), ("api_base_url", &*server.base_url), ("time_scale", "200")] {
        let (key, value) = (api::c(key), api::c(value));
        api::call(|error| unsafe {
            (functions.perceptis_config_set)(config.0, key.as_ptr(), value.as_ptr(), error)
        })
        .unwrap();
    }
    let user = std::ptr::from_ref(told).cast_mut().cast();
    api::call(|error| unsafe { (functions.perceptis_config_set_log)(config.0, Some(hear), user, error) })
        .unwrap();
    (0..count)
        .map(|_| {
            let mut client = std::ptr::null_mut();
            api::call(|error| unsafe { (functions.perceptis_client_new)(config.0, &raw mut client, error) })
                .unwrap();
            Client::made(client, 200)
        })
        .collect()
}

#[test]
fn a_callback_is_not_called_twice_at_once_for_two_clients() {
    let server = Server::start();
    let told = Told::default();
    let [one, two, three] = <[Client; 3]>::try_from(clients_of_one(&told, &server, 3)).ok().unwrap();
    let of_job = |id: &str| {
        let records = told.records.lock().unwrap();
        records.iter().filter(|record| record["job_id"] == id).count()
    };
    told.held.store(true, Ordering::SeqCst);
    one.get_status("j1", &[]).unwrap_err();
    told.wait_until_called();
    // The callback checks that it is called once at a time. What a client leaves behind when its time is over
    // is not handed out.
    two.get_status("j2", &[]).unwrap_err();
    two.close(50).unwrap();
    three.get_status("j3", &[]).unwrap_err();
    assert_eq!((of_job("j1"), of_job("j2"), of_job("j3")), (0, 0, 0));
    told.held.store(false, Ordering::SeqCst);
    three.close(60_000).unwrap();
    let of_three = of_job("j3");
    assert!(of_three >= 2, "a close waits for the records of its client");
    assert_eq!(of_job("j2"), 0);
    one.get_status("j1", &[]).unwrap_err();
    one.close(60_000).unwrap();
    assert!(of_job("j1") >= 4, "the other clients go on");
    assert_eq!(of_job("j3"), of_three);
}

#[test]
fn a_slow_callback_delays_nobody_and_hears_what_it_missed() {
    let server = Server::start();
    server.on("/api/v1/generate", accepted());
    let told = Told::default();
    told.held.store(true, Ordering::SeqCst);
    let client = told.client(&server, &[("log_level", "debug")]);
    for _ in 0..500 {
        client.generate(&Request::deck(), &[]).unwrap();
    }
    told.held.store(false, Ordering::SeqCst);
    client.close(30_000).unwrap();
    let records = told.records.lock().unwrap();
    // Each submission is three records: one was in the callback's hands, 1,024 waited.
    assert_eq!(records.len(), 1025);
    // One more where a second has passed, since then the client tells that these jobs wait for nobody.
    assert!((1500 - 1025..=1501 - 1025).contains(&records[1]["dropped"].as_u64().unwrap()), "{}", records[1]);
    assert!(records[2..].iter().all(|record| record["dropped"].is_null()));
}

#[test]
fn after_close_the_log_is_silent() {
    let server = Server::start();
    server.on(STATUS, status("pending", "[]"));
    let told = Told::default();
    told.held.store(true, Ordering::SeqCst);
    let client = told.client(&server, &[]);
    client.get_status("j1", &[]).unwrap();
    told.wait_until_called();
    // Whatever else takes its time on a loaded machine is over at some time; the callback is not.
    let error = std::iter::repeat_with(|| client.close(50).unwrap_err())
        .find(|error| error.message.contains("callback"))
        .unwrap();
    assert_eq!(error.code, "TIMEOUT", "{error:?}");
    told.held.store(false, Ordering::SeqCst);
    client.close(10_000).unwrap();
    let heard = told.events().len();
    assert_eq!(client.get_status("j1", &[]).unwrap_err().code, "CLOSED");
    drop(client);
    assert_eq!((told.events().len(), heard), (1, 1), "only the record that was being told");
}

#[test]
fn a_log_can_end_in_a_queue() {
    let (server, directory) = stumbling();
    let queue = Queue::new();
    let pairs = [
        ("api_key", "sk-test-secret"),
        ("api_base_url", &*server.base_url),
        ("time_scale", "200"),
        ("log_level", "debug"),
    ];
    let client = Client::configured(&pairs, |config| {
        let set = api::functions().perceptis_config_set_log_queue;
        api::call(|error| unsafe { set(config, queue.0.0, error) })
    })
    .unwrap();
    client.run(&Request::deck(), &[("directory", directory.path().to_str().unwrap())]).unwrap();
    client.close(10_000).unwrap();
    assert_eq!(client.get_status("j1", &[]).unwrap_err().code, "CLOSED");
    let events = queue.take(64, 0).unwrap();
    let told: Vec<_> =
        events.iter().map(|event| event.value()["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!((told.len(), told[0].as_str(), told[12].as_str()), (13, "started", "finished"), "{told:?}");
    assert!(events.iter().all(|event| (event.kind, event.tag, event.code()) == (LOG, 0, "OK")));
}
