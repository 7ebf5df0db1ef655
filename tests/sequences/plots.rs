//! Plots: a few events that lead into a deep state together, with all else left to chance.

use crate::generate::Draw;
use crate::history::{Ask, Endpoint, Event, Form, Key, Line, Operation, REQUESTS, SLOTS, Touch, Trouble};

impl Draw {
    /// The first event of one; the others come next.
    pub fn plot(&mut self) -> Event {
        let mut all = match self.rng.u8(0..6) {
            0 | 1 => self.doubt(),
            2 => self.taken_name(),
            3 => self.shared_ledger(),
            4 => self.family(),
            _ => self.long_after(),
        };
        let first = all.remove(0);
        self.next.append(&mut all);
        first
    }

    /// A submission whose outcome is in doubt, what becomes of the program and of time, and the same line
    /// again.
    fn doubt(&mut self) -> Vec<Event> {
        let on = Endpoint::Submit;
        let after = self.rng.bool();
        let answer =
            |status, code: &str| Trouble::Answer { status, code: code.to_owned(), retry_s: 0, after };
        let first = self.pick(&[
            Trouble::Lose { after },
            Trouble::Hold { after },
            Trouble::Kill { after },
            Trouble::Garbage { after },
            answer(503, "unavailable"),
            answer(408, "timeout"),
            answer(409, "idempotency_in_progress"),
        ]);
        let mut events = vec![Event::Trouble { on, what: first, times: self.pick(&[1, 1, 3]) }];
        if self.rng.bool() {
            let second = self.pick(&[
                (400, "invalid_request"),
                (409, "idempotency_conflict"),
                (429, "slow"),
                (402, ""),
            ]);
            let (status, code) = (second.0, second.1.to_owned());
            events.push(Event::Trouble {
                on,
                what: Trouble::Answer { status, code, retry_s: 1, after: false },
                times: 1,
            });
        }
        events.extend(self.call_and_again(|draw| {
            let at = draw.slot();
            match draw.rng.u8(0..8) {
                0 | 1 => vec![Event::Cancel { at }],
                2 => vec![Event::Kill { at }],
                3 => vec![Event::Release],
                4 => vec![Event::Cancel { at }, Event::Release, Event::Kill { at }],
                5 => vec![Event::Pass { hours: 20 }, Event::Jump { hours: draw.pick(&[0, -11, -30]) }],
                6 => vec![Event::Pass { hours: 20 }, Event::Reboot { hours: draw.pick(&[0, -11, -30]) }],
                _ => vec![Event::Kill { at }, draw.ask()],
            }
        }));
        events
    }

    /// A call, what happens then, and the same line in any process.
    fn call_and_again(&mut self, then: impl Fn(&mut Draw) -> Vec<Event>) -> Vec<Event> {
        let call = self.call();
        let mut events = vec![call.clone()];
        events.extend(then(self));
        if let Event::Call { form, copy, line, .. } = call {
            events.push(Event::Call { at: self.slot(), form, copy, line });
        }
        events
    }

    /// A name that a user or another call takes while a call is under way.
    fn taken_name(&mut self) -> Vec<Event> {
        let directory = self.rng.u8(1..=2.min(self.habits.directories));
        let name = self.rng.u8(1..=2);
        let mut line = Line { directory, name, ..self.line() };
        line.op = Operation::Run;
        line.overwrite = self.rng.bool();
        let at = self.slot();
        let variant = if REQUESTS[usize::from(line.request)].2 > 1 { 1 } else { 0 };
        let file = |touch| Event::UserFile { directory, name, variant, ending: 0, touch };
        let mut events = Vec::new();
        if self.one_in(3) {
            events.push(file(Touch::Write));
        }
        events.extend([
            Event::HoldJobs { on: true },
            Event::Call { at, form: Form::Queue, copy: false, line },
            file(self.pick(&[Touch::Write, Touch::Edit, Touch::Delete])),
        ]);
        if self.rng.bool() {
            events.push(Event::Kill { at });
        }
        events.push(Event::Finish { failed: false });
        events.push(Event::Ask {
            at,
            form: Form::Queue,
            api: 0,
            seconds: None,
            what: Ask::Recover { resubmit: false },
        });
        events
    }

    /// Two API keys over one ledger.
    fn shared_ledger(&mut self) -> Vec<Event> {
        let at = self.slot();
        let mut line = Line { api: 0, adopt_off: false, other_key: self.one_in(4), ..self.line() };
        let first = Event::Call { at, form: Form::Queue, copy: false, line: line.clone() };
        line.api = 1;
        let stop = if self.rng.bool() { Event::Kill { at } } else { Event::Exit { at } };
        let second = Event::Call { at: self.slot(), form: self.form(), copy: false, line };
        vec![Event::HoldJobs { on: self.rng.bool() }, first, stop, second]
    }

    /// A parent, its child, and the same line.
    fn family(&mut self) -> Vec<Event> {
        let (at, raw) = (self.slot(), self.one_in(4));
        let child = (at + 1) % SLOTS;
        let call = self.call();
        let Event::Call { form, copy, line, .. } = call else { return vec![call] };
        let of = |at| Event::Call { at, form, copy, line: line.clone() };
        let who = self.pick(&[at, child, (at + 2) % SLOTS]);
        let mut events = vec![Event::HoldJobs { on: true }, of(at), Event::Fork { at, child, raw }];
        if self.rng.bool() {
            events.push(Event::Kill { at: self.pick(&[at, at, child]) });
        }
        events.push(of(who));
        events
    }

    /// A call under a key, and the same when a clock was far ahead in between.
    fn long_after(&mut self) -> Vec<Event> {
        let at = self.slot();
        let line = Line { key: Key::One, ..self.line() };
        let call = Event::Call { at, form: Form::Queue, copy: false, line };
        let (far, other) = (Event::Jump { hours: 2_640_000 }, self.call());
        let back = Event::Jump { hours: 0 };
        vec![call.clone(), Event::Exit { at }, far, other, Event::Exit { at }, back, call]
    }
}
