//! What waits together is committed together, and whoever fails fails alone.

use std::sync::atomic::Ordering;

use super::*;
use crate::error::Kind;
use crate::ledger::Step;
use crate::ledger::writer::{Handle, Writer};

/// The writer that the clients of this place share.
fn writer(place: &Place) -> Arc<Writer> {
    Arc::clone(Handle::new(&Location::At(place.path()), None).writer())
}

fn commits(writer: &Writer) -> u64 {
    writer.commits.load(Ordering::SeqCst)
}

#[test]
fn what_waits_together_costs_one_commit() {
    let place = Place::new();
    let (one, two) = (place.open_as("sk-one"), place.open_as("sk-two"));
    let writer = writer(&place);
    // The thread waits for this, so that all of them are queued before it looks.
    let engine = writer.engine();
    let claims: Vec<_> = (0..8)
        .map(|number| {
            let ledger = if number % 2 == 0 { &one } else { &two };
            ledger.claim(run(&number.to_string()))
        })
        .collect();
    drop(engine);
    let rows: std::collections::BTreeSet<Row> = claims.into_iter().map(|claim| new(wait(claim))).collect();
    assert_eq!((rows.len(), commits(&writer)), (8, 1));
}

#[test]
fn two_of_a_group_do_not_have_the_same_submission() {
    let place = Place::new();
    let ledger = place.open();
    let writer = writer(&place);
    let engine = writer.engine();
    let (first, second) = (ledger.claim(named("a", "k")), ledger.claim(named("a", "k")));
    drop(engine);
    new(wait(first));
    assert!(matches!(wait(second), Ok(Claimed::Live(_))));
}

#[test]
fn reading_costs_no_commit() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(run("a"))));
    let writer = writer(&place);
    let before = commits(&writer);
    all(&*ledger);
    history(&*ledger, row);
    wait(ledger.unsettled()).unwrap();
    assert!(matches!(wait(ledger.claim(Claim { record: false, ..named("b", "k") })), Ok(Claimed::New(None))));
    assert_eq!(commits(&writer), before);
}

#[test]
fn who_fails_fails_alone() {
    let place = Place::new();
    let ledger = place.open();
    let writer = writer(&place);
    let engine = writer.engine();
    let good = ledger.claim(run("a"));
    let broken = writer.write(|session| session.execute("no SQL", []));
    let panics = writer.write::<()>(|_| panic!("as it should"));
    let half = writer.write::<()>(|session| {
        session.execute("DELETE FROM submissions", [])?;
        Err(Error::new(Kind::Rejected, "changed its mind"))
    });
    let too = ledger.claim(run("b"));
    drop(engine);
    let rows = [new(wait(good)), new(wait(too))];
    assert_eq!(wait(broken).unwrap_err().kind(), Kind::Ledger);
    assert_eq!(wait(panics).unwrap_err().kind(), Kind::Internal);
    assert_eq!(wait(half).unwrap_err().kind(), Kind::Rejected);
    assert_eq!(all(&*ledger).len(), rows.len());
    assert_eq!(commits(&writer), 1);
}

/// A submission that nobody works on.
fn left(ledger: &dyn Ledger) -> Row {
    let row = new(wait(ledger.claim(run("left"))));
    wait(ledger.record(row, Step::Released { told: Some(Kind::Timeout) })).unwrap();
    row
}

#[test]
fn what_could_not_be_committed_was_not_taken() {
    let place = Place::new();
    let ledger = place.open();
    let row = left(&*ledger);
    let writer = writer(&place);
    // Until the two are in one group: the writer may have taken the first before the second came.
    loop {
        let engine = writer.engine();
        let taken = ledger.take(row);
        // Found wrong only when it is committed.
        let spoils = writer.write(|session| {
            session
                .connection
                .pragma_update(None, "defer_foreign_keys", "ON")
                .map_err(|error| session.failed(&error))?;
            session.execute("INSERT INTO events VALUES (99, 1, 1, 'of nothing')", [])
        });
        drop(engine);
        let taken = wait(taken);
        assert_eq!(wait(spoils).unwrap_err().kind(), Kind::Ledger);
        match taken {
            Err(error) => {
                assert_eq!(error.kind(), Kind::Ledger);
                break;
            }
            Ok(_) => wait(ledger.record(row, Step::Returned)).unwrap(),
        }
    }
    assert_eq!(wait(ledger.unsettled()).unwrap(), 1);
    assert!(wait(ledger.take(row)).unwrap().is_some());
}

#[test]
fn what_failed_after_it_was_taken_was_not_taken() {
    let place = Place::new();
    let ledger = place.open();
    let row = left(&*ledger);
    let failed = writer(&place).write::<()>(move |session| {
        session.own(row)?;
        Err(Error::new(Kind::Rejected, "changed its mind"))
    });
    wait(failed).unwrap_err();
    assert!(wait(ledger.take(row)).unwrap().is_some());
}

#[test]
fn a_full_disk_is_told_and_loses_nothing_that_was_recorded() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(named("a", "k"))));
    let writer = writer(&place);
    {
        let engine = writer.engine();
        let pages: i64 = engine.connection().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        engine.connection().pragma_update(None, "max_page_count", pages).unwrap();
    }
    let large = Claim { body: Bytes::from(vec![b'x'; 1 << 20]), ..named("b", "l") };
    let error = wait(ledger.claim(large.clone())).unwrap_err();
    assert_eq!(error.kind(), Kind::Ledger);
    assert!(error.message().contains("disk is full") && error.message().contains("off"), "{error:?}");
    // The file was opened anew, without the bound: there is room again.
    let found = all(&*ledger);
    assert_eq!((found.len(), found[0].row, found[0].live), (1, row, true));
    wait(ledger.record(row, Step::Completed)).unwrap();
    new(wait(ledger.claim(large)));
}
