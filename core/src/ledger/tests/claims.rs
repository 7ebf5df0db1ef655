//! What a call continues: `promise.md`, 12 to 15.

use super::*;
use crate::ledger::{Forgotten, Name, Recorded, Written};
use crate::model::submission_state::State;

fn told(ledger: &dyn Ledger) -> Vec<Option<String>> {
    all(ledger)[0].calls.iter().map(|call| call.told.clone()).collect()
}

#[test]
fn entry_comes_back_as_it_was_recorded() {
    let place = Place::new();
    let ledger = place.open();
    let call = new(&*ledger, named("a", "order-1"));
    let file = Recorded {
        variant: 1,
        format: "pptx".to_owned(),
        path: "/decks/deck.pptx".to_owned(),
        size: 7,
        sha256: "ab".to_owned(),
        delivered: false,
    };
    for step in [
        accepted(),
        Step::Completed { files: None },
        Step::Replaceable { call: call.number, files: "[]".to_owned() },
        Step::Renaming(file.clone()),
        Step::Delivered { path: file.path.clone() },
        Step::Settled,
    ] {
        record(&*ledger, call.row, vec![step]).unwrap();
    }
    end(&*ledger, call, None);

    let found = all(&*ledger);
    let [entry] = &found[..] else { panic!("{found:?}") };
    assert_eq!((entry.row, &*entry.key, entry.state), (call.row, "order-1", State::Settled));
    assert_eq!((entry.job_id.as_deref(), entry.live, entry.own_key), (Some("job_1"), false, true));
    let asked = &entry.calls[0];
    assert_eq!((&*asked.operation, asked.told.as_deref(), asked.live), ("run", Some("OK"), false));
    assert_eq!(asked.replaceable.as_deref(), Some("[]"));
    assert_eq!(entry.files, [Recorded { delivered: true, ..file }]);
    assert!(entry.recorded.unix_ms > 1_600_000_000_000 && entry.recorded.boot_ms > 0);
    assert!(entry.settled_unix_ms.is_some_and(|at| at >= entry.recorded.unix_ms));
    let events = ["recorded", "accepted job_1", "completed", "renaming deck.pptx", "delivered deck.pptx"];
    assert_eq!(history(&*ledger, call.row), [&events[..], &["settled", "told OK"]].concat());
    assert_eq!(wait(ledger.unsettled()).unwrap(), 0);
}

#[test]
fn key_continues_its_submission_in_every_state() {
    let place = Place::new();
    let ledger = place.open();
    let steps = [
        vec![],
        vec![accepted()],
        vec![accepted(), Step::Completed { files: None }],
        vec![accepted(), Step::Settled],
        vec![accepted(), Step::Failed],
    ];
    let states = [State::Submitting, State::Accepted, State::Completed, State::Settled, State::Failed];
    for (at, (steps, state)) in steps.into_iter().zip(states).enumerate() {
        let key = format!("order-{at}");
        let call = new(&*ledger, named("a", &key));
        for step in steps {
            record(&*ledger, call.row, vec![step]).unwrap();
        }
        // A live process works on it, this one: it is waited for and not touched.
        assert!(matches!(find(&*ledger, named("a", &key)), Claimed::Live(entry) if entry.live));
        end(&*ledger, call, Some(Kind::Rejected));
        let elsewhere = Claim { directory: Some("/other".to_owned()), name: None, ..named("a", &key) };
        let (entry, second, adopted) = continued(&*ledger, elsewhere);
        assert_eq!((entry.row, entry.state, adopted), (call.row, state, false));
        assert_eq!(entry.body.is_some(), state == State::Submitting, "{state:?}");
        // Each call has a record of its own.
        assert_ne!(second.number, call.number);
        let calls = &all(&*ledger)[0].calls;
        assert_eq!((calls[0].directory.as_deref(), &calls[0].name), (Some("/other"), &None));
        assert_eq!((calls[0].live, calls[1].told.as_deref()), (true, Some("REJECTED")));
    }
}

#[test]
fn other_request_under_a_known_key_is_refused_in_every_state() {
    let place = Place::new();
    let ledger = place.open();
    let call = new(&*ledger, named("a", "k"));
    for over in [false, true] {
        let other = find(&*ledger, named("b", "k"));
        assert!(matches!(other, Claimed::OtherRequest(entry) if entry.row == call.row), "{over}");
        if !over {
            end(&*ledger, call, Some(Kind::Timeout));
        }
    }
    assert_eq!(all(&*ledger).len(), 1);
}

