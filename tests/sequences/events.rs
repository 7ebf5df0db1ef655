//! What each event does, and the quiet end: faults are gone, clocks are right, processes are new, and what
//! was not finished is done again as a careful program would.

use std::time::Duration;

use crate::facts::{Call, Facts, Weather};
use crate::history::{Ask, Disk, Event, Form, SLOTS};
use crate::http::Standing;
use crate::machine::{CREATE, Failing, RENAME, SYNC, UNLINK, WRITE};
use crate::process::Process;
use crate::service::{HOUR_MS, SCALE};
use crate::ticks;
use crate::world::World;

/// An hour of the clients' time in nanoseconds of the wall's.
const HOUR_NS: i64 = 3_600_000_000_000 / 1000;
/// How long a call may take where nothing is in its way, by ticks.
const MAX_QUIET: Duration = Duration::from_secs(12);
/// How many lines are repeated in the end.
const MAX_REPEATED: usize = 16;
const MAX_RECOVERIES: usize = 12;

impl World {
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Call { at, form, copy, line } => {
                let key = self.key(line.key);
                self.call((*at, *form, *copy), line, key, false);
            }
            Event::Ask { at, form, api, seconds, what } => {
                self.ask(*at, *form, *api, what, *seconds, false);
            }
            Event::Kill { at } => self.kill(*at),
            Event::Exit { at } => self.exit(*at),
            Event::Fork { at, child, raw } => self.fork(*at, *child, *raw),
            Event::DieAt { at, calls } => {
                let id = self.ensure(*at).id;
                let pid = self.shared.lock().processes[id].pid;
                self.machine.die(pid, i32::from(*calls));
            }
            Event::Cancel { at } => self.cancel(*at),
            Event::Take { at } => self.tell(*at, "take"),
            Event::DropQueue { at } => {
                self.tell(*at, "drop");
                self.drop_ends(*at);
            }
            Event::Free { at } => self.free(*at),
            Event::Close { at } => {
                self.tell(*at, "close");
                if let Some(process) = &self.slots[usize::from(at % SLOTS)] {
                    let known = &mut self.shared.lock().processes[process.id];
                    known.clients.clear();
                    known.activity.clear();
                }
            }
            Event::ReadLedger { at } => {
                let directory = self.state();
                self.tell(*at, &format!("touch directory={}", directory.display()));
            }
            Event::UserFile { directory, name, variant, ending, touch } => {
                self.touch_file(*directory, *name, *variant, *ending, *touch);
            }
            Event::LockLedger => {
                self.lock_ledger();
                self.shared.lock().begin_weather(Weather::Locked);
            }
            Event::UnlockLedger => self.unlock(),
            Event::Down { on } => {
                self.shared.lock().begin_weather(Weather::Trouble);
                self.door(if *on { Standing::Shut } else { Standing::Open });
            }
            Event::CopyLedger => self.copy_ledger(),
            Event::LinkLedger { symbolic } => self.link_ledger(*symbolic),
            Event::MoveLedger => self.move_ledger(),
            Event::Jump { .. } | Event::Pass { .. } | Event::Reboot { .. } => self.time(event),
            Event::Seal { .. } | Event::DiskFault { .. } | Event::DiskSound => self.disk(event),
            _ => self.serve(event),
        }
        self.settle();
    }

    /// A process is told something, if there is one.
    fn tell(&mut self, at: u8, command: &str) {
        if let Some(process) = &mut self.slots[usize::from(at % SLOTS)] {
            process.command(&self.shared, command);
        }
    }

    fn cancel(&mut self, at: u8) {
        let Some(id) = self.slots[usize::from(at % SLOTS)].as_ref().map(|process| process.id) else { return };
        let newest = {
            let mut facts = self.shared.lock();
            let newest = facts.calls.iter().rposition(|call| call.process == id && call.ended.is_none());
            if let Some(newest) = newest {
                facts.calls[newest].cancelled = true;
            }
            newest
        };
        if let Some(newest) = newest {
            self.tell(at, &format!("cancel id={newest}"));
        }
    }

    /// The ends that wait in a queue are not taken any more.
    fn drop_ends(&self, at: u8) {
        let Some(id) = self.slots[usize::from(at % SLOTS)].as_ref().map(|process| process.id) else { return };
        let mut facts = self.shared.lock();
        let now = facts.next_stamp();
        let waits = |call: &&mut Call| call.process == id && call.form == Form::Keep && call.ended.is_none();
        facts.calls.iter_mut().filter(waits).for_each(|call| call.dropped = Some(now));
    }

    fn free(&mut self, at: u8) {
        let Some(id) = self.slots[usize::from(at % SLOTS)].as_ref().map(|process| process.id) else { return };
        let kept = |call: &Call| call.process == id && call.ended.is_some() && call.told.is_none();
        let oldest = self.shared.lock().calls.iter().position(kept);
        if let Some(oldest) = oldest {
            self.tell(at, &format!("free id={oldest}"));
        }
    }

    fn unlock(&mut self) {
        self.lock = None;
        self.shared.lock().end_weather(Weather::Locked);
    }

    fn time(&mut self, event: &Event) {
        match event {
            Event::Jump { hours: 0 } => self.right_clock(),
            Event::Jump { hours } => {
                self.machine.shift_wall(i64::from(*hours) * HOUR_NS);
                self.shared.lock().begin_weather(Weather::Clock);
            }
            Event::Pass { hours } => {
                self.machine.shift_wall(i64::from(*hours) * HOUR_NS);
                self.machine.shift_boot(i64::from(*hours) * HOUR_NS);
                let mut facts = self.shared.lock();
                facts.service.passed_ms += u64::from(*hours) * HOUR_MS;
                facts.begin_weather(Weather::Passing);
                facts.end_weather(Weather::Passing);
            }
            Event::Reboot { hours } => {
                (0..SLOTS).for_each(|at| self.kill(at));
                self.machine.reboot();
                self.machine.shift_wall(i64::from(*hours) * HOUR_NS);
                let mut facts = self.shared.lock();
                facts.rebooted = true;
                facts.begin_weather(Weather::Clock);
            }
            _ => {}
        }
    }

    /// The wall clock shows the true time.
    fn right_clock(&self) {
        let passed = self.shared.lock().service.passed_ms / SCALE;
        self.machine.set_wall(i64::try_from(passed).unwrap() * 1_000_000);
    }

    fn disk(&mut self, event: &Event) {
        match event {
            Event::Seal { directory, on: true } => {
                let below = self.directory(*directory);
                let kinds = CREATE | RENAME | UNLINK;
                let failing =
                    Failing { kinds, error: libc::EROFS, skip: 0, count: i32::MAX, below: &below, part: "" };
                self.machine.fail(1, &failing);
                self.shared.lock().begin_weather(Weather::Sealed);
            }
            Event::Seal { .. } => {
                self.machine.heal(1);
                self.shared.lock().end_weather(Weather::Sealed);
            }
            Event::DiskFault { ledger, disk, skip, count } => {
                let below = if *ledger { self.state() } else { self.base.join("tree/d") };
                let (kinds, error) = match disk {
                    Disk::Full => (WRITE | CREATE, libc::ENOSPC),
                    Disk::Broken => (WRITE | SYNC | RENAME, libc::EIO),
                };
                let (skip, count) = (i32::from(*skip), i32::from(*count));
                self.machine.fail(0, &Failing { kinds, error, skip, count, below: &below, part: "" });
                self.shared.lock().begin_weather(Weather::Disk);
            }
            _ => {
                self.machine.heal(0);
                self.shared.lock().end_weather(Weather::Disk);
            }
        }
    }

    /// What concerns the service.
    fn serve(&mut self, event: &Event) {
        let mut facts = self.shared.lock();
        match event {
            Event::Trouble { on, what, times } => {
                facts.service.troubles.push((*on, what.clone(), (*times).max(1)));
                facts.begin_weather(Weather::Trouble);
            }
            Event::HoldJobs { on } => facts.service.hold = *on,
            Event::Finish { failed } => finish(&mut facts, !failed),
            Event::Release => facts.service.released += 1,
            Event::Service { young, late, pdf } => {
                (facts.service.young, facts.service.late, facts.service.pdf) = (*young, *late, *pdf);
            }
            Event::DropJobs => {
                for job in facts.jobs.iter_mut().filter(|job| job.end.is_some()) {
                    job.dropped = true;
                }
            }
            _ => {}
        }
        self.shared.changed.notify_all();
    }

    // ---- the quiet end
    // -----------------------------------------------------------------------------------------

    pub fn quiet_end(&mut self) {
        self.door(Standing::Open);
        self.shared.lock().service.troubles.clear();
        self.shared.lock().service.hold = false;
        // What was held is done now, late as it is.
        while !self.shared.lock().service.holding.is_empty() {
            self.shared.lock().service.released += 1;
            self.shared.changed.notify_all();
            let facts = self.shared.lock();
            drop(self.shared.changed.wait_timeout(facts, Duration::from_millis(5)).unwrap());
        }
        (0..SLOTS).for_each(|at| self.kill(at));
        self.machine.heal(0);
        self.machine.heal(1);
        self.machine.die(0, 0);
        self.unlock();
        self.right_clock();
        (self.ledger, self.alias) = (self.own_ledger(), false);
        {
            let mut facts = self.shared.lock();
            finish(&mut facts, true);
            for weather in [Weather::Disk, Weather::Sealed, Weather::Trouble] {
                facts.end_weather(weather);
            }
        }
        let apis: Vec<u8> = {
            let facts = self.shared.lock();
            (0..2).filter(|api| facts.calls.iter().any(|call| call.api == *api)).collect()
        };
        if self.recovers_first() {
            self.recover_all(&apis);
        }
        let open = unfinished(&self.shared.lock());
        for number in open {
            if self.is_hopeless() {
                break;
            }
            let again = self.shared.lock().calls[number].deck().unwrap().clone();
            let line = crate::history::Line { seconds: None, ..again.line.clone() };
            let call = self.call((0, Form::Block, false), &line, again.key, true);
            self.await_call(call);
        }
        self.recover_all(&apis);
        for api in apis {
            if let Some(call) = self.ask(0, Form::Block, api, &Ask::Jobs, None, true) {
                self.await_call(call);
                let mut facts = self.shared.lock();
                let listed = facts.calls[call].result.clone();
                facts.listed.push((api, listed));
            }
        }
        (0..SLOTS).for_each(|at| self.exit(at));
    }

    fn recover_all(&mut self, apis: &[u8]) {
        for api in apis {
            let mut before = u64::MAX;
            for _ in 0..MAX_RECOVERIES {
                if self.is_hopeless() {
                    return;
                }
                let what = Ask::Recover { resubmit: false };
                let Some(call) = self.ask(0, Form::Block, *api, &what, None, true) else { return };
                self.await_call(call);
                let mut facts = self.shared.lock();
                let report = facts.calls[call].result.clone();
                let open = report["unsettled"].as_u64().unwrap_or(0);
                facts.reports.push((*api, report));
                // What two submissions want at once is left to the next one.
                if open == 0 || open == before {
                    break;
                }
                before = open;
            }
        }
    }

    /// Whether a call of the quiet end did not end: what comes after it would wait in vain, too.
    fn is_hopeless(&self) -> bool {
        !self.shared.lock().noticed.is_empty()
    }

    /// Waits for the end of a call that nothing is in the way of.
    fn await_call(&mut self, number: usize) {
        let deadline = ticks::now() + ticks::of(MAX_QUIET);
        while self.shared.lock().calls[number].ended.is_none() {
            self.bury_dead();
            let dead = self.slots[0].as_ref().is_none_or(Process::is_gone);
            if dead || ticks::now() > deadline {
                let why = format!("20: call {number} of the quiet end does not end");
                self.shared.lock().noticed.push(why);
                self.kill(0);
                return;
            }
            let facts = self.shared.lock();
            drop(self.shared.changed.wait_timeout(facts, Duration::from_millis(50)).unwrap());
        }
        self.settle();
    }
}

