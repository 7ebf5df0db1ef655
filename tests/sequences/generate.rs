//! The generator of histories: each seed switches a part of all that can happen on, uses few names, keys and
//! requests, and so often comes to the same things twice.

use fastrand::Rng;

use crate::history::{
    Ask, Disk, Endpoint, Event, Form, History, Key, Line, Operation, REQUESTS, SLOTS, Touch, Trouble,
};

/// What a seed's lines can have.
pub struct Habits {
    pub keys: bool,
    pub two_apis: bool,
    pub names: bool,
    pub overwrite: bool,
    pub generate: bool,
    pub short: bool,
    pub options: bool,
    pub copies: bool,
    pub forms: bool,
    pub directories: u8,
    pub requests: u8,
}

pub struct Draw {
    pub rng: Rng,
    pub habits: Habits,
    lines: Vec<Line>,
    slots: u8,
    /// What comes next, of a plot.
    pub next: Vec<Event>,
}

/// A kind of event and how likely it is where a seed has it.
type Kind = (u32, fn(&mut Draw) -> Event);

/// Every seed has the first two.
const KINDS: [Kind; 22] = [
    (30, Draw::call),
    (9, Draw::kill),
    (8, Draw::ask),
    (10, Draw::trouble),
    (6, Draw::finish),
    (5, Draw::hold),
    (4, Draw::release),
    (6, Draw::cancel),
    (8, Draw::take_or_free),
    (5, Draw::user_file),
    (4, Draw::die_at),
    (3, Draw::time),
    (4, Draw::fork),
    (4, Draw::read_ledger),
    (3, Draw::disk),
    (2, Draw::end),
    (1, Draw::lock),
    (1, Draw::ledger),
    (2, Draw::seal),
    (1, Draw::drop_jobs),
    (2, Draw::down),
    (7, Draw::plot),
];

