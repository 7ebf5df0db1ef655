//! The oracle: what `promise.md` allows. A line of `RULES` is a rule of the promise, how it is broken, and what says
//! so, in the words of `books.rs`. Where the promise leaves something open, nothing is demanded.

use std::path::PathBuf;

use serde_json::Value;

use crate::books::{Books, Submission};
use crate::facts::{Answer, Asked, Call, Deck, Job, Own, Stamp, Weather};
use crate::history::Form;
use crate::judge::Of;
use crate::words::is_deck;
use crate::world::{GRACE, OWN_GRACE, deadline};

/// The rules, how each is broken, and what says so.
pub const RULES: [(&str, &str, Of); 32] = [
    ("1", "two purchases share a key", Of::Submission(shared_key)),
    ("3", "another request goes out under a key", Of::Submission(other_bytes)),
    ("3", "another key is advised for the same request", Of::Deck(bad_advice)),
    ("4", "a key is sent again when it can be forgotten", Of::Submission(sent_too_late)),
    ("4", "what is young is not sent again", Of::Submission(not_sent)),
    ("5", "an error names neither job nor key", Of::Deck(no_way_back)),
    ("6", "a wait ends before its job", Of::Call(ended_wait)),
    ("7", "fewer variants than were asked for", Of::Call(late_files)),
    ("8", "a deck is bought whose name is not free", Of::Purchase(taken_name)),
    ("9", "a file of the user's is changed or gone", Of::File(spoilt_file)),
    ("9", "a delivered deck is changed or gone", Of::Call(spoilt_deck)),
    ("9", "a file is not what a result says", Of::Call(false_result)),
    ("11", "what had arrived is gone", Of::Call(lost_bytes)),
    ("11", "what had arrived is fetched again", Of::Deck(fetched_again)),
    ("13", "a deck is billed and nowhere", Of::Submission(lost_deck)),
    ("13", "recover leaves what it could settle", Of::Line(left_line)),
    ("13", "a job that nobody asked for", Of::Submission(unasked_job)),
    ("13", "a deck that is there is not success without a request", Of::Deck(unseen_deck)),
    ("14", "a call buys what an equal call left unfinished", Of::Purchase(bought_twice)),
    ("14", "FILE over a deck that the call has to continue", Of::Deck(refused_deck)),
    ("14", "FILE does not name the key of an equal call's deck", Of::Deck(nameless_file)),
    ("14", "a call adopts what it must not", Of::Deck(false_adoption)),
    ("14", "jobs has another code than the call was told", Of::Submission(false_told)),
    ("15", "a call buys what another API key's call left", Of::Purchase(other_api_key)),
    ("16", "recover touches the living, or fears the dead", Of::Line(false_owner)),
    ("16", "a process sends what another works on", Of::Submission(touched)),
    ("18", "a forgotten key buys again, or the wrong name is forgotten", Of::Call(forgotten_key)),
    ("19", "a ledger that has a second name is used by it", Of::Purchase(other_name)),
    ("19", "a result says that the ledger has it, and it has not", Of::Call(unrecorded)),
    ("20", "billed: no, and it was sent", Of::Submission(false_bill)),
    ("20", "an error without a reason", Of::Call(no_reason)),
    ("20", "a call is late", Of::Call(late_call)),
];

fn shared_key(_: &Books<'_>, own: &Submission<'_>) -> bool {
    let bought = |call: &&&Call| call.is_ok() && call.result["adopted"] != true && call.has_no_key();
    own.key.is_empty() || own.calls.iter().filter(bought).count() > 1
}

fn other_bytes(_: &Books<'_>, own: &Submission<'_>) -> bool {
    own.attempts.windows(2).any(|pair| pair[0].body != pair[1].body && pair[0].answer != Answer::Refused)
}

fn bad_advice(b: &Books<'_>, call: &Call, deck: &Deck) -> bool {
    let advised =
        call.message.contains("another idempotency key") || call.message.contains("use another key");
    advised && b.of(call).is_some_and(|own| own.jobs.iter().any(|job| job.request == deck.line.request))
}

fn sent_too_late(b: &Books<'_>, own: &Submission<'_>) -> bool {
    let resubmits = b.facts.calls.iter().any(|call| call.api == own.api && call.resubmits());
    own.jobs.len() > 1 && own.has_late_attempt() && !resubmits && !b.looks_young(own)
}

fn not_sent(b: &Books<'_>, own: &Submission<'_>) -> bool {
    b.stays_unknown(own) && b.is_young(own)
}

