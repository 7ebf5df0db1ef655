//! Makes a history that fails as short as it gets: events are taken out, in halves and then one by one, and
//! what is left is made simpler, for as long as the same rule is broken.

use std::time::{Duration, Instant};

use crate::history::{Event, Form, History, Key, Line};

/// The longest search, by the wall's clock: it is bounded and nothing is judged by it.
const LONGEST: Duration = Duration::from_secs(40);

/// The shortest history found that still fails.
pub fn shrink(history: &History, fails: impl Fn(&History) -> bool) -> History {
    let began = Instant::now();
    let fails = |events: &[Event]| {
        let shorter = History(events.to_vec());
        began.elapsed() < LONGEST && fails(&shorter)
    };
    let mut events = history.0.clone();
    loop {
        let before = events.clone();
        remove(&mut events, &fails);
        simplify(&mut events, &fails);
        if events == before || began.elapsed() > LONGEST {
            return History(events);
        }
    }
}

fn remove(events: &mut Vec<Event>, fails: &impl Fn(&[Event]) -> bool) {
    let mut size = events.len().div_ceil(2);
    while size > 0 && events.len() > 1 {
        let mut at = 0;
        while at < events.len() {
            let mut shorter = events.clone();
            shorter.drain(at..(at + size).min(events.len()));
            if fails(&shorter) {
                *events = shorter;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
}

fn simplify(events: &mut [Event], fails: &impl Fn(&[Event]) -> bool) {
    for at in 0..events.len() {
        for simpler in simpler(&events[at]) {
            let mut other = events.to_vec();
            other[at] = simpler.clone();
            if fails(&other) {
                events[at] = simpler;
            }
        }
    }
}

/// Events that say less.
fn simpler(event: &Event) -> Vec<Event> {
    let mut all = Vec::new();
    match event {
        Event::Call { at, form, copy, line } => {
            let mut push = |form: Form, copy: bool, line: Line| {
                let simpler = Event::Call { at: *at, form, copy, line };
                if simpler != *event {
                    all.push(simpler);
                }
            };
            push(Form::Queue, *copy, line.clone());
            push(*form, false, line.clone());
            push(*form, *copy, Line { key: Key::None, ..line.clone() });
            push(*form, *copy, Line { request: 0, ..line.clone() });
            push(*form, *copy, Line { directory: line.directory.min(1), ..line.clone() });
            push(*form, *copy, Line { name: 0, ..line.clone() });
            push(*form, *copy, Line { api: 0, ..line.clone() });
            push(*form, *copy, Line { overwrite: false, ..line.clone() });
            push(*form, *copy, Line { adopt_off: false, other_key: false, resubmit: false, ..line.clone() });
            push(*form, *copy, Line { seconds: None, ..line.clone() });
        }
        Event::Trouble { on, what, times } if *times > 1 => {
            all.push(Event::Trouble { on: *on, what: what.clone(), times: 1 });
        }
        _ => {}
    }
    all
}
