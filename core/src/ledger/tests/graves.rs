//! What is forgotten, when, and what stays of it: promise, 18.

use super::*;
use crate::error::Kind;
use crate::ledger::engine::{Engine, Ran, Work};
use crate::ledger::session::{Identity, Session};
use crate::ledger::{Forgotten, State, Step, claim, listing, step};

const DAY: u64 = 24 * 3_600_000;

fn forget(ledger: &dyn Ledger, name: &str) -> Forgotten {
    wait(ledger.forget(Some(name.to_owned()))).unwrap()
}

fn leave(ledger: &dyn Ledger, claim: Claim, steps: Vec<Step>) -> Row {
    let row = new(wait(ledger.claim(claim)));
    for step in steps {
        wait(ledger.record(row, step)).unwrap();
    }
    wait(ledger.record(row, Step::Released { told: None })).unwrap();
    row
}

fn accepted() -> Step {
    Step::Accepted { job_id: "job_1".to_owned() }
}

#[test]
fn nothing_unsettled_is_forgotten_unless_it_is_named() {
    let place = Place::new();
    let ledger = place.open();
    let waits = leave(&*ledger, named("a", "waits"), vec![accepted()]);
    leave(&*ledger, named("b", "done"), vec![accepted(), Step::Settled]);
    leave(&*ledger, named("c", "failed"), vec![accepted(), Step::Failed]);
    leave(&*ledger, named("d", "refused"), vec![Step::Refused { code: Kind::Rejected }]);
    assert_eq!(wait(ledger.forget(None)).unwrap(), Forgotten::Gone(3));
    assert_eq!(all(&*ledger).iter().map(|entry| entry.row).collect::<Vec<_>>(), [waits]);
    assert_eq!(forget(&*ledger, "nothing"), Forgotten::Unknown);
    assert_eq!(forget(&*ledger, "job_1"), Forgotten::Gone(1));
    assert!(all(&*ledger).is_empty() && history(&*ledger, waits).is_empty());
    assert_eq!(wait(ledger.forget(None)).unwrap(), Forgotten::Gone(0));
}

#[test]
fn what_is_worked_on_is_not_forgotten() {
    let place = Place::new();
    let ledger = place.open();
    let row = new(wait(ledger.claim(named("a", "k"))));
    assert_eq!(forget(&*ledger, "k"), Forgotten::Live);
    wait(ledger.record(row, Step::Settled)).unwrap();
    assert_eq!(wait(ledger.forget(None)).unwrap(), Forgotten::Gone(0));
    assert_eq!(all(&*ledger).len(), 1);
}

#[test]
fn a_forgotten_key_does_not_buy_again_unnoticed() {
    let place = Place::new();
    let ledger = place.open();
    leave(&*ledger, named("a", "paid"), vec![accepted(), Step::Settled]);
    leave(&*ledger, named("a", "unknown"), vec![]);
    leave(&*ledger, named("a", "refused"), vec![Step::Refused { code: Kind::Rejected }]);
    for key in ["paid", "unknown", "refused"] {
        assert_eq!(forget(&*ledger, key), Forgotten::Gone(1));
    }
    let pruned = |claim: Claim| match wait(ledger.claim(claim)) {
        Ok(Claimed::Pruned { job_id, same_request }) => (job_id, same_request),
        other => panic!("{other:?}"),
    };
    assert_eq!(pruned(named("a", "paid")), (Some("job_1".to_owned()), true));
    assert_eq!(pruned(named("b", "paid")), (Some("job_1".to_owned()), false));
    assert_eq!(pruned(named("a", "unknown")), (None, true));
    // Nothing came of this one, so it is no second purchase.
    new(wait(ledger.claim(named("a", "refused"))));
    // A call without a key, or with a key of its own, is another purchase.
    new(wait(ledger.claim(run("a"))));
    assert!(all(&*ledger).iter().all(|entry| entry.state == State::Submitting));

    // It is known under another API key too, until that is accepted.
    let other = place.open_as("sk-two");
    assert!(matches!(wait(other.claim(named("a", "paid"))), Ok(Claimed::Pruned { .. })));
    new(wait(other.claim(Claim { on_other_key_submit: true, ..named("a", "paid") })));
}