fn no_way_back(_: &Books<'_>, call: &Call, _: &Deck) -> bool {
    let named = call.says("job_id").or(call.says("idempotency_key")).is_some();
    call.fails() && call.details["billed"] != "no" && !named && call.code != "FORKED"
}

fn ended_wait(b: &Books<'_>, call: &Call) -> bool {
    let Some(job) = b.job_of(call).filter(|job| !job.dropped && !b.had_wrong_clock()) else { return false };
    let works = job.ended.is_none_or(|ended| ended > call.over);
    let wait = matches!(call.asked, Asked::Wait(_));
    let verdict = call.code == "JOB_FAILED" && job.end != Some(false) || call.is_ok() && works;
    let other = ["OK", "JOB_FAILED", "TIMEOUT", "CANCELLED", "CLOSED", "FILE", "LEDGER", "OUTCOME_UNKNOWN"];
    let early = verdict || (works || wait) && !other.contains(&call.code.as_str());
    call.ended.is_some() && (call.is_run() || wait) && !call.refused && early
}

fn late_files(b: &Books<'_>, call: &Call) -> bool {
    let waits = call.is_run() || matches!(call.asked, Asked::Wait(_) | Asked::Download { .. });
    let job = b.job_of(call).filter(|job| waits && call.is_ok() && b.is_recorded(job, call));
    job.is_some_and(|job| call.offered() < job.variants() as usize)
}

fn taken_name(b: &Books<'_>, own: &Submission<'_>, call: &Call, deck: &Deck) -> bool {
    let at = own.attempts[0].at;
    let found = |path: &PathBuf| call.found.contains_key(path) && b.stays_until(path, at);
    let there = !deck.line.overwrite && call.targets.iter().any(found);
    there || b.decks.iter().any(|(other, _)| other.number != call.number && b.reserves(other, call, at))
}

fn spoilt_file(b: &Books<'_>, own: &Own) -> bool {
    let stays = own.until.is_some() || b.facts.files.get(&own.path) == Some(&own.hash);
    !stays && !b.could_replace(&own.path, own.at)
}

fn spoilt_deck(b: &Books<'_>, call: &Call) -> bool {
    let found = call.found.iter().filter(|(_, hash)| b.body(Some(hash)).is_some_and(|body| body.sound));
    let found = found.filter(|(path, _)| is_deck(path) && !b.may_still_be_replaced(path, call));
    let found = found.map(|(path, hash)| (path.as_path(), hash));
    call.decks().filter_map(|(path, hash)| Some((path, hash?))).chain(found).any(|(path, hash)| {
        let stays = b.facts.files.get(path) == Some(hash) || b.facts.handled.contains(hash);
        !stays && !b.could_replace(path, call.began) && !b.is_left_to_be_replaced(path, hash)
    })
}

fn false_result(b: &Books<'_>, call: &Call) -> bool {
    let missing =
        call.decks().any(|(_, hash)| b.body(hash).is_none_or(|body| !body.sound)) && !b.is_raced(call);
    let Some(deck) = call.deck().filter(|_| call.is_ok()) else { return missing };
    let Some(job) = b.job_of(call).filter(|job| job.request == deck.line.request) else { return true };
    let strange = call.decks().filter_map(|(path, hash)| Some((path, b.body(hash)?))).any(|(path, body)| {
        body.job != job.number || !deck.names(job, body.variant).iter().any(|name| path.ends_with(name))
    });
    missing || strange && !b.is_raced(call) || call.says("idempotency_key") != Some(&job.key)
}

fn lost_bytes(b: &Books<'_>, call: &Call) -> bool {
    call.code == "INCOMPLETE"
        && !b.had_bad_place(call)
        && b.facts.bodies.iter().any(|body| {
            let sent = body.sent.is_some_and(|(at, process)| process == call.process && call.spans(at));
            let better = |other: &String| b.body(Some(other)).is_some_and(|other| other.is_better_than(body));
            sent && !call.kept.contains(&body.hash) && !call.kept.iter().any(better)
        })
}

fn fetched_again(b: &Books<'_>, call: &Call, deck: &Deck) -> bool {
    // Where one file is all that there is to fetch.
    let plain = |job: &&Job| job.variants() == 1 && !b.facts.bodies.iter().any(|body| body.format == "pdf");
    let mut parts = b.whole_parts(call, deck).filter(plain);
    parts.any(|job| b.fetched(call, job) && call.known_key() == Some(&job.key))
}