#[test]
fn refused_submission_begins_again_as_new() {
    let place = Place::new();
    let ledger = place.open();
    let call = new(&*ledger, named("a", "k"));
    record(&*ledger, call.row, vec![Step::Refused { code: Kind::Rejected }]).unwrap();
    end(&*ledger, call, Some(Kind::Rejected));
    assert!(is_unknown(&find(&*ledger, named("a", "k"))));
    assert_eq!(all(&*ledger)[0].state, State::Refused);

    // Another request may follow: of the first nothing came.
    let again = new(&*ledger, named("b", "k"));
    assert_eq!(again.row, call.row);
    let entry = &all(&*ledger)[0];
    assert_eq!((entry.state, entry.live, entry.job_id.as_deref()), (State::Submitting, true, None));
    end(&*ledger, again, Some(Kind::Timeout));
    assert!(continued(&*ledger, named("b", "k")).0.body.is_some());
}

#[test]
fn find_records_nothing_and_takes_over_what_is_known() {
    let place = Place::new();
    let ledger = place.open();
    assert!(is_unknown(&find(&*ledger, named("a", "k"))));
    assert!(all(&*ledger).is_empty());
    let call = new(&*ledger, named("a", "k"));
    end(&*ledger, call, Some(Kind::Timeout));
    assert_eq!(continued(&*ledger, named("a", "k")).0.row, call.row);
    assert!(all(&*ledger)[0].live);
}

#[test]
fn key_under_another_api_key_is_refused_before_anything_is_sent() {
    let place = Place::new();
    let (one, two) = (place.open_as("sk-one"), place.open_as("sk-two"));
    // A refusal of this API key does not hide what another one has bought since.
    let refused = new(&*two, named("a", "k"));
    record(&*two, refused.row, vec![Step::Refused { code: Kind::Unauthenticated }]).unwrap();
    end(&*two, refused, Some(Kind::Unauthenticated));
    let call = new(&*one, named("a", "k"));
    record(&*one, call.row, vec![accepted()]).unwrap();
    match find(&*two, named("a", "k")) {
        Claimed::OtherApiKey { entry, equal } => {
            assert_eq!((entry.job_id.as_deref(), entry.own_key, equal), (Some("job_1"), false, false));
        }
        other => panic!("{other:?}"),
    }
    // The way out, and from then on each has its own.
    let second = new(&*two, Claim { on_other_key_submit: true, ..named("a", "k") });
    assert_eq!(second.row, refused.row);
    end(&*two, second, None);
    assert_eq!(continued(&*two, named("a", "k")).0.row, second.row);

    // Both are listed, each with whose it is; what waits is counted by API key.
    let listed: Vec<_> = all(&*two).iter().map(|entry| (entry.row, entry.own_key)).collect();
    assert_eq!(listed, [(call.row, false), (second.row, true)]);
    end(&*one, call, Some(Kind::Timeout));
    assert_eq!((wait(one.unsettled()).unwrap(), wait(two.unsettled()).unwrap()), (1, 0));
}

#[test]
fn call_refused_for_its_api_key_is_repeated_with_another() {
    let place = Place::new();
    let (one, two) = (place.open_as("sk-revoked"), place.open_as("sk-good"));
    let call = new(&*one, named("a", "k"));
    record(&*one, call.row, vec![Step::Refused { code: Kind::Unauthenticated }]).unwrap();
    new(&*two, named("a", "k"));
}

#[test]
fn equal_unsettled_call_under_another_api_key_is_refused() {
    let place = Place::new();
    let (one, two) = (place.open_as("sk-old"), place.open_as("sk-new"));
    let call = new(&*one, run("a"));
    // As long as its process works on it, it is another tenant's.
    assert!(is_unknown(&find(&*two, run("a"))));
    end(&*one, call, Some(Kind::Timeout));
    assert!(matches!(find(&*two, run("a")), Claimed::OtherApiKey { equal: true, .. }));
    assert!(is_unknown(&find(&*two, Claim { on_other_key_submit: true, ..run("a") })));
    assert!(is_unknown(&find(&*two, run("b"))));
    // Forgotten, or settled, it is no reason to stop.
    let name = Name::Key(all(&*one)[0].key.clone());
    assert_eq!(wait(two.forget(Some(name))).unwrap(), Forgotten::Gone(1));
    assert!(is_unknown(&find(&*two, run("a"))));
}

