//! Who continues what: promise, 12 to 15.

use super::*;
use crate::error::Kind;
use crate::ledger::{Forgotten, Recorded, State, Step};

fn release(ledger: &dyn Ledger, row: Row, told: Option<Kind>) {
    wait(ledger.record(row, Step::Released { told })).unwrap();
}

fn accept(ledger: &dyn Ledger, row: Row) {
    wait(ledger.record(row, Step::Accepted { job_id: "job_1".to_owned() })).unwrap();
}

#[test]
fn what_is_recorded_comes_back_whole() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(named("a", "order-1"))));
    accept(&*ledger, row);
    wait(ledger.record(row, Step::Completed)).unwrap();
    let file = Recorded {
        variant: 1,
        format: "pptx".to_owned(),
        path: "/decks/deck.pptx".to_owned(),
        size: 7,
        sha256: "ab".to_owned(),
        delivered: false,
    };
    wait(ledger.record(row, Step::Renaming(file.clone()))).unwrap();
    wait(ledger.record(row, Step::Delivered { path: file.path.clone() })).unwrap();
    wait(ledger.record(row, Step::Settled)).unwrap();
    release(&*ledger, row, None);

    let found = all(&*ledger);
    let [entry] = &found[..] else { panic!("{found:?}") };
    assert_eq!((entry.row, &*entry.key, &*entry.operation), (row, "order-1", "run"));
    assert_eq!((entry.state, entry.job_id.as_deref()), (State::Settled, Some("job_1")));
    assert_eq!((entry.told.as_deref(), entry.live, entry.own_key), (None, false, true));
    assert_eq!(entry.files, [Recorded { delivered: true, ..file }]);
    assert!(entry.recorded_unix_ms > 1_600_000_000_000 && entry.changed_unix_ms >= entry.recorded_unix_ms);
    assert_eq!(
        history(&*ledger, row),
        [
            "recorded",
            "accepted job_1",
            "completed",
            "renaming deck.pptx",
            "delivered deck.pptx",
            "settled",
            "told OK"
        ]
    );
    assert_eq!(wait(ledger.unsettled()).unwrap(), 0);
}

#[test]
fn a_key_continues_its_job_in_every_state() {
    let place = Place::new();
    let ledger = place.open();
    let steps = [
        vec![],
        vec![Step::Accepted { job_id: "job".to_owned() }],
        vec![Step::Accepted { job_id: "job".to_owned() }, Step::Completed],
        vec![Step::Accepted { job_id: "job".to_owned() }, Step::Settled],
        vec![Step::Accepted { job_id: "job".to_owned() }, Step::Failed],
    ];
    let states = [State::Submitting, State::Accepted, State::Completed, State::Settled, State::Failed];
    for (at, (steps, state)) in steps.into_iter().zip(states).enumerate() {
        let key = format!("order-{at}");
        let row = new(wait(ledger.claim(named("a", &key))));
        for step in steps {
            wait(ledger.record(row, step)).unwrap();
        }
        // It is worked on, so it is waited for and not touched, by its own process too.
        assert!(matches!(wait(ledger.claim(named("a", &key))), Ok(Claimed::Live(entry)) if entry.live));
        release(&*ledger, row, Some(Kind::Rejected));
        let elsewhere = Claim { directory: Some("/other".to_owned()), name: None, ..named("a", &key) };
        let (entry, adopted) = continued(wait(ledger.claim(elsewhere)));
        assert_eq!((entry.row, entry.state, adopted), (row, state, false));
        assert_eq!((entry.directory.as_deref(), entry.name), (Some("/other"), None));
        assert_eq!(entry.told.as_deref(), Some("REJECTED"));
        assert_eq!(entry.body.is_some(), state == State::Submitting, "{state:?}");
    }
}

#[test]
fn a_call_that_wants_no_files_leaves_the_wish_of_the_one_that_did() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(named("a", "k"))));
    release(&*ledger, row, None);
    let generate = Claim { operation: "generate", directory: None, name: None, ..named("a", "k") };
    let (entry, _) = continued(wait(ledger.claim(generate)));
    assert_eq!((&*entry.operation, entry.directory.as_deref()), ("run", Some("/decks")));
    assert_eq!(all(&*ledger)[0].directory.as_deref(), Some("/decks"));
}

