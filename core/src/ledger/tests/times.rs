//! What depends on the time: pruning and adoption, with a clock of the test's own. `promise.md`, 14 and 18.
//! And what forgetting leaves, which is the same as pruning.

use super::*;
use crate::common::clock::Stamp;
use crate::ledger::engine::{Engine, Ran, Work};
use crate::ledger::session::{Identity, Session};
use crate::ledger::{Forgotten, Name, claim, listing, step};
use crate::model::submission_state::State;

const DAY: u64 = 24 * 3_600_000;
const BEGIN: u64 = 1_700_000_000_000;

fn forget(ledger: &dyn Ledger, name: &str) -> Forgotten {
    wait(ledger.forget(Some(Name::parse(name)))).unwrap()
}

fn leave(ledger: &dyn Ledger, claim: Claim, steps: Vec<Step>) -> Row {
    let call = new(ledger, claim);
    for step in steps {
        record(ledger, call.row, vec![step]).unwrap();
    }
    end(ledger, call, None);
    call.row
}

#[test]
fn forget_leaves_what_is_unsettled_unless_it_is_named() {
    let place = TempLedger::new();
    let ledger = place.open();
    let waits = leave(&*ledger, named("a", "waits"), vec![accepted()]);
    leave(&*ledger, named("b", "done"), vec![accepted(), Step::Settled]);
    leave(&*ledger, named("c", "failed"), vec![Step::Failed]);
    leave(&*ledger, named("d", "refused"), vec![Step::Refused { code: Kind::Rejected }]);
    assert_eq!(wait(ledger.forget(None)).unwrap(), Forgotten::Gone(3));
    assert_eq!(all(&*ledger).iter().map(|entry| entry.row).collect::<Vec<_>>(), [waits]);
    assert_eq!(forget(&*ledger, "nothing"), Forgotten::Unknown);
    assert_eq!(forget(&*ledger, "job_1"), Forgotten::Gone(1));
    assert!(all(&*ledger).is_empty() && history(&*ledger, waits).is_empty());
    assert_eq!(wait(ledger.forget(None)).unwrap(), Forgotten::Gone(0));
}

#[test]
fn forget_leaves_what_a_live_process_works_on() {
    let place = TempLedger::new();
    let ledger = place.open();
    let call = new(&*ledger, named("a", "k"));
    assert_eq!(forget(&*ledger, "k"), Forgotten::Live);
    record(&*ledger, call.row, vec![Step::Settled]).unwrap();
    assert_eq!(wait(ledger.forget(None)).unwrap(), Forgotten::Gone(0));
    assert_eq!(all(&*ledger).len(), 1);
}

#[test]
fn forgotten_key_does_not_buy_again_unnoticed() {
    let place = TempLedger::new();
    let ledger = place.open();
    leave(&*ledger, named("a", "paid"), vec![accepted(), Step::Settled]);
    leave(&*ledger, named("a", "unknown"), vec![]);
    leave(&*ledger, named("a", "refused"), vec![Step::Refused { code: Kind::Rejected }]);
    for key in ["paid", "unknown", "refused"] {
        assert_eq!(forget(&*ledger, key), Forgotten::Gone(1));
    }
    let pruned = |claim: Claim| match find(&*ledger, claim) {
        Claimed::Pruned { job_id, same_request } => (job_id, same_request),
        other => panic!("{other:?}"),
    };
    assert_eq!(pruned(named("a", "paid")), (Some("job_1".to_owned()), true));
    assert_eq!(pruned(named("b", "paid")), (Some("job_1".to_owned()), false));
    assert_eq!(pruned(named("a", "unknown")), (None, true));
    // Of this one nothing came, so it is no second purchase.
    new(&*ledger, named("a", "refused"));
    // A call without a key, or with a key of its own, is another purchase.
    new(&*ledger, run("a"));
    assert!(all(&*ledger).iter().all(|entry| entry.state == State::Submitting));

    // It is known under another API key too, until the caller accepts that.
    let other = place.open_as("sk-two");
    assert!(matches!(find(&*other, named("a", "paid")), Claimed::Pruned { .. }));
    new(&*other, Claim { on_other_key_submit: true, ..named("a", "paid") });
}

