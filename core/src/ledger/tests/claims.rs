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