#[test]
fn another_request_under_a_known_key_is_told_in_every_state() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(named("a", "k"))));
    for told in [None, Some(Kind::Timeout)] {
        let other = wait(ledger.claim(named("b", "k")));
        assert!(matches!(other, Ok(Claimed::OtherRequest(entry)) if entry.row == row));
        release(&*ledger, row, told);
    }
    assert_eq!(all(&*ledger).len(), 1);
}

#[test]
fn what_was_refused_begins_again_as_new() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(named("a", "k"))));
    wait(ledger.record(row, Step::Refused { code: Kind::Rejected })).unwrap();
    release(&*ledger, row, Some(Kind::Rejected));
    let looked = Claim { record: false, ..named("a", "k") };
    assert!(matches!(wait(ledger.claim(looked)), Ok(Claimed::New(None))));
    assert_eq!(all(&*ledger)[0].state, State::Refused);

    assert_eq!(new(wait(ledger.claim(named("a", "k")))), row);
    let entry = &all(&*ledger)[0];
    assert_eq!((entry.state, entry.live, entry.job_id.as_deref()), (State::Submitting, true, None));
    release(&*ledger, row, None);
    assert!(continued(wait(ledger.claim(named("a", "k")))).0.body.is_some());
}

#[test]
fn a_look_records_nothing_and_takes_over_what_is_known() {
    let place = Place::new();
    let ledger = place.open();
    let look = || Claim { record: false, ..named("a", "k") };
    assert!(matches!(wait(ledger.claim(look())), Ok(Claimed::New(None))));
    assert!(all(&*ledger).is_empty());
    let row = new(wait(ledger.claim(named("a", "k"))));
    release(&*ledger, row, Some(Kind::Timeout));
    assert_eq!(continued(wait(ledger.claim(look()))).0.row, row);
    assert!(all(&*ledger)[0].live);
}

#[test]
fn a_key_under_another_api_key_is_told_before_anything_is_sent() {
    let place = Place::new();
    let (one, two) = (place.open_as("sk-one"), place.open_as("sk-two"));
    let row = new(wait(one.claim(named("a", "k"))));
    wait(one.record(row, Step::Accepted { job_id: "job_1".to_owned() })).unwrap();
    match wait(two.claim(named("a", "k"))) {
        Ok(Claimed::OtherApiKey(entry)) => {
            assert_eq!((entry.job_id.as_deref(), entry.own_key), (Some("job_1"), false));
        }
        other => panic!("{other:?}"),
    }
    // The way out, and from then on each has its own.
    let anew = Claim { on_other_key_submit: true, ..named("a", "k") };
    let second = new(wait(two.claim(anew)));
    assert_ne!(second, row);
    release(&*two, second, None);
    assert_eq!(continued(wait(two.claim(named("a", "k")))).0.row, second);

    // Both are listed, each with whose it is; what waits is counted by key.
    let listed: Vec<_> = all(&*two).iter().map(|entry| (entry.row, entry.own_key)).collect();
    assert_eq!(listed, [(second, true), (row, false)]);
    release(&*one, row, Some(Kind::Timeout));
    assert_eq!((wait(one.unsettled()).unwrap(), wait(two.unsettled()).unwrap()), (1, 0));
}

#[test]
fn a_call_refused_for_its_api_key_is_repeated_with_another() {
    let place = Place::new();
    let (one, two) = (place.open_as("sk-revoked"), place.open_as("sk-good"));
    let row = new(wait(one.claim(named("a", "k"))));
    wait(one.record(row, Step::Refused { code: Kind::Unauthenticated })).unwrap();
    new(wait(two.claim(named("a", "k"))));
}

#[test]
fn other_origins_are_other_ledgers() {
    let place = Place::new();
    let here = place.open();
    let row = new(wait(here.claim(named("a", "k"))));
    release(&*here, row, Some(Kind::Timeout));
    let key = secret::parse_key("sk-one").unwrap();
    let there = crate::ledger::open(&Location::At(place.path()), "http://127.0.0.1:1", &key, None);
    assert!(all(&*there).is_empty() && history(&*there, row).is_empty());
    assert!(wait(there.take(row)).unwrap().is_none());
    assert_eq!(wait(there.forget(Some("k".to_owned()))).unwrap(), Forgotten::Unknown);
    new(wait(there.claim(run("a"))));
    new(wait(there.claim(named("a", "k"))));
}

