//! What waits together is committed together, and what fails fails alone.

use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLockReadGuard};

use super::*;
use crate::ledger::registry::Handle;
use crate::ledger::writer::Writer;
use crate::model::submission_state::State;

/// The writer that the clients of this ledger share.
fn writer(place: &TempLedger) -> Arc<Writer> {
    Arc::clone(Handle::new(&Location::At(place.path()), None).writer())
}

fn commits(writer: &Writer) -> u64 {
    writer.commits.load(Ordering::SeqCst)
}

#[test]
fn what_waits_together_costs_one_commit() {
    let place = TempLedger::new();
    let (one, two) = (place.open_as("sk-one"), place.open_as("sk-two"));
    let writer = writer(&place);
    // The thread waits for this, so that all of them are queued before it looks.
    let engine = writer.engine();
    let claims: Vec<_> = (0..8)
        .map(|number| {
            let ledger = if number % 2 == 0 { &one } else { &two };
            ledger.begin(Arc::new(run(&number.to_string())), None)
        })
        .collect();
    drop(engine);
    let rows: std::collections::BTreeSet<Row> =
        claims.into_iter().map(|claim| is_new(wait(claim)).row).collect();
    assert_eq!((rows.len(), commits(&writer)), (8, 1));
}

#[test]
fn two_of_a_group_do_not_have_the_same_submission() {
    let place = TempLedger::new();
    let ledger = place.open();
    let writer = writer(&place);
    let engine = writer.engine();
    let claim = || ledger.begin(Arc::new(named("a", "k")), None);
    let (first, second) = (claim(), claim());
    drop(engine);
    is_new(wait(first));
    assert!(matches!(wait(second), Ok(Claimed::Live(_))));
}

#[test]
fn reading_costs_no_commit() {
    let place = TempLedger::new();
    let ledger = place.open();
    let row = new(&*ledger, run("a")).row;
    let writer = writer(&place);
    let before = commits(&writer);
    all(&*ledger);
    history(&*ledger, row);
    wait(ledger.unsettled()).unwrap();
    assert!(is_unknown(&find(&*ledger, named("b", "k"))));
    assert_eq!(commits(&writer), before);
}

#[test]
fn who_fails_fails_alone() {
    let place = TempLedger::new();
    let ledger = place.open();
    let writer = writer(&place);
    let engine = writer.engine();
    let good = ledger.begin(Arc::new(run("a")), None);
    let broken = writer.write(|session| session.execute("no SQL", []));
    let panics = writer.write::<()>(|_| panic!("as it should"));
    let half = writer.write::<()>(|session| {
        session.execute("DELETE FROM submissions", [])?;
        Err(Error::new(Kind::Rejected, "changed its mind"))
    });
    let too = ledger.begin(Arc::new(run("b")), None);
    drop(engine);
    let calls = [is_new(wait(good)), is_new(wait(too))];
    assert_eq!(wait(broken).unwrap_err().kind(), Kind::Ledger);
    assert_eq!(wait(panics).unwrap_err().kind(), Kind::Internal);
    assert_eq!(wait(half).unwrap_err().kind(), Kind::Rejected);
    assert_eq!(all(&*ledger).len(), calls.len());
    assert_eq!(commits(&writer), 1);
}

/// A submission that nobody works on.
fn left(ledger: &dyn Ledger) -> Row {
    let call = new(ledger, run("left"));
    end(ledger, call, Some(Kind::Timeout));
    call.row
}

#[test]
fn what_could_not_be_committed_was_not_taken() {
    let place = TempLedger::new();
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
            Ok(_) => release(&*ledger, row),
        }
    }
    assert_eq!(wait(ledger.unsettled()).unwrap(), 1);
    assert!(wait(ledger.take(row)).unwrap().is_some());
}

#[test]
fn what_failed_after_it_was_taken_was_not_taken() {
    let place = TempLedger::new();
    let ledger = place.open();
    let row = left(&*ledger);
    let failed = writer(&place).write::<()>(move |session| {
        session.lease(row)?;
        Err(Error::new(Kind::Rejected, "changed its mind"))
    });
    wait(failed).unwrap_err();
    assert!(wait(ledger.take(row)).unwrap().is_some());
}

/// Has the file grow no more, until it is opened anew; which no fork does while what this returns is held.
fn fill(writer: &Writer) -> RwLockReadGuard<'static, ()> {
    let undisturbed = super::CONNECTIONS.read().unwrap_or_else(PoisonError::into_inner);
    let mut engine = writer.engine();
    assert!(engine.ensure_open().unwrap().is_some());
    let pages: i64 = engine.connection().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    engine.connection().pragma_update(None, "max_page_count", pages).unwrap();
    undisturbed
}

#[test]
fn full_disk_refuses_a_claim_and_loses_nothing() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = new(&*ledger, named("a", "k"));
    let _undisturbed = fill(&writer(&place));
    let large = Claim { body: Bytes::from(vec![b'x'; 1 << 20]), ..named("b", "l") };
    let error = wait(ledger.begin(Arc::new(large.clone()), None)).unwrap_err();
    assert_eq!(error.kind(), Kind::Ledger);
    assert!(error.message().contains("disk is full") && error.message().contains("off"), "{error:?}");
    // The file was opened anew, without the bound: there is room again.
    let found = all(&*ledger);
    assert_eq!((found.len(), found[0].row, found[0].live), (1, call.row, true));
    record(&*ledger, call.row, vec![Step::Completed { files: None }]).unwrap();
    new(&*ledger, large);
}

#[test]
fn step_that_can_not_be_written_stays_and_keeps_its_place() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = new(&*ledger, named("a", "k"));
    let writer = writer(&place);
    let written = Arc::default();
    // Beside the steps something that never fits: the transaction fails as a whole.
    let _undisturbed = fill(&writer);
    let engine = writer.engine();
    let accepted = ledger.record(call.row, vec![accepted()], &written);
    let note = Step::Note("x".repeat(200));
    let many: Vec<_> = (0..400).map(|_| ledger.record(call.row, vec![note.clone()], &written)).collect();
    let released = ledger.record(call.row, vec![Step::Settled, Step::Released], &written);
    assert!(!written.all());
    drop(engine);
    // In the order in which they came, whether or not the first attempt failed.
    for step in std::iter::once(accepted).chain(many).chain([released]) {
        wait(step).unwrap();
    }
    assert!(written.all());
    let entry = &all(&*ledger)[0];
    assert_eq!((entry.state, entry.job_id.as_deref(), entry.live), (State::Settled, Some("job_1"), false));
}