#[test]
fn forget_prefers_this_api_keys_submission() {
    let place = TempLedger::new();
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

/// A ledger in memory whose time the test says.
struct Timed {
    engine: Engine,
    identity: Identity,
}

impl Timed {
    fn new() -> Timed {
        let identity = Identity { origin: ORIGIN.to_owned(), api_key: api_key::parse_key("sk-one").unwrap() };
        Timed { engine: Engine::new(Location::Off), identity }
    }

    fn at<T: Send>(
        &mut self,
        unix_ms: u64,
        work: impl FnOnce(&mut Session<'_>, &Identity) -> Result<T, Error> + Send,
    ) -> T {
        let (mut came, identity) = (None, &self.identity);
        let mut once = Once(Some(|session: &mut Session<'_>| {
            came = Some(work(session, identity)?);
            Ok(())
        }));
        let now = Stamp { unix_ms, ..Stamp::now() };
        let ran = self.engine.run(&mut [&mut once], &now);
        assert!(matches!(ran, Ran::Committed { .. }), "{ran:?}");
        drop(once);
        came.unwrap()
    }

    fn begin(&mut self, unix_ms: u64, claim: Claim) -> Claimed {
        self.at(unix_ms, |session, identity| claim::begin(session, identity, &claim, None)).claimed
    }

    /// A submission that is begun, recorded so far, and given back; `told`: whether its program was given the
    /// end.
    fn leave(&mut self, unix_ms: u64, claim: Claim, steps: Vec<Step>, told: bool) -> CallId {
        let call = is_new(Ok(self.begin(unix_ms, claim)));
        let end = if told {
            Step::Told { call: call.number, code: None }
        } else {
            Step::Unheard { call: call.number }
        };
        let steps: Vec<Step> = steps.into_iter().chain([end, Step::Released]).collect();
        self.at(unix_ms, |session, _| step::apply(session, call.row, &steps).map(drop));
        call
    }

    fn left(&mut self, unix_ms: u64) -> usize {
        // Old ones go in the group of the next call, and are gone for the one after it.
        self.at(unix_ms, |_, _| Ok(()));
        let filter = Filter { limit: 10_000, ..Filter::default() };
        self.at(unix_ms, |session, identity| listing::list(session, identity, &filter)).len()
    }
}

#[test]
fn settled_submissions_are_pruned_after_90_days_seen_twice() {
    let mut ledger = Timed::new();
    for (prompt, steps, told) in [
        ("settled", vec![accepted(), Step::Settled], true),
        ("failed", vec![accepted(), Step::Failed], true),
        ("refused", vec![Step::Refused { code: Kind::Rejected }], true),
        ("waits", vec![accepted()], true),
        ("not told", vec![accepted(), Step::Settled], false),
    ] {
        ledger.leave(BEGIN, named(prompt, prompt), steps, told);
    }
    ledger.leave(BEGIN + 50 * DAY, named("younger", "younger"), vec![accepted(), Step::Settled], true);
    assert_eq!(ledger.left(BEGIN + 90 * DAY), 6);
    assert_eq!(ledger.left(BEGIN + 92 * DAY), 6, "seen for the first time");
    assert_eq!(ledger.left(BEGIN + 98 * DAY), 6, "not a week later yet");
    assert_eq!(ledger.left(BEGIN + 100 * DAY), 3, "the one that waits, the untold and the younger one");

    for prompt in ["settled", "failed"] {
        let claimed = ledger.begin(BEGIN + 100 * DAY, named(prompt, prompt));
        assert!(
            matches!(&claimed, Claimed::Pruned { job_id: Some(job), same_request: true } if job == "job_1"),
            "{claimed:?}"
        );
    }
    is_new(Ok(ledger.begin(BEGIN + 100 * DAY, named("refused", "refused"))));
}

#[test]
fn clock_that_is_wrong_for_a_call_prunes_nothing() {
    let mut ledger = Timed::new();
    ledger.leave(BEGIN, named("a", "k"), vec![accepted(), Step::Settled], true);
    // A hundred days ahead, and right again; that several times.
    for at in [100 * DAY, DAY, 120 * DAY, 2 * DAY, 140 * DAY, 3 * DAY] {
        assert_eq!(ledger.left(BEGIN + at), 1, "{} days", at / DAY);
    }
    // Really old, it goes a week after it was seen so.
    assert_eq!(ledger.left(BEGIN + 91 * DAY), 1);
    assert_eq!(ledger.left(BEGIN + 99 * DAY), 0);
}

#[test]
fn many_are_pruned_a_part_at_a_time() {
    let mut ledger = Timed::new();
    for number in 0..1_200 {
        ledger.leave(BEGIN, named("a", &number.to_string()), vec![Step::Settled], true);
    }
    ledger.left(BEGIN + 92 * DAY);
    let left: Vec<usize> = (0..4).map(|at| ledger.left(BEGIN + 100 * DAY + at)).collect();
    assert_eq!(left, [700, 0, 0, 0]);
}

#[test]
fn adoption_of_a_settled_submission_ends_with_its_window() {
    let mut ledger = Timed::new();
    let call = ledger.leave(BEGIN, run("a"), vec![accepted(), Step::Settled], false);
    let window = run("a").adopt_window_ms;
    let found = |ledger: &mut Timed, at: u64| {
        ledger.at(at, |session, identity| {
            let found = claim::find(session, identity, &run("a"))?;
            // Left as it was.
            if let Some((row, steps)) = claim::withdrawal(&found) {
                step::apply(session, row, &steps)?;
            }
            Ok(found.claimed)
        })
    };
    for at in [BEGIN, BEGIN + window, BEGIN - DAY] {
        assert!(matches!(found(&mut ledger, at), Claimed::Continued { adopted: true, .. }), "{at}");
    }
    match found(&mut ledger, BEGIN + window + 1) {
        Claimed::Unknown { earlier: Some(entry) } => assert_eq!(entry.row, call.row),
        other => panic!("{other:?}"),
    }
    // An unsettled one is adopted however old it is.
    ledger.leave(BEGIN, run("b"), vec![accepted()], false);
    let claimed = ledger.begin(BEGIN + 1_000 * DAY, run("b"));
    assert!(matches!(claimed, Claimed::Continued { adopted: true, .. }), "{claimed:?}");
}