#[test]
fn an_equal_call_continues_one_whose_caller_has_nothing() {
    // Whatever it heard: what is not settled may be paid for.
    for told in [
        Kind::Timeout,
        Kind::Cancelled,
        Kind::OutcomeUnknown,
        Kind::Incomplete,
        Kind::File,
        Kind::Closed,
        Kind::Transport,
        Kind::Unauthenticated,
    ] {
        let place = Place::new();
        let ledger = place.open();
        let row = new(wait(ledger.claim(run("a"))));
        accept(&*ledger, row);
        release(&*ledger, row, Some(told));
        let (entry, adopted) = continued(wait(ledger.claim(run("a"))));
        assert_eq!((entry.row, adopted), (row, true), "{told:?}");
        assert_eq!(history(&*ledger, row).last().map(String::as_str), Some("adopted"));
        // Now it is somebody's again.
        assert_ne!(new(wait(ledger.claim(run("a")))), row, "{told:?}");
    }
}

#[test]
fn nothing_else_is_adopted() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(run("a"))));
    let fresh = |claim: Claim| {
        let row = new(wait(ledger.claim(claim)));
        // Out of the way of what comes next.
        wait(ledger.record(row, Step::Refused { code: Kind::Rejected })).unwrap();
        row
    };
    assert_ne!(fresh(run("a")), row, "of a live call");
    release(&*ledger, row, Some(Kind::Timeout));
    assert_ne!(fresh(Claim { adopt: false, ..run("a") }), row);
    assert_ne!(fresh(run("b")), row);
    assert_ne!(fresh(named("a", "k")), row, "by a call that names a key");
    assert_ne!(fresh(Claim { directory: Some("/other".to_owned()), ..run("a") }), row);
    assert_ne!(fresh(Claim { directory: None, ..run("a") }), row);
    assert_ne!(fresh(Claim { name: None, ..run("a") }), row);
    assert_ne!(fresh(Claim { operation: "generate", ..run("a") }), row);
    let other_key = place.open_as("sk-two");
    assert_ne!(new(wait(other_key.claim(run("a")))), row);

    // Its caller heard that all is well.
    wait(ledger.take(row)).unwrap().unwrap();
    release(&*ledger, row, None);
    assert_ne!(fresh(run("a")), row);
    // That stands, whoever else works on it and leaves it.
    wait(ledger.take(row)).unwrap().unwrap();
    wait(ledger.record(row, Step::Returned)).unwrap();
    assert_ne!(fresh(run("a")), row);
    wait(ledger.take(row)).unwrap().unwrap();
    wait(ledger.record(row, Step::Settled)).unwrap();
    release(&*ledger, row, Some(Kind::Timeout));
    assert_ne!(fresh(run("a")), row, "settled, and its caller heard of it");
}

#[test]
fn the_newest_of_several_is_adopted() {
    let place = Place::new();
    let ledger = place.open();
    let rows = [(); 3].map(|()| new(wait(ledger.claim(run("a")))));
    for row in rows {
        release(&*ledger, row, Some(Kind::Timeout));
    }
    let order: Vec<Row> = rows.iter().map(|_| continued(wait(ledger.claim(run("a")))).0.row).collect();
    assert_eq!(order, [rows[2], rows[1], rows[0]]);
}

#[test]
fn a_submission_is_taken_over_once() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(run("a"))));
    assert!(wait(ledger.take(row)).unwrap().is_none(), "it is live");
    release(&*ledger, row, Some(Kind::Timeout));
    let entry = wait(ledger.take(row)).unwrap().unwrap();
    assert_eq!(entry.body.as_deref(), Some(&b"{\"prompt\":\"a\"}"[..]));
    assert_eq!(entry.told.as_deref(), Some("TIMEOUT"));
    assert!(wait(ledger.take(row)).unwrap().is_none());
    assert!(wait(ledger.take(Row(99))).unwrap().is_none());
    let error = wait(ledger.record(Row(99), Step::Completed)).unwrap_err();
    assert_eq!(error.kind(), Kind::Ledger);
    // A second word of a caller that is done changes nothing.
    release(&*ledger, row, None);
    release(&*ledger, row, Some(Kind::Timeout));
    assert_eq!(all(&*ledger)[0].told, None);
}