#[test]
fn other_origins_are_other_ledgers() {
    let place = Place::new();
    let here = place.open();
    let call = new(&*here, named("a", "k"));
    end(&*here, call, Some(Kind::Timeout));
    let key = api_key::parse_key("sk-one").unwrap();
    let there = crate::ledger::open(&Location::At(place.path()), "http://127.0.0.1:1", &key, None);
    assert!(all(&*there).is_empty() && history(&*there, call.row).is_empty());
    assert!(wait(there.take(call.row)).unwrap().is_none());
    let name = Name::parse("k");
    assert_eq!(wait(there.forget(Some(name))).unwrap(), Forgotten::Unknown);
    new(&*there, run("a"));
    new(&*there, named("a", "k"));
}

#[test]
fn equal_call_continues_whatever_the_first_was_told_but_ok() {
    for code in [
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
        let call = new(&*ledger, run("a"));
        record(&*ledger, call.row, vec![accepted()]).unwrap();
        end(&*ledger, call, Some(code));
        let (entry, second, adopted) = continued(&*ledger, run("a"));
        assert_eq!((entry.row, adopted), (call.row, true), "{code:?}");
        assert_eq!(history(&*ledger, call.row).last().map(String::as_str), Some("adopted"));
        // It takes the place of the first call, and is a live program's own.
        assert_eq!(second, call);
        assert!(is_unknown(&find(&*ledger, run("a"))), "{code:?}");
        end(&*ledger, second, None);
        assert!(is_unknown(&find(&*ledger, run("a"))), "{code:?}");
    }
}

#[test]
fn calls_that_are_not_equal_are_not_adopted() {
    let place = Place::new();
    let ledger = place.open();
    let call = new(&*ledger, run("a"));
    assert!(is_unknown(&find(&*ledger, run("a"))), "of a live call");
    end(&*ledger, call, Some(Kind::Timeout));
    for claim in [
        Claim { adopt: false, ..run("a") },
        run("b"),
        named("a", "k"),
        Claim { directory: Some("/other".to_owned()), ..run("a") },
        Claim { directory: None, ..run("a") },
        Claim { name: None, ..run("a") },
        Claim { operation: "generate", ..run("a") },
    ] {
        assert!(is_unknown(&find(&*ledger, claim.clone())), "{claim:?}");
    }
    // What overwrites is an equal call.
    assert!(continued(&*ledger, Claim { overwrite: true, ..run("a") }).2);
}

#[test]
fn others_change_nothing_about_what_a_call_was_told() {
    let place = Place::new();
    let ledger = place.open();
    let call = new(&*ledger, run("a"));
    record(&*ledger, call.row, vec![accepted()]).unwrap();
    end(&*ledger, call, Some(Kind::Timeout));
    // `recover` settles it, and a `generate` with its key is told OK.
    wait(ledger.take(call.row)).unwrap().unwrap();
    record(&*ledger, call.row, vec![Step::Settled, Step::Released]).unwrap();
    let key = all(&*ledger)[0].key.clone();
    let generate = Claim { operation: "generate", directory: None, name: None, ..named("a", &key) };
    let (_, other, _) = continued(&*ledger, generate);
    end(&*ledger, other, None);
    assert_eq!(told(&*ledger), [Some("OK".to_owned()), Some("TIMEOUT".to_owned())]);
    // So the same call again goes on with it.
    assert!(continued(&*ledger, run("a")).2);
}

#[test]
fn end_that_was_not_taken_is_its_programs_own_while_that_lives() {
    let place = Place::new();
    let ledger = place.open();
    let call = new(&*ledger, named("a", "k"));
    // The end waits in a queue: settled, released, and not told.
    record(&*ledger, call.row, vec![accepted(), Step::Settled, Step::Released]).unwrap();
    assert!(is_unknown(&find(&*ledger, run("a"))));
    let (_, joined, _) = continued(&*ledger, named("a", "k"));
    assert_ne!(joined, call, "the end that waits stays");
    end(&*ledger, joined, Some(Kind::Timeout));
    // The queue is freed: the program will never have it, and an equal call does.
    record(&*ledger, call.row, vec![Step::Unheard { call: call.number }]).unwrap();
    let (entry, again, adopted) = continued(&*ledger, run("a"));
    assert_eq!((entry.state, again.row, adopted), (State::Settled, call.row, true));
}

#[test]
fn newest_of_several_is_adopted() {
    let place = Place::new();
    let ledger = place.open();
    let calls = [(); 3].map(|()| new(&*ledger, run("a")));
    for call in calls {
        end(&*ledger, call, Some(Kind::Timeout));
    }
    let order: Vec<Row> = calls.iter().map(|_| continued(&*ledger, run("a")).0.row).collect();
    assert_eq!(order, [calls[2].row, calls[1].row, calls[0].row]);
}