#[test]
fn another_api_keys_is_forgotten_by_its_name_alone() {
    let place = Place::new();
    let (one, two) = (place.open_as("sk-one"), place.open_as("sk-two"));
    let theirs = leave(&*one, named("a", "k"), vec![accepted()]);
    let ours = leave(&*two, Claim { on_other_key_submit: true, ..named("a", "k") }, vec![]);
    assert_eq!(forget(&*two, "k"), Forgotten::Gone(1));
    assert_eq!(all(&*two).iter().map(|entry| entry.row).collect::<Vec<_>>(), [theirs]);
    assert_ne!(theirs, ours);
    assert_eq!(forget(&*two, "k"), Forgotten::Gone(1));
}

/// One caller's work.
struct Once<F>(Option<F>);

impl<F: FnOnce(&mut Session<'_>) -> Result<(), Error> + Send> Work for Once<F> {
    fn writes(&self) -> bool {
        true
    }

    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Error> {
        (self.0.take().unwrap())(session)
    }
}

/// Does this as if it were that late.
fn at<T: Send>(
    engine: &mut Engine,
    now: u64,
    work: impl FnOnce(&mut Session<'_>) -> Result<T, Error> + Send,
) -> T {
    let mut came = None;
    let mut once = Once(Some(|session: &mut Session<'_>| {
        came = Some(work(session)?);
        Ok(())
    }));
    let ran = engine.run(&mut [&mut once], now);
    assert!(matches!(ran, Ran::Committed { .. }), "{ran:?}");
    drop(once);
    came.unwrap()
}

#[test]
fn what_is_settled_is_pruned_after_90_days() {
    let identity = Identity { origin: ORIGIN.to_owned(), api_key: secret::parse_key("sk-one").unwrap() };
    let mut engine = Engine::new(Location::Off);
    let end = |engine: &mut Engine, now: u64, prompt: &str, steps: Vec<Step>| {
        at(engine, now, |session| {
            let row = new(claim::claim(session, &identity, &named(prompt, prompt)));
            for one in steps.into_iter().chain([Step::Released { told: None }]) {
                step::record(session, row, &one)?;
            }
            Ok(())
        });
    };
    let left = |engine: &mut Engine, now: u64| {
        // Old ones go in the group of whoever comes, and are gone for the next.
        at(engine, now, |_| Ok(()));
        let filter = Filter { limit: 10_000, ..Filter::default() };
        at(engine, now, |session| listing::list(session, &identity, &filter)).len()
    };
    let begin = 1_700_000_000_000;
    end(&mut engine, begin, "settled", vec![accepted(), Step::Settled]);
    end(&mut engine, begin, "failed", vec![accepted(), Step::Failed]);
    end(&mut engine, begin, "refused", vec![Step::Refused { code: Kind::Rejected }]);
    end(&mut engine, begin, "waits", vec![accepted()]);
    end(&mut engine, begin + 50 * DAY, "younger", vec![accepted(), Step::Settled]);
    assert_eq!(left(&mut engine, begin + 90 * DAY), 5);
    assert_eq!(left(&mut engine, begin + 92 * DAY), 2, "what waits and what is younger");

    let claimed = |engine: &mut Engine, prompt: &str| {
        at(engine, begin + 92 * DAY, |session| claim::claim(session, &identity, &named(prompt, prompt)))
    };
    for prompt in ["settled", "failed"] {
        let claimed = claimed(&mut engine, prompt);
        assert!(
            matches!(&claimed, Claimed::Pruned { job_id: Some(job), same_request: true } if job == "job_1"),
            "{claimed:?}"
        );
    }
    new(Ok(claimed(&mut engine, "refused")));
    continued(Ok(claimed(&mut engine, "waits")));
}

#[test]
fn many_are_pruned_a_part_at_a_time() {
    let identity = Identity { origin: ORIGIN.to_owned(), api_key: secret::parse_key("sk-one").unwrap() };
    let mut engine = Engine::new(Location::Off);
    let begin = 1_700_000_000_000;
    at(&mut engine, begin, |session| {
        for number in 0..1_200 {
            let key = number.to_string();
            let row = new(claim::claim(session, &identity, &named("a", &key)));
            step::record(session, row, &Step::Settled)?;
            step::record(session, row, &Step::Released { told: None })?;
        }
        Ok(())
    });
    let filter = Filter { limit: 10_000, ..Filter::default() };
    let left: Vec<usize> = (0..4)
        .map(|_| {
            at(&mut engine, begin + 100 * DAY, |session| listing::list(session, &identity, &filter)).len()
        })
        .collect();
    assert_eq!(left, [1_200, 700, 200, 0]);
}
