//! What was learned of how long jobs take: kept for the next process, within bounds, and at no one's expense.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::ledger::registry::Handle;
use crate::ledger::writer::Writer;
use crate::model::figure::{Figure, Product};
use crate::model::submission_state::State;

fn figure(job: u64, age: u64, done: bool) -> Figure {
    Figure { job, product: Product::Slide, age: Duration::from_secs(age), done }
}

fn kept(ledger: &dyn Ledger) -> Vec<Figure> {
    wait(ledger.figures()).unwrap()
}

fn writer(place: &TempLedger) -> Arc<Writer> {
    Arc::clone(Handle::new(&Location::At(place.path()), None).writer())
}

/// Runs this on the ledger's file.
fn sql(writer: &Arc<Writer>, sql: &'static str) -> usize {
    wait(writer.write(move |session| session.execute(sql, []))).unwrap()
}

/// A submission that this process works on.
fn begun(ledger: &dyn Ledger) -> CallId {
    new(ledger, run("a"))
}

#[test]
fn figures_go_with_a_step_and_cost_no_commit() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = begun(&*ledger);
    let writer = writer(&place);
    let before = writer.commits.load(Ordering::SeqCst);
    ledger.keep_figures(vec![figure(u64::MAX, 60, true), figure(3, 7, false)]);
    record(&*ledger, call.row, vec![accepted()]).unwrap();
    assert_eq!(writer.commits.load(Ordering::SeqCst) - before, 1);
    let other = place.open_as("sk-two");
    assert_eq!(kept(&*other).len(), 2, "another API key sees the same service");
    assert!(kept(&*other).contains(&figure(u64::MAX, 60, true)));
}

#[test]
fn figures_go_alone_when_nothing_else_is_to_be_done() {
    let place = TempLedger::new();
    let ledger = place.open();
    begun(&*ledger);
    ledger.keep_figures(vec![figure(1, 60, true)]);
    until("what was learned is written", || !kept(&*ledger).is_empty());
    assert_eq!(kept(&*ledger), [figure(1, 60, true)]);
}

/// Has the file grow no more, until it is opened anew.
fn fill(writer: &Writer) {
    let mut engine = writer.engine();
    assert!(engine.ensure_open().unwrap().is_some());
    let pages: i64 = engine.connection().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    engine.connection().pragma_update(None, "max_page_count", pages).unwrap();
}

#[test]
fn figures_are_never_why_a_job_fails() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = begun(&*ledger);
    let writer = writer(&place);
    let _undisturbed = super::CONNECTIONS.read().unwrap_or_else(PoisonError::into_inner);
    // Often enough that the thread takes a step and a job together.
    for _ in 0..20 {
        fill(&writer);
        let engine = writer.engine();
        let before = writer.read(|_| Ok(()));
        ledger.keep_figures((0..320).map(|job| figure(job, 60, true)).collect());
        let step = ledger.record(call.row, vec![Step::Note("n".to_owned())], &Arc::default());
        let job = writer.write(|session| session.execute("UPDATE submissions SET variants = 1", []));
        drop(engine);
        wait(before).unwrap();
        assert_eq!(wait(job).unwrap(), 1);
        wait(step).unwrap();
        // What is learned later is nothing new.
        sql(&writer, "DELETE FROM durations");
    }
}

#[test]
fn newest_figure_of_a_job_counts_and_an_end_is_final() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = begun(&*ledger);
    for figures in [
        vec![figure(1, 60, false), figure(2, 60, false)],
        vec![figure(1, 90, true), figure(2, 80, false)],
        vec![figure(1, 95, false)],
    ] {
        ledger.keep_figures(figures);
        record(&*ledger, call.row, vec![Step::Note("n".to_owned())]).unwrap();
    }
    assert_eq!(kept(&*ledger), [figure(1, 90, true), figure(2, 80, false)]);
}

#[test]
fn figures_are_bounded_and_aged() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = begun(&*ledger);
    let writer = writer(&place);
    let write = |figures: Vec<Figure>| {
        ledger.keep_figures(figures);
        record(&*ledger, call.row, vec![Step::Note("n".to_owned())]).unwrap();
    };
    for round in 0..5 {
        write((0..300).map(|job| figure(round * 1_000 + job, 60, true)).collect());
    }
    let count =
        || wait(writer.read(|session| session.one("SELECT count(*) FROM durations", [], |row| row.get(0))));
    assert_eq!(count().unwrap(), Some(80_i64), "of one product");
    assert_eq!(kept(&*ledger).len(), 80);

    // Thirty days ago, and where a clock was a year ahead.
    sql(&writer, "UPDATE durations SET since_unix_ms = since_unix_ms - 2600000000 WHERE job % 2 = 0");
    sql(&writer, "UPDATE durations SET since_unix_ms = since_unix_ms + 31536000000 WHERE job % 2 = 1");
    assert_eq!(kept(&*ledger), [], "too old, or of the future");
    write(vec![figure(7, 60, true)]);
    assert_eq!(count().unwrap(), Some(1));

    sql(
        &writer,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
         INSERT INTO durations SELECT 'https://' || i, 'deck', i, \
         (SELECT max(since_unix_ms) FROM durations) - i, 1, 1 FROM n",
    );
    write(vec![figure(8, 60, true)]);
    assert_eq!(count().unwrap(), Some(2_000), "of all origins");
    assert_eq!(kept(&*ledger).len(), 2);
}

#[test]
fn figures_that_can_not_be_written_are_forgotten_and_steps_are_not() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = begun(&*ledger);
    let writer = writer(&place);
    let _undisturbed = super::CONNECTIONS.read().unwrap_or_else(PoisonError::into_inner);
    fill(&writer);
    ledger.keep_figures((0..320).map(|job| figure(job, 60, true)).collect());
    record(&*ledger, call.row, vec![accepted()]).unwrap();
    assert_eq!(all(&*ledger)[0].state, State::Accepted);

    sql(&writer, "DROP TABLE durations");
    ledger.keep_figures(vec![figure(1, 60, true)]);
    record(&*ledger, call.row, vec![Step::Completed { files: None }]).unwrap();
    assert_eq!(all(&*ledger)[0].state, State::Completed);
    assert!(wait(ledger.figures()).is_err(), "nobody waits for that");
}

#[test]
fn without_a_ledger_nothing_is_learned() {
    let key = api_key::parse_key("sk-one").unwrap();
    for location in [Location::Off, Location::Nowhere] {
        let ledger = super::super::open(&location, ORIGIN, &key, None);
        ledger.keep_figures(vec![figure(1, 60, true)]);
        assert_eq!(wait(ledger.figures()).unwrap_or_default(), []);
    }
}