pub fn history(seed: u64) -> History {
    let mut rng = Rng::with_seed(seed);
    let length = rng.usize(5..=40);
    let habits = Habits {
        keys: rng.bool(),
        two_apis: rng.u8(0..4) == 0,
        names: rng.u8(0..4) > 0,
        overwrite: rng.u8(0..3) == 0,
        generate: rng.u8(0..3) == 0,
        short: rng.bool(),
        options: rng.u8(0..3) == 0,
        copies: rng.u8(0..8) == 0,
        forms: rng.bool(),
        directories: rng.u8(1..=3),
        requests: rng.u8(1..=u8::try_from(REQUESTS.len()).unwrap()),
    };
    let slots = rng.u8(1..=SLOTS);
    let kinds: Vec<Kind> = KINDS
        .iter()
        .enumerate()
        .filter(|(at, _)| *at < 2 || rng.u8(0..5) < 2)
        .map(|(_, kind)| *kind)
        .collect();
    let mut draw = Draw { rng, habits, lines: Vec::new(), slots, next: Vec::new() };
    let mut events = draw.service();
    while events.len() < length {
        if !draw.next.is_empty() {
            events.push(draw.next.remove(0));
            continue;
        }
        let all = kinds.iter().map(|(weight, _)| weight).sum();
        let mut at = draw.rng.u32(0..all);
        let kind = kinds.iter().find(|(weight, _)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        events.push(kind.unwrap().1(&mut draw));
    }
    History(events)
}

impl Draw {
    pub fn one_in(&mut self, count: u8) -> bool {
        self.rng.u8(0..count) == 0
    }

    pub fn slot(&mut self) -> u8 {
        self.rng.u8(0..self.slots)
    }

    pub fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.rng.usize(0..all.len())].clone()
    }

    /// How the service is in this history.
    fn service(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if self.rng.bool() {
            events.push(Event::HoldJobs { on: true });
        }
        if self.one_in(3) {
            let (young, late, pdf) = (self.rng.bool(), self.rng.u8(0..=5), self.one_in(3));
            events.push(Event::Service { young, late, pdf });
        }
        events
    }

    pub fn line(&mut self) -> Line {
        let api = u8::from(self.habits.two_apis && self.one_in(3));
        let op = if self.habits.generate && self.one_in(2) { Operation::Generate } else { Operation::Run };
        let directory = match op {
            Operation::Generate if !self.one_in(4) => 0,
            _ => self.rng.u8(1..=self.habits.directories),
        };
        let name = if self.habits.names && directory > 0 { self.rng.u8(0..=2) } else { 0 };
        let key = if self.habits.keys { self.key() } else { Key::None };
        let flag = |draw: &mut Draw, on: bool| on && draw.one_in(4);
        Line {
            op,
            api,
            request: self.rng.u8(0..self.habits.requests),
            directory,
            name,
            key,
            overwrite: flag(self, self.habits.overwrite),
            adopt_off: flag(self, self.habits.options),
            other_key: flag(self, self.habits.options),
            resubmit: flag(self, self.habits.options),
            seconds: self.seconds(),
        }
    }

    fn key(&mut self) -> Key {
        self.pick(&[Key::None, Key::None, Key::One, Key::One, Key::Two, Key::LikeAJob, Key::Last])
    }

    fn seconds(&mut self) -> Option<u32> {
        (self.habits.short && self.one_in(4)).then(|| self.pick(&[1, 5, 20, 60]))
    }

    /// Mostly a line that was there before, as a program has it that is started again, or almost that.
    pub fn call(&mut self) -> Event {
        let line = if self.lines.is_empty() || self.one_in(3) {
            self.line()
        } else {
            let mut line = self.pick(&self.lines.clone());
            let other = self.line();
            match self.rng.u8(0..16) {
                0 => line.key = other.key,
                1 => line.directory = if line.directory > 0 { other.directory.max(1) } else { 0 },
                2 => line.api = other.api,
                3 => line.name = if line.directory > 0 { other.name } else { 0 },
                4 => line.overwrite = other.overwrite,
                5 => (line.resubmit, line.adopt_off) = (other.resubmit, other.adopt_off),
                6 => line.request = other.request,
                7 => line.other_key = other.other_key,
                _ => {}
            }
            // The same line with another API key is what a team has that shares a ledger.
            if self.habits.two_apis && self.one_in(4) {
                line.api = 1 - line.api;
            }
            line.seconds = self.seconds();
            line
        };
        self.lines.push(line.clone());
        let copy = self.habits.copies && self.one_in(3);
        Event::Call { at: self.slot(), form: self.form(), copy, line }
    }

    pub fn form(&mut self) -> Form {
        if !self.habits.forms {
            return Form::Queue;
        }
        self.pick(&[Form::Queue, Form::Queue, Form::Keep, Form::Keep, Form::Block])
    }

    pub fn ask(&mut self) -> Event {
        let api = u8::from(self.habits.two_apis && self.one_in(3));
        let (recover, jobs) = (Ask::Recover { resubmit: self.habits.options && self.one_in(4) }, Ask::Jobs);
        let download = Ask::Download {
            directory: self.rng.u8(1..=2),
            name: self.rng.u8(0..=2),
            overwrite: self.habits.overwrite && self.one_in(3),
        };
        let what = self.pick(&[
            recover.clone(),
            recover,
            jobs,
            Ask::Status,
            Ask::Wait,
            Ask::Wait,
            download,
            Ask::ForgetJob,
            Ask::ForgetKey,
            Ask::ForgetSettled,
            Ask::ForgetLikeAJob,
            Ask::ForgetOnlyJob,
            Ask::ForgetOnlyKey,
        ]);
        Event::Ask { at: self.slot(), form: self.form(), api, seconds: self.seconds(), what }
    }

    fn kill(&mut self) -> Event {
        Event::Kill { at: self.slot() }
    }

    fn die_at(&mut self) -> Event {
        let far = self.pick(&[10, 40, 120]);
        Event::DieAt { at: self.slot(), calls: self.rng.u16(1..=far) }
    }

    fn end(&mut self) -> Event {
        if self.rng.bool() { Event::Exit { at: self.slot() } } else { Event::Close { at: self.slot() } }
    }

    fn cancel(&mut self) -> Event {
        Event::Cancel { at: self.slot() }
    }

    fn take_or_free(&mut self) -> Event {
        let at = self.slot();
        match self.rng.u8(0..7) {
            0..=2 => Event::Take { at },
            3..=5 => Event::Free { at },
            _ => Event::DropQueue { at },
        }
    }

    fn fork(&mut self) -> Event {
        let at = self.slot();
        Event::Fork { at, child: (at + self.rng.u8(1..SLOTS)) % SLOTS, raw: self.one_in(5) }
    }

    fn read_ledger(&mut self) -> Event {
        if self.one_in(4) { Event::CopyLedger } else { Event::ReadLedger { at: self.slot() } }
    }

    fn time(&mut self) -> Event {
        match self.rng.u8(0..4) {
            0 => Event::Pass { hours: self.pick(&[4, 11, 20, 50]) },
            1 => Event::Reboot { hours: self.pick(&[0, 0, -11, -30, 30, -5_000_000]) },
            // 110 days, so that what was settled would be pruned.
            _ => Event::Jump { hours: self.pick(&[-11, -30, 11, 30, 2_640_000, 0]) },
        }
    }

    fn user_file(&mut self) -> Event {
        let touch = self.pick(&[Touch::Write, Touch::Write, Touch::Edit, Touch::Move, Touch::Delete]);
        let (directory, name) = (self.rng.u8(1..=2.min(self.habits.directories)), self.rng.u8(1..=2));
        let ending = u8::from(self.one_in(6));
        Event::UserFile { directory, name, variant: self.pick(&[0, 0, 0, 1, 2]), ending, touch }
    }

    fn seal(&mut self) -> Event {
        Event::Seal { directory: self.rng.u8(1..=2.min(self.habits.directories)), on: self.rng.u8(0..3) > 0 }
    }

    fn lock(&mut self) -> Event {
        if self.rng.bool() { Event::LockLedger } else { Event::UnlockLedger }
    }

    fn ledger(&mut self) -> Event {
        match self.rng.u8(0..3) {
            0 => Event::LinkLedger { symbolic: self.rng.bool() },
            1 => Event::MoveLedger,
            _ => Event::CopyLedger,
        }
    }

    fn disk(&mut self) -> Event {
        if self.one_in(3) {
            return Event::DiskSound;
        }
        let disk = if self.rng.bool() { Disk::Full } else { Disk::Broken };
        let count = self.pick(&[1, 2, 5, 100]);
        // A ledger takes sixty calls to be made, and few for a step after that.
        let ledger = self.rng.bool();
        let skip = if ledger { self.rng.u8(0..100) } else { self.rng.u8(0..12) };
        Event::DiskFault { ledger, disk, skip, count }
    }

    fn trouble(&mut self) -> Event {
        let on = self.pick(&[
            Endpoint::Submit,
            Endpoint::Submit,
            Endpoint::Submit,
            Endpoint::Status,
            Endpoint::File,
        ]);
        let after = self.rng.bool();
        let answer = |status: u16, code: &str, retry_s, after| Trouble::Answer {
            status,
            code: code.to_owned(),
            retry_s,
            after,
        };
        let common = [
            Trouble::Lose { after },
            Trouble::Lose { after },
            Trouble::Hold { after },
            Trouble::Kill { after },
            answer(503, "unavailable", 0, after),
            answer(500, "internal", 0, after),
            answer(429, "rate_limit_exceeded", self.rng.u32(1..20), false),
            answer(429, "rate_limit_exceeded", 100_000, false),
            answer(408, "timeout", 0, after),
            Trouble::Garbage { after },
        ];
        let submit = [
            answer(409, "idempotency_in_progress", 0, after),
            answer(409, "idempotency_conflict", 0, false),
            answer(409, "ambiguous_template_name", 0, false),
            answer(409, "", 0, after),
            answer(400, "invalid_request", 0, false),
            answer(401, "unauthorized", 0, false),
            answer(402, "insufficient_credits", 0, false),
            answer(302, "", 0, after),
        ];
        let file = [
            Trouble::Cut { bytes: self.rng.u32(1..400) },
            Trouble::Cut { bytes: self.rng.u32(1..400) },
            Trouble::Damage { varied: after },
            Trouble::Damage { varied: after },
            Trouble::Other,
            answer(403, "expired", 0, false),
            answer(410, "expired", 0, false),
        ];
        let what = match on {
            Endpoint::Submit if self.rng.bool() => self.pick(&submit),
            Endpoint::File if self.rng.bool() => self.pick(&file),
            _ => self.pick(&common),
        };
        Event::Trouble { on, what, times: self.pick(&[1, 1, 2, 3, 6, 30]) }
    }

    fn finish(&mut self) -> Event {
        Event::Finish { failed: self.one_in(5) }
    }

    fn hold(&mut self) -> Event {
        Event::HoldJobs { on: self.rng.bool() }
    }

    fn release(&mut self) -> Event {
        Event::Release
    }

    fn down(&mut self) -> Event {
        Event::Down { on: self.rng.bool() }
    }

    fn drop_jobs(&mut self) -> Event {
        Event::DropJobs
    }
}