fn lost_deck(b: &Books<'_>, own: &Submission<'_>) -> bool {
    // A run that was told that nothing was billed waits for nothing.
    let waits = |call: &&&Call| call.is_run() && call.details["billed"] != "no";
    let run = own.jobs.len() == 1 && own.calls.iter().filter(waits).any(|call| call.is_for(own.jobs[0]));
    let excused = b.is_forgotten(own, Stamp::MAX) || b.stays_unknown(own);
    own.sure
        && run
        && !excused
        && own.jobs.iter().any(|job| job.end == Some(true) && !job.dropped && !b.has_arrived(job))
}

fn left_line(b: &Books<'_>, call: &Call, line: &Value) -> bool {
    // What two submissions want at once is left to the next one: the last one counts.
    line["outcome"] == "unsettled" && b.is_last_report(call) && !b.facts.jobs.iter().any(|job| job.dropped)
}

fn unasked_job(b: &Books<'_>, own: &Submission<'_>) -> bool {
    own.jobs.iter().any(|job| !b.is_asked_for(own, job))
}

fn unseen_deck(b: &Books<'_>, call: &Call, deck: &Deck) -> bool {
    let there = |own: &Submission<'_>| {
        own.calls.iter().any(|other| other.number != call.number && other.left(deck, call))
    };
    let known = b.of(call).is_some_and(|own| there(own) && !b.is_forgotten(own, call.over));
    let wrong = !(call.is_ok() || call.is_stopped() || call.code == "CLOSED")
        || b.own_requests(call).next().is_some();
    call.is_run() && !call.has_no_key() && known && wrong && b.is_alone(call) && !b.may_lack_ledger(call)
}

fn bought_twice(b: &Books<'_>, own: &Submission<'_>, call: &Call, deck: &Deck) -> bool {
    let owed = |other: &Submission<'_>| other.key != own.key && b.is_owed(other, call);
    deck.adopts() && b.submissions.iter().any(owed)
}

fn refused_deck(b: &Books<'_>, call: &Call, deck: &Deck) -> bool {
    b.is_refused_over_name(call) && deck.adopts() && b.submissions.iter().any(|other| b.is_owed(other, call))
}

fn nameless_file(b: &Books<'_>, call: &Call, deck: &Deck) -> bool {
    let refused = b.is_refused_over_name(call) && deck.adopts() && !b.had_wrong_clock();
    let known = b.submissions.iter().filter(|own| own.api == call.api && !b.is_forgotten(own, call.over));
    let mut equal = known.flat_map(|own| &own.calls).filter(|other| other.is_like(deck));
    refused
        && equal.any(|other| {
            let owed = other.was_told_ok(call.began) && other.is_in_the_way_of(call);
            owed && !call.names(other) && !other.copy && !call.copy
        })
}

fn false_told(b: &Books<'_>, own: &Submission<'_>) -> bool {
    let told = own.calls.first().filter(|call| own.calls.len() == 1 && b.was_surely_told(call));
    let listed = b.facts.listed.iter().find_map(|(api, list)| own.listed(*api, list)?["told"].as_str());
    told.zip(listed).is_some_and(|(call, listed)| listed != call.code)
}

fn false_adoption(b: &Books<'_>, call: &Call, deck: &Deck) -> bool {
    let own = b.of(call).map_or(&[][..], |own| &own.calls);
    let told = |other: &Call| b.was_surely_told_ok(other, call.began);
    // A call that begins when another is over, and is told OK with its deck, is that one's repetition.
    let repeats = |later: &Call, other: &Call| later.is_like(deck) && later.began > other.over && told(later);
    let open = |other: &&Call| {
        let equal = other.number != call.number && other.is_like(deck) && other.api == call.api;
        let over = other.began < call.began && other.may_be_over(call.over);
        equal && over && !told(other) && !own.iter().any(|later| repeats(later, other))
    };
    call.result["adopted"] == true
        && !(deck.adopts() && own.iter().copied().chain(b.open()).any(|other| open(&other)))
}

fn other_api_key(b: &Books<'_>, own: &Submission<'_>, call: &Call, deck: &Deck) -> bool {
    !deck.line.other_key
        && b.submissions.iter().filter(|other| other.api != call.api).any(|other| {
            let sent =
                other.attempts.iter().any(|sent| sent.answer != Answer::Refused && sent.at < call.began);
            let works = other.jobs.iter().any(|job| job.ended.is_none_or(|ended| ended > own.attempts[0].at));
            other.key == own.key && sent || deck.adopts() && works && b.is_left(other, call)
        })
}