#[test]
fn a_caller_that_is_gone_leaves_what_it_claimed_to_others() {
    let place = Place::new();
    let ledger = place.open();
    drop(ledger.claim(named("a", "k")));
    // What comes later in the queue is done later, and what was given back before the third.
    all(&*ledger);
    let found = all(&*ledger);
    assert_eq!((found[0].state, found[0].live), (State::Refused, false), "it was never sent");

    let row = new(wait(ledger.claim(run("b"))));
    release(&*ledger, row, Some(Kind::Timeout));
    drop(ledger.claim(run("b")));
    drop(ledger.take(row));
    all(&*ledger);
    let entry = all(&*ledger).remove(0);
    assert_eq!((entry.row, entry.state, entry.live), (row, State::Submitting, false));
    assert_eq!(entry.told.as_deref(), Some("TIMEOUT"));
    assert_eq!(continued(wait(ledger.claim(run("b")))).0.row, row);
    // What is recorded is recorded, whoever waits.
    drop(ledger.record(row, Step::Note("alone".to_owned())));
    assert_eq!(history(&*ledger, row).last().map(String::as_str), Some("alone"));
}

#[test]
fn the_history_is_bounded_and_clean() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(run("a"))));
    for at in 0..60 {
        wait(ledger.record(row, Step::Note(format!("note\n{at} {}", "é".repeat(300))))).unwrap();
    }
    let history = history(&*ledger, row);
    assert_eq!(history.len(), 50);
    assert!(history[0].starts_with("note 10 é") && history[49].starts_with("note 59 é"));
    assert!(history.iter().all(|event| event.chars().count() <= 200));
}

#[test]
fn a_name_that_was_taken_gives_way_to_the_next() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(run("a"))));
    let file = |path: &str, delivered| Recorded {
        variant: 1,
        format: "pptx".to_owned(),
        path: path.to_owned(),
        size: 1,
        sha256: "ab".to_owned(),
        delivered,
    };
    for path in ["/d/a.pptx", "/d/a-job.pptx"] {
        wait(ledger.record(row, Step::Renaming(file(path, false)))).unwrap();
    }
    wait(ledger.record(row, Step::Delivered { path: "/d/a-job.pptx".to_owned() })).unwrap();
    assert_eq!(all(&*ledger)[0].files, [file("/d/a-job.pptx", true)]);
    // Delivered once more elsewhere: both are known.
    wait(ledger.record(row, Step::Renaming(file("/e/a.pptx", false)))).unwrap();
    assert_eq!(all(&*ledger)[0].files, [file("/d/a-job.pptx", true), file("/e/a.pptx", false)]);
}

#[test]
fn lists_are_narrowed_by_what_is_asked() {
    let place = Place::new();
    let ledger = place.open();
    let [one, two, three] = ["a", "b", "c"].map(|key| new(wait(ledger.claim(named(key, key)))));
    accept(&*ledger, two);
    wait(ledger.record(three, Step::Settled)).unwrap();
    let list = |filter: Filter| -> Vec<Row> {
        wait(ledger.list(filter)).unwrap().iter().map(|entry| entry.row).collect()
    };
    let any = || Filter { limit: 10, ..Filter::default() };
    assert_eq!(list(any()), [three, two, one]);
    assert_eq!(list(Filter { limit: 2, ..any() }), [three, two]);
    assert_eq!(list(Filter { unsettled: Some(true), ..any() }), [two, one]);
    assert_eq!(list(Filter { unsettled: Some(false), ..any() }), [three]);
    assert_eq!(list(Filter { state: Some(State::Accepted), ..any() }), [two]);
    assert_eq!(list(Filter { name: Some("job_1".to_owned()), ..any() }), [two]);
    assert_eq!(list(Filter { name: Some("a".to_owned()), ..any() }), [one]);
    assert_eq!(list(Filter { changed_since_unix_ms: Some(u64::MAX), ..any() }), []);
    assert_eq!(list(Filter { changed_since_unix_ms: Some(1), own_key: true, ..any() }), [three, two, one]);
}
