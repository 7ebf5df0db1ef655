//! What is recorded of a submission step by step, and what a list shows of it.

use super::*;
use crate::ledger::{Forgotten, KnownFile, Name, Written};
use crate::model::submission_state::State;

#[test]
fn step_changes_only_rows_of_this_process() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = new(&*ledger, run("a"));
    let (missing, other) = (Row { number: 99, ..call.row }, Row { ledger: 1, ..call.row });
    let written = Arc::<Written>::default();
    for row in [missing, other] {
        let error = wait(ledger.record(row, vec![Step::Completed { files: None }], &written)).unwrap_err();
        assert_eq!(error.kind(), Kind::Ledger);
    }
    assert!(!written.all());
    end(&*ledger, call, Some(Kind::Timeout));
    record(&*ledger, call.row, vec![Step::Completed { files: None }]).unwrap_err();
    assert_eq!(all(&*ledger)[0].state, State::Submitting);
    // A second word about a call's end changes nothing either.
    record(&*ledger, call.row, vec![Step::Told { call: call.number, code: None }]).unwrap_err();
    assert_eq!(told(&*ledger), [Some("TIMEOUT".to_owned())]);
}

#[test]
fn steps_that_go_together_are_recorded_together_or_not_at_all() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = new(&*ledger, run("a"));
    let foreign = Step::Told { call: call.number + 1, code: None };
    record(&*ledger, call.row, vec![accepted(), foreign]).unwrap_err();
    assert_eq!((all(&*ledger)[0].state, history(&*ledger, call.row).len()), (State::Submitting, 1));
}

#[test]
fn caller_that_is_gone_leaves_what_it_claimed_to_others() {
    let place = TempLedger::new();
    let ledger = place.open();
    drop(ledger.begin(Arc::new(named("a", "k")), None));
    // It was not begun, or counts as never sent.
    assert!(all(&*ledger).iter().all(|entry| entry.state == State::Refused && !entry.live));

    let call = new(&*ledger, run("b"));
    end(&*ledger, call, Some(Kind::Timeout));
    drop(ledger.find(Arc::new(run("b"))));
    drop(ledger.take(call.row));
    let entry = all(&*ledger).remove(0);
    assert_eq!((entry.row, entry.state, entry.live), (call.row, State::Submitting, false));
    assert_eq!(told(&*ledger), [Some("TIMEOUT".to_owned())]);
    assert_eq!(continued(&*ledger, run("b")).0.row, call.row);
    // A step is recorded, whether or not a caller waits for it.
    drop(ledger.record(call.row, vec![Step::Note("alone".to_owned())], &Arc::default()));
    assert_eq!(history(&*ledger, call.row).last().map(String::as_str), Some("alone"));
}

#[test]
fn history_is_bounded_and_clean() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = new(&*ledger, run("a"));
    for at in 0..60 {
        record(&*ledger, call.row, vec![Step::Note(format!("note\n{at} {}", "é".repeat(300)))]).unwrap();
    }
    let history = history(&*ledger, call.row);
    assert_eq!(history.len(), 50);
    assert!(history[0].starts_with("note 10 é") && history[49].starts_with("note 59 é"));
    assert!(history.iter().all(|event| event.chars().count() <= 200));
}

#[test]
fn name_that_was_taken_gives_way_to_the_next() {
    let place = TempLedger::new();
    let ledger = place.open();
    let row = new(&*ledger, run("a")).row;
    let file = |path: &str, delivered| KnownFile {
        variant: 1,
        format: "pptx".to_owned(),
        path: path.to_owned(),
        size: 1,
        sha256: "ab".to_owned(),
        delivered,
    };
    for path in ["/d/a.pptx", "/d/a-job.pptx"] {
        record(&*ledger, row, vec![Step::Renaming(file(path, false))]).unwrap();
    }
    record(&*ledger, row, vec![Step::Delivered { path: "/d/a-job.pptx".to_owned() }]).unwrap();
    assert_eq!(all(&*ledger)[0].files, [file("/d/a-job.pptx", true)]);
    // Delivered once more elsewhere: both are known.
    record(&*ledger, row, vec![Step::Renaming(file("/e/a.pptx", false))]).unwrap();
    assert_eq!(all(&*ledger)[0].files, [file("/d/a-job.pptx", true), file("/e/a.pptx", false)]);
}

#[test]
fn list_is_narrowed_by_its_filter() {
    let place = TempLedger::new();
    let ledger = place.open();
    let [one, two, three] = ["a", "b", "c"].map(|key| new(&*ledger, named(key, key)).row);
    record(&*ledger, two, vec![accepted()]).unwrap();
    record(&*ledger, three, vec![Step::Settled]).unwrap();
    let list = |filter: Filter| -> Vec<Row> {
        wait(ledger.list(filter)).unwrap().iter().map(|entry| entry.row).collect()
    };
    let any = || Filter { limit: 10, ..Filter::default() };
    assert_eq!(list(any()), [three, two, one]);
    assert_eq!(list(Filter { limit: 2, ..any() }), [three, two]);
    assert_eq!(list(Filter { unsettled: Some(true), ..any() }), [two, one]);
    assert_eq!(list(Filter { unsettled: Some(false), ..any() }), [three]);
    assert_eq!(list(Filter { state: Some(State::Accepted), ..any() }), [two]);
    assert_eq!(list(Filter { changed_since_unix_ms: Some(u64::MAX), ..any() }), []);
    assert_eq!(list(Filter { changed_since_unix_ms: Some(1), own_key: true, ..any() }), [three, two, one]);
    let named = |name: &str| list(Filter { name: Some(Name::parse(name)), ..any() });
    for name in ["job_1", "job:job_1", "b", "key:b"] {
        assert_eq!(named(name), [two], "{name}");
    }
    for name in ["job:b", "key:job_1", "nothing"] {
        assert_eq!(named(name), [], "{name}");
    }
}

#[test]
fn job_id_that_is_another_submissions_key_has_to_be_told_apart() {
    let place = TempLedger::new();
    let ledger = place.open();
    let job = new(&*ledger, named("a", "k"));
    record(&*ledger, job.row, vec![accepted(), Step::Settled]).unwrap();
    end(&*ledger, job, None);
    let key = new(&*ledger, named("b", "job_1"));
    end(&*ledger, key, Some(Kind::Timeout));
    let either = Some(Name::parse("job_1"));
    let error = wait(ledger.forget(either.clone())).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.message().contains("job:job_1") && error.message().contains("key:job_1"), "{error}");
    let filter = Filter { name: either, limit: 9, ..Filter::default() };
    assert_eq!(wait(ledger.list(filter)).unwrap_err().kind(), Kind::Conflict);
    assert_eq!(wait(ledger.forget(Some(Name::parse("job:job_1")))).unwrap(), Forgotten::Gone(1));
    assert_eq!(all(&*ledger).iter().map(|entry| entry.row).collect::<Vec<_>>(), [key.row]);
}