fn false_owner(b: &Books<'_>, call: &Call, line: &Value) -> bool {
    let own = b.submissions.iter().find(|own| own.api == call.api && line["idempotency_key"] == *own.key);
    let own = own.filter(|_| line["outcome"] != "other_key");
    let lives =
        own.is_some_and(|own| own.calls.iter().any(|asked| asked.is_under_way(call.began, call.over)));
    let works = line["outcome"] == "in_work";
    lives && !works || works && call.quiet && b.is_alone(call)
}

fn touched(_: &Books<'_>, own: &Submission<'_>) -> bool {
    own.attempts.iter().any(|sent| own.calls.iter().any(|call| own.is_worked_on_beside(sent, call)))
}

fn forgotten_key(b: &Books<'_>, forget: &Call) -> bool {
    let Some(name) = forget.forgets().filter(|_| forget.is_ok()) else { return false };
    let known = |own: &&Submission<'_>| own.was_told_ok(forget) && !b.is_forgotten(own, forget.began);
    // A text that is a key and another's job id has to be told apart.
    let both = b.submissions.iter().filter(known).filter(|own| own.is_named(name)).count() > 1;
    let bought = |own: &&Submission<'_>| {
        b.means(name, forget, own) && own.jobs.iter().any(|job| job.made < forget.began)
    };
    let again =
        |own: &Submission<'_>| own.calls.iter().any(|call| call.began > forget.over && own.has_sent(call));
    both || b.submissions.iter().filter(bought).any(again)
}

fn other_name(b: &Books<'_>, _: &Submission<'_>, call: &Call, _: &Deck) -> bool {
    b.facts.processes[call.process].alias
}

fn unrecorded(b: &Books<'_>, call: &Call) -> bool {
    call.is_ok()
        && call.result["recorded"] == true
        && b.of(call).is_some_and(|own| b.is_listed_without_job(own))
}

fn false_bill(_: &Books<'_>, own: &Submission<'_>) -> bool {
    let wrong = |call: &&Call| {
        let bytes = own.attempts.iter().filter(|sent| Some(sent.request) == call.request());
        let sent = bytes.filter(|sent| sent.at < call.over).any(|sent| sent.answer != Answer::Refused);
        let again = own.calls.iter().any(|other| other.number != call.number && other.over > call.over);
        let later = own.jobs.iter().any(|job| job.made > call.over && call.is_for(job)) && !again;
        let kept = call.form == Form::Keep && own.calls.len() > 1; // Its end was made before others sent the same.
        call.fails() && call.details["billed"] == "no" && !call.refused && !kept && (sent || later)
    };
    own.sure && !own.has_failed() && own.calls.iter().any(wrong)
}

fn no_reason(b: &Books<'_>, call: &Call) -> bool {
    let had = |weather| b.had(weather, call);
    let dropped = b.facts.jobs.iter().any(|job| job.dropped);
    let reason = match call.code.as_str() {
        "LEDGER" => b.may_lack_ledger(call),
        "FILE" => b.had_bad_place(call) || b.is_name_taken(call),
        "CONFLICT" => had(Weather::Trouble) || call.deck().is_none_or(|deck| b.is_conflict(call, deck)),
        "NOT_FOUND" => call.may_be_unknown() || dropped || b.has_two_apis() || had(Weather::Clock),
        "OUTCOME_UNKNOWN" => {
            had(Weather::Trouble) || call.is_stopped() || b.of(call).is_none_or(|own| !b.is_young(own))
        }
        "TIMEOUT" => call.seconds.is_some() || had(Weather::Passing) || b.had_bad_disk(call),
        "CANCELLED" => call.cancelled,
        "CLOSED" => !b.facts.processes[call.process].closed.is_empty(),
        "JOB_FAILED" => b.facts.jobs.iter().any(|job| job.end == Some(false)),
        "INCOMPLETE" if matches!(call.asked, Asked::Download { .. }) => true,
        "RATE_LIMITED" | "SERVER" | "TRANSPORT" | "PROTOCOL" | "REJECTED" | "UNAUTHENTICATED"
        | "INCOMPLETE" => had(Weather::Trouble) || b.had_bad_place(call) || dropped,
        _ => false,
    };
    call.fails() && !reason
}

fn late_call(b: &Books<'_>, call: &Call) -> bool {
    let longest = deadline(call).filter(|_| call.form != Form::Keep);
    longest.is_some_and(|longest| b.took(call) > longest + GRACE + OWN_GRACE / 2)
}