/// The service is done with all jobs that it works on.
fn finish(facts: &mut Facts, well: bool) {
    let now = facts.next_stamp();
    for job in facts.jobs.iter_mut().filter(|job| job.end.is_none()) {
        (job.end, job.ended) = (Some(well), Some(now));
    }
}

/// Calls that a careful program repeats: their programs never had the end, or had an error that is no
/// verdict; and the same line was not repeated with success since.
fn unfinished(facts: &Facts) -> Vec<usize> {
    const VERDICTS: [&str; 5] = ["INVALID_ARGUMENT", "CONFLICT", "REJECTED", "UNAUTHENTICATED", "JOB_FAILED"];
    let mut repeats: Vec<usize> = Vec::new();
    let mut open = Vec::new();
    for (number, call) in facts.calls.iter().enumerate() {
        let Some(deck) = call.deck() else { continue };
        if call.told.is_some() && (call.is_ok() || VERDICTS.contains(&call.code.as_str())) {
            continue;
        }
        let over = call.ended.or(facts.processes[call.process].gone).unwrap_or(u64::MAX);
        let again = facts.calls.iter().enumerate().position(|(at, later)| {
            let same = later.deck().is_some_and(|other| other.is_like(deck) && other.key == deck.key);
            same && later.api == call.api
                && later.began > over
                && later.is_ok()
                && later.told.is_some()
                && !repeats.contains(&at)
        });
        match again {
            Some(again) => repeats.push(again),
            None => open.push(number),
        }
    }
    open.truncate(MAX_REPEATED);
    open
}
