//! Holds a history against the rules of `oracle.rs`.

use serde_json::Value;

use crate::books::{Books, Submission};
use crate::facts::{Call, Deck, Facts, Own};
use crate::oracle::RULES;

/// What is wrong, and by which rule. What is `timed` a machine that stood still can feign.
pub struct Complaint {
    pub rule: &'static str,
    pub breach: &'static str,
    pub what: String,
    pub timed: bool,
}

/// What a rule is about, and whether it is broken there.
pub enum Of {
    Submission(fn(&Books<'_>, &Submission<'_>) -> bool),
    /// A submission and the call that made it, where that is known.
    Purchase(fn(&Books<'_>, &Submission<'_>, &Call, &Deck) -> bool),
    /// A call that can cost money and has ended.
    Deck(fn(&Books<'_>, &Call, &Deck) -> bool),
    /// Any call that has ended, or never does.
    Call(fn(&Books<'_>, &Call) -> bool),
    File(fn(&Books<'_>, &Own) -> bool),
    /// A line of a report of `recover`.
    Line(fn(&Books<'_>, &Call, &Value) -> bool),
}

const TIMED: [&str; 3] = ["a wait ends before its job", "an error without a reason", "a call is late"];

pub fn judge(facts: &Facts) -> Vec<Complaint> {
    let books = Books::new(facts);
    let mut all = Vec::new();
    for (rule, breach, of) in RULES {
        let timed = TIMED.contains(&breach);
        all.extend(broken(&books, &of).into_iter().map(|what| Complaint { rule, breach, what, timed }));
    }
    let waits = |what: &String| Complaint {
        rule: "20",
        breach: "an end does not come",
        what: what.clone(),
        timed: true,
    };
    all.extend(facts.noticed.iter().map(waits));
    all
}

/// Where a rule is broken.
fn broken(b: &Books<'_>, of: &Of) -> Vec<String> {
    match of {
        Of::Submission(is) => b.submissions.iter().filter(|own| is(b, own)).map(Submission::line).collect(),
        Of::Purchase(is) => {
            let all = b.purchases().filter(|(own, call, deck)| is(b, own, call, deck));
            all.map(|(_, call, _)| call.line()).collect()
        }
        Of::Deck(is) => {
            let all = b.decks.iter().filter(|(call, deck)| call.ended.is_some() && is(b, call, deck));
            all.map(|(call, _)| call.line()).collect()
        }
        Of::Call(is) => b.facts.calls.iter().filter(|call| is(b, call)).map(Call::line).collect(),
        Of::File(is) => {
            let all = b.facts.own.iter().filter(|own| is(b, own));
            all.map(|own| own.path.display().to_string()).collect()
        }
        Of::Line(is) => {
            let all = b.recovered().filter(|(call, line)| is(b, call, line));
            all.map(|(call, line)| format!("call {}: {line}", call.number)).collect()
        }
    }
}