#[test]
fn failed_and_refused_submissions_are_bought_anew() {
    for step in [Step::Failed, Step::Refused { code: Kind::Rejected }] {
        let place = Place::new();
        let ledger = place.open();
        let call = new(&*ledger, run("a"));
        record(&*ledger, call.row, vec![step]).unwrap();
        end(&*ledger, call, Some(Kind::Timeout));
        assert!(is_unknown(&find(&*ledger, run("a"))));
    }
}

#[test]
fn equal_call_waits_for_a_process_that_works_on_its_submission() {
    let place = Place::new();
    let ledger = place.open();
    let call = new(&*ledger, run("a"));
    end(&*ledger, call, Some(Kind::Timeout));
    wait(ledger.take(call.row)).unwrap().unwrap();
    assert!(matches!(find(&*ledger, run("a")), Claimed::Live(_)));
    release(&*ledger, call.row);
    assert!(continued(&*ledger, run("a")).2);
}

#[test]
fn equal_decks_are_known_whatever_was_told() {
    let place = Place::new();
    let ledger = place.open();
    let decks = || {
        let decks = wait(ledger.equal_decks(Arc::new(run("a")))).unwrap();
        decks.into_iter().map(|entry| entry.row).collect::<Vec<_>>()
    };
    assert_eq!(decks(), []);
    let told = new(&*ledger, run("a"));
    end(&*ledger, told, None);
    let live = new(&*ledger, run("a"));
    end(&*ledger, new(&*ledger, run("b")), None);
    assert_eq!(decks(), [live.row, told.row]);
}

#[test]
fn call_that_was_made_again_and_told_has_its_end() {
    let place = Place::new();
    let ledger = place.open();
    let first = new(&*ledger, named("a", "k"));
    record(&*ledger, first.row, vec![accepted(), Step::Settled, Step::Released]).unwrap();
    // The first call's program lives and has not been told; the same call comes again, as from another
    // process.
    let (_, again, _) = continued(&*ledger, named("a", "k"));
    end(&*ledger, again, None);
    record(&*ledger, first.row, vec![Step::Unheard { call: first.number }]).unwrap();
    assert!(is_unknown(&find(&*ledger, run("a"))));
}

#[test]
fn key_of_a_refused_request_belongs_to_the_next_one_alone() {
    let place = Place::new();
    let ledger = place.open();
    let refused = new(&*ledger, named("a", "k"));
    record(&*ledger, refused.row, vec![Step::Refused { code: Kind::Rejected }]).unwrap();
    end(&*ledger, refused, Some(Kind::Rejected));
    let other = new(&*ledger, named("b", "k"));
    end(&*ledger, other, Some(Kind::Timeout));
    assert!(is_unknown(&find(&*ledger, run("a"))));
    assert!(continued(&*ledger, run("b")).2);
}

#[test]
fn submission_is_taken_over_once() {
    let place = Place::new();
    let ledger = place.open();
    let call = new(&*ledger, run("a"));
    assert!(wait(ledger.take(call.row)).unwrap().is_none(), "it is live");
    end(&*ledger, call, Some(Kind::Timeout));
    let entry = wait(ledger.take(call.row)).unwrap().unwrap();
    assert_eq!(entry.body.as_deref(), Some(&b"{\"prompt\":\"a\"}"[..]));
    assert!(wait(ledger.take(call.row)).unwrap().is_none());
    assert!(wait(ledger.take(Row { number: 99, ..call.row })).unwrap().is_none());
}

#[test]
fn step_changes_only_rows_of_this_process() {
    let place = Place::new();
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
    let place = Place::new();
    let ledger = place.open();
    let call = new(&*ledger, run("a"));
    let foreign = Step::Told { call: call.number + 1, code: None };
    record(&*ledger, call.row, vec![accepted(), foreign]).unwrap_err();
    assert_eq!((all(&*ledger)[0].state, history(&*ledger, call.row).len()), (State::Submitting, 1));
}

#[test]
fn caller_that_is_gone_leaves_what_it_claimed_to_others() {
    let place = Place::new();
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
    let place = Place::new();
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
    let place = Place::new();
    let ledger = place.open();
    let row = new(&*ledger, run("a")).row;
    let file = |path: &str, delivered| Recorded {
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
    let place = Place::new();
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
    let place = Place::new();
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
