//! The facts as the oracle asks for them: which calls belong to which submission, when they were over, what
//! they were told, and what was in their way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::facts::{Asked, Attempt, Body, Call, Deck, Facts, Job, Request, Stamp, Weather};
use crate::history::{Endpoint, Form, REQUESTS};
use crate::service::HOUR_MS;
use crate::ticks;
use crate::words::is_deck;
use crate::world::GRACE;

/// How long before the 24 hours of adoption nothing is demanded any more.
const ADOPT_MS: u64 = 20 * HOUR_MS;
/// How old a submission is at least that nobody demands to be sent again: well below the window, for real
/// time passes too.
const OLD_MS: u64 = crate::service::WINDOW_MS / 2;

/// All that came of one idempotency key under one API key.
#[derive(Debug, Default)]
pub struct Submission<'a> {
    pub api: u8,
    pub key: String,
    /// The calls that asked for it; `sure` if each of them is known to have.
    pub calls: Vec<&'a Call>,
    pub sure: bool,
    pub attempts: Vec<&'a Attempt>,
    pub jobs: Vec<&'a Job>,
}

pub struct Books<'a> {
    pub facts: &'a Facts,
    pub submissions: Vec<Submission<'a>>,
    /// Calls that cost money, and those of them of which no key is known.
    pub decks: Vec<(&'a Call, &'a Deck)>,
    pub nameless: Vec<&'a Call>,
}

impl<'a> Books<'a> {
    pub fn new(facts: &'a Facts) -> Books<'a> {
        let mut all: BTreeMap<(u8, String), Submission<'a>> = BTreeMap::new();
        for attempt in &facts.attempts {
            all.entry((attempt.api, attempt.key.clone())).or_default().attempts.push(attempt);
        }
        for job in &facts.jobs {
            all.entry((job.api, job.key.clone())).or_default().jobs.push(job);
        }
        let decks: Vec<_> = facts.calls.iter().filter_map(|call| Some((call, call.deck()?))).collect();
        let mut nameless = Vec::new();
        let mut senders: Vec<(&Call, Vec<(u8, String)>)> = Vec::new();
        for (call, _) in decks.iter().filter(|(call, _)| !call.refused) {
            if let Some(key) = call.known_key() {
                let own = all.entry((call.api, key.to_owned())).or_default();
                // With a key of the caller's own it can be about another request, to be refused.
                let same = |sent: &&Attempt| Some(sent.request) == call.request();
                if own.attempts.is_empty() || own.attempts.iter().any(same) {
                    own.calls.push(call);
                }
                continue;
            }
            nameless.push(*call);
            let sent = facts.attempts.iter().filter(|attempt| can_have_sent(facts, call, attempt));
            let mut keys: Vec<_> = sent.map(|attempt| (attempt.api, attempt.key.clone())).collect();
            keys.sort();
            keys.dedup();
            senders.push((call, keys));
        }
        single_out(&mut senders);
        for ((api, key), submission) in &mut all {
            (submission.api, submission.key, submission.sure) = (*api, key.clone(), true);
        }
        for (call, keys) in &senders {
            for key in keys {
                let submission = all.get_mut(key).unwrap();
                let alone = senders.iter().filter(|(_, others)| others.contains(key)).count() == 1;
                submission.sure &= keys.len() == 1 && alone;
                submission.calls.push(call);
            }
        }
        Books { facts, submissions: all.into_values().collect(), decks, nameless }
    }

    /// The submissions of which it is known which call made them, with that call. One that an earlier call
    /// recorded and did not come to send is not a later call's, which adopts it.
    pub fn purchases(&self) -> impl Iterator<Item = (&Submission<'a>, &'a Call, &'a Deck)> {
        self.submissions.iter().filter_map(|own| {
            let (call, deck) = own.maker()?;
            let before =
                |other: &&Call| other.is_like(deck) && other.api == call.api && other.began < call.began;
            let inherits = own.calls.iter().chain(&self.nameless).any(before);
            (call.result["adopted"] == false || !inherits).then_some((own, call, deck))
        })
    }

    /// The lines of the reports of all calls of `recover`.
    pub fn recovered(&self) -> impl Iterator<Item = (&'a Call, &'a Value)> {
        let calls = self
            .facts
            .calls
            .iter()
            .filter(|call| matches!(call.asked, Asked::Recover { .. }) && call.is_ok());
        calls.flat_map(|call| {
            call.result["jobs"].as_array().into_iter().flatten().map(move |line| (call, line))
        })
    }

    /// Whether no other `recover` of the API key came after this one, in the quiet end.
    pub fn is_last_report(&self, call: &Call) -> bool {
        let again = |other: &Call| matches!(other.asked, Asked::Recover { .. }) && other.api == call.api;
        call.quiet && !self.facts.calls.iter().any(|other| again(other) && other.began > call.began)
    }

    /// The submission that a call names.
    pub fn of(&self, call: &Call) -> Option<&Submission<'a>> {
        self.submissions.iter().find(|own| own.api == call.api && Some(own.key.as_str()) == call.known_key())
    }

    /// Whether there was such weather during a call.
    pub fn had(&self, weather: Weather, call: &Call) -> bool {
        self.facts.had(weather, call.began, call.over)
    }

    pub fn had_bad_disk(&self, call: &Call) -> bool {
        self.had(Weather::Disk, call) || self.had(Weather::Locked, call)
    }

    /// Whether its files' place may have failed it: the disk or a directory that can't be changed.
    pub fn had_bad_place(&self, call: &Call) -> bool {
        self.had_bad_disk(call) || self.had(Weather::Sealed, call)
    }

    /// Whether a call was refused since its name is taken, and not for its place.
    pub fn is_refused_over_name(&self, call: &Call) -> bool {
        call.code == "FILE" && call.refused && !self.had_bad_place(call)
    }

    /// Whether a call may do without the ledger, or be refused it: its disk, another program, a second name,
    /// a second copy of the library (16).
    pub fn may_lack_ledger(&self, call: &Call) -> bool {
        self.had_bad_disk(call) || self.facts.processes[call.process].alias || call.copy
    }

    /// Whether a call's process fetched files of a job meanwhile.
    pub fn fetched(&self, call: &Call, job: &Job) -> bool {
        self.requests(call).any(|request| request.on == Endpoint::File && request.job == Some(job.number))
    }

    /// What a call's process asked the service for meanwhile.
    pub fn requests(&self, call: &Call) -> impl Iterator<Item = &'a Request> {
        let (process, began, over) = (call.process, call.began, call.over);
        self.facts
            .requests
            .iter()
            .filter(move |request| request.process == process && began < request.at && request.at < over)
    }

    /// Whether no user has taken a file of theirs away before then.
    pub fn stays_until(&self, path: &Path, at: Stamp) -> bool {
        !self.facts.own.iter().any(|own| own.path == path && own.until.is_some_and(|until| until < at))
    }

    /// Whether a run had reserved a name of another call when that one began, until then. What goes on where a third call
    /// had reserved it goes beside it, and needs the name no more.
    pub fn reserves(&self, run: &Call, other: &Call, until: Stamp) -> bool {
        let reserved = run.under_way.unwrap_or(run.over);
        let had = |third: &Call| {
            let is_third = third.number != run.number && third.number != other.number;
            let is_there = third.began < reserved && third.over > run.began;
            is_third && is_there && third.is_run() && third.shares_name(run)
        };
        let beside = || self.decks.iter().any(|(third, _)| had(third));
        run.is_run() && run.is_under_way(other.began, until) && run.shares_name(other) && !beside()
    }

    /// What a call asked for, without submissions under other keys: one of a call that was given up may be on its way.
    pub fn own_requests(&self, call: &Call) -> impl Iterator<Item = &'a Request> {
        let submits = self.facts.attempts.iter().any(|attempt| {
            attempt.process == call.process
                && call.spans(attempt.at)
                && call.known_key() == Some(&attempt.key)
        });
        self.requests(call).filter(move |request| submits || request.on != Endpoint::Submit)
    }

    /// Calls that can have come to any submission: no key was given, and none is known from their ends.
    pub fn open(&self) -> impl Iterator<Item = &'a Call> {
        let unended = |(call, deck): &(&'a Call, &Deck)| {
            (call.ended.is_none() && deck.key.is_none() && !call.refused).then_some(*call)
        };
        self.nameless.iter().copied().chain(self.decks.iter().filter_map(unended))
    }

    /// Whether no other call ran meanwhile, in any process.
    pub fn is_alone(&self, call: &Call) -> bool {
        !self.facts.calls.iter().any(|other| other.number != call.number && other.overlaps(call))
    }

    /// Whether another call that overwrites ran meanwhile, or its end waited in its queue and says how it was.
    pub fn is_raced(&self, call: &Call) -> bool {
        let races = |other: &Call| other.overwrites() && other.number != call.number && other.overlaps(call);
        call.form == Form::Keep || self.facts.calls.iter().any(races)
    }

    pub fn has_two_apis(&self) -> bool {
        self.facts.jobs.iter().any(|job| job.api != self.facts.jobs[0].api)
            || self.facts.calls.iter().any(|call| call.api != self.facts.calls[0].api)
    }

    /// The job that a call is about, if its API key made it.
    pub fn job_of(&self, call: &Call) -> Option<&'a Job> {
        let id = match &call.asked {
            Asked::Wait(id) => Some(id.as_str()),
            Asked::Download { job, .. } => Some(job.as_str()),
            Asked::Deck(_) => call.says("job_id"),
            _ => None,
        };
        self.facts.jobs.iter().find(|job| Some(job.id.as_str()) == id && job.api == call.api)
    }

    /// Whether the ledger surely has a job's submission while a call runs.
    pub fn is_recorded(&self, job: &Job, call: &Call) -> bool {
        let own = self.submissions.iter().find(|own| own.api == job.api && own.key == job.key);
        own.is_some_and(|own| own.jobs.len() == 1 && !self.is_forgotten(own, call.over))
            && !self.may_lack_ledger(call)
    }

    /// Jobs of which a whole part lay in the call's directory when it began.
    pub fn whole_parts(&self, call: &Call, deck: &Deck) -> impl Iterator<Item = &'a Job> {
        let named = if deck.line.name > 0 { format!("n{}.", deck.line.name) } else { "job_".to_owned() };
        let directory = format!("d{}", deck.directory);
        let parts = call.found.iter().filter(move |(path, _)| {
            let here = path.parent().is_some_and(|parent| parent.ends_with(&directory));
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            here && name.ends_with(".part") && name.starts_with(&named)
        });
        let whole = parts
            .filter_map(|(_, hash)| self.body(Some(hash)).filter(|body| body.sound && body.format == "pptx"));
        let jobs: Vec<&Job> = whole.map(|body| &self.facts.jobs[body.job]).collect();
        jobs.into_iter()
    }

    /// 13, 15, 18: whether another request or another API key has the key, an equal call of another API key
    /// is known, or something was forgotten.
    pub fn is_conflict(&self, call: &Call, deck: &Deck) -> bool {
        let known = |own: &Submission<'_>| match &deck.key {
            Some(key) => {
                let other = own.calls.iter().any(|other| other.request() != call.request());
                own.key == *key && (own.api != call.api || other)
            }
            None => own.api != call.api && own.calls.iter().any(|other| other.is_like(deck)),
        };
        let forgot = |other: &Call| matches!(other.asked, Asked::Forget(_)) && other.began < call.over;
        self.submissions.iter().any(known)
            || self.nameless.iter().any(|other| other.api != call.api && other.is_like(deck))
            || self.facts.calls.iter().any(forgot)
    }

    /// How long a call took at least, by a clock that a busy machine slows down too.
    pub fn took(&self, call: &Call) -> Duration {
        let process = &self.facts.processes[call.process];
        let ended = call.ticks.1.unwrap_or(if process.gone.is_some() { process.gone_tick } else { u64::MAX });
        ticks::duration(ended.saturating_sub(call.ticks.0))
    }

    /// Whether the clocks were wrong just then.
    pub fn had_wrong_clock_at(&self, at: Stamp) -> bool {
        self.facts.had(Weather::Clock, at, at)
    }

    /// After a reboot the age of a record is its wall clock's: a clock that was ahead when the record was made, and was right
    /// again at the first look, makes it look young. No answer of the service can show that (4).
    pub fn looks_young(&self, own: &Submission<'_>) -> bool {
        self.facts.rebooted && own.attempts.first().is_some_and(|first| self.had_wrong_clock_at(first.at))
    }

    /// Whether the clocks were ever wrong: then nobody can say how old something has to look.
    pub fn had_wrong_clock(&self) -> bool {
        self.facts.had(Weather::Clock, 0, Stamp::MAX)
    }

    /// Whether a call was surely told its end, whatever that was.
    pub fn was_surely_told(&self, call: &Call) -> bool {
        call.told.is_some() && self.is_kept(call)
    }

    /// Whether a call was surely told OK before then. What a killed process was told within its last second
    /// may be lost (14), and so may what a disk did not take.
    pub fn was_surely_told_ok(&self, call: &Call, before: Stamp) -> bool {
        call.was_told_ok(before) && self.is_kept(call)
    }

    /// Whether what a call was told is surely on the disk.
    fn is_kept(&self, call: &Call) -> bool {
        let process = &self.facts.processes[call.process];
        let quick = process.gone_tick < call.ticks.2 + ticks::of(GRACE) && call.form != Form::Block;
        let until = process.gone.unwrap_or(Stamp::MAX);
        let lost = [Weather::Disk, Weather::Locked].iter().any(|bad| self.facts.had(*bad, call.began, until));
        (process.exited || !quick) && call.result["recorded"] != false && !lost
    }

    /// Whether a submission may have been forgotten by then.
    pub fn is_forgotten(&self, own: &Submission<'_>, until: Stamp) -> bool {
        self.facts.calls.iter().any(|call| match &call.asked {
            Asked::Forget(name) => call.began < until && name.as_ref().is_none_or(|name| own.is_named(name)),
            _ => false,
        })
    }

    /// Whether others than its caller can have settled a submission before then.
    fn others_came(&self, own: &Submission<'_>, until: Stamp) -> bool {
        let came = |call: &Call| {
            matches!(call.asked, Asked::Recover { .. } | Asked::Wait(_) | Asked::Download { .. })
                && call.began < until
        };
        self.facts.calls.iter().any(came)
            || own.calls.len() > 1
            || own.calls.iter().any(|call| call.is_ok() || call.form == Form::Keep && call.ended.is_none())
    }

    /// 14: whether a call has to continue this submission rather than buy, but for its API key: equal calls
    /// made it, all of them are over or their processes gone, none was told OK, and the service has its job.
    pub fn is_owed(&self, own: &Submission<'_>, call: &Call) -> bool {
        own.api == call.api && self.is_left(own, call)
    }

    /// The same under any API key.
    pub fn is_left(&self, own: &Submission<'_>, call: &Call) -> bool {
        let (Some(deck), Some(job)) = (call.deck(), own.jobs.first()) else { return false };
        // Of calls of which nothing is known one can have taken it, and one that has just ended gives it back within
        // a second.
        let rival = self.nameless.iter().any(|rival| {
            let has_just_ended = rival.began < call.began && call.ticks.0 <= rival.ticks.2 + ticks::of(GRACE);
            rival.number != call.number && rival.is_like(deck) && (rival.overlaps(call) || has_just_ended)
        });
        let late = call.began_ms.saturating_sub(job.made_ms) > ADOPT_MS
            || self.facts.had(Weather::Clock, 0, call.over);
        // What a living process was told is known to others within a second; until then, and while its OK is
        // not told, they leave it alone.
        let known = |asked: &Call| {
            let gone = self.facts.processes[asked.process].gone.is_some_and(|gone| gone < call.began);
            let told = asked.told.is_some_and(|told| told < call.began);
            let old = call.ticks.0 > asked.ticks.2 + ticks::of(GRACE);
            gone || told && (asked.process == call.process && asked.copy == call.copy || old)
        };
        // What blocks is told on the disk right before it returns, and its process may have died then.
        let may_be_told = |asked: &Call| {
            let was_done = !asked.is_run() || job.ended.is_some_and(|ended| ended < asked.over);
            asked.form == Form::Block && asked.ended.is_none() && was_done
        };
        let untold = |asked: &Call| (!asked.is_ok() || asked.told.is_none()) && !may_be_told(asked);
        let earlier = || own.calls.iter().filter(|asked| asked.began < call.began);
        own.sure
            && earlier().next().is_some()
            && earlier()
                .all(|asked| asked.is_like(deck) && asked.over < call.began && untold(asked) && known(asked))
            && job.made < call.began
            && job.end != Some(false)
            && !job.dropped
            && !rival
            && !self.is_forgotten(own, call.over)
            && !(late && self.others_came(own, call.began))
    }

    /// 4: whether a submission is so young, by clocks that were never wrong, that it is sent again without
    /// asking.
    pub fn is_young(&self, own: &Submission<'_>) -> bool {
        let now = self.facts.calls.iter().map(|call| call.began_ms).max().unwrap_or(0);
        own.attempts.first().is_some_and(|first| now.saturating_sub(first.at_ms) < OLD_MS)
            && !self.had_wrong_clock()
    }

    /// Whether a call can have asked for a job of a submission.
    pub fn is_asked_for(&self, own: &Submission<'_>, job: &Job) -> bool {
        own.calls.iter().copied().chain(self.open()).any(|call| call.began < job.made && call.is_for(job))
    }

    /// Whether the ledger lists a submission in the end, and lists no job of it.
    pub fn is_listed_without_job(&self, own: &Submission<'_>) -> bool {
        let mut lines = self.facts.listed.iter().filter_map(|(api, list)| own.listed(*api, list));
        lines.any(|line| line["job_id"].is_null())
    }

    /// Whether the quiet end was told that a submission's fate stays unknown.
    pub fn stays_unknown(&self, own: &Submission<'_>) -> bool {
        let line = |line: &Value| line["idempotency_key"] == own.key.as_str() && line["outcome"] == "unknown";
        let reported = |report: &Value| report["jobs"].as_array().is_some_and(|all| all.iter().any(line));
        own.calls.iter().any(|call| call.quiet && call.code == "OUTCOME_UNKNOWN")
            || self.facts.reports.iter().any(|(_, report)| reported(report))
    }

    /// Whether a call's names are taken, or can be, by a file, by another call or by one that settles for
    /// others.
    pub fn is_name_taken(&self, call: &Call) -> bool {
        let took = |other: &&Call| {
            let shares = other.targets.iter().any(|path| call.targets.contains(path));
            other.number != call.number && other.overlaps(call) && (other.deck().is_none() || shares)
        };
        let known =
            self.facts.calls.iter().flat_map(|call| call.seen.iter().map(|(path, _)| PathBuf::from(path)));
        let mut known = known.chain(self.facts.own.iter().map(|own| own.path.clone()));
        // Without a name it is the job's id, of which nothing is known before.
        call.found.keys().any(|path| call.targets.is_empty() || call.targets.contains(path))
            || known.any(|path| call.targets.contains(&path))
            || self.facts.calls.iter().any(|other| took(&other))
    }

    /// Whether a call could replace what had this name from then on: one that overwrites, before it was under
    /// way. It takes the file that has the name when it reserves it, which is then at the latest.
    pub fn could_replace(&self, path: &Path, from: Stamp) -> bool {
        path.extension().is_some_and(|ending| ending == "pptx")
            && self.facts.calls.iter().any(|call| {
                let early = call.under_way.is_none_or(|reserved| reserved > from);
                call.overwrites()
                    && call.targets.iter().any(|target| target == path)
                    && call.over > from
                    && early
            })
    }

    /// Whether an earlier call may replace what has a name, and has not ended that yet: it overwrites, and its files are
    /// left to others.
    pub fn may_still_be_replaced(&self, path: &Path, later: &Call) -> bool {
        self.facts.calls.iter().any(|call| {
            let left = !call.is_run() || !call.is_ok();
            let earlier = call.began < later.began;
            call.overwrites() && earlier && left && call.targets.iter().any(|target| target == path)
        })
    }

    /// Whether a key that is forgotten is this submission's. Where the name is of the call's own API key, another one's
    /// submission under it is not meant.
    pub fn means(&self, name: &str, forget: &Call, own: &Submission<'_>) -> bool {
        let has_own = self.submissions.iter().any(|own| own.is_named(name) && own.api == forget.api);
        own.is_key(name) && (own.api == forget.api || !has_own)
    }

    /// Whether a call that overwrites found this file under the name, and has left its own files to others:
    /// `recover` replaces it then, also after an equal call was told of it.
    pub fn is_left_to_be_replaced(&self, path: &Path, hash: &String) -> bool {
        self.facts.calls.iter().any(|call| {
            let left = !call.is_run() || !call.is_ok();
            call.overwrites() && left && call.found.get(path) == Some(hash)
        })
    }

    pub fn body(&self, hash: Option<&String>) -> Option<&'a Body> {
        self.facts.bodies.iter().find(|body| Some(&body.hash) == hash)
    }

    /// Whether every variant of a job's deck is somewhere, was handed over, or was taken away by the user.
    pub fn has_arrived(&self, job: &Job) -> bool {
        (1..=job.variants()).all(|variant| {
            let bodies = self.facts.bodies.iter().filter(|body| {
                body.job == job.number && body.variant == variant && body.format == "pptx" && body.sound
            });
            bodies.map(|body| &body.hash).any(|hash| {
                let there = |call: &Call| {
                    let listed = call.seen.iter().any(|(_, seen)| seen.as_ref() == Some(hash));
                    listed || call.found.iter().any(|(path, found)| found == hash && is_deck(path))
                };
                let files = &self.facts.files;
                files.iter().any(|(path, found)| found == hash && is_deck(path))
                    || self.facts.handled.contains(hash)
                    || self.facts.calls.iter().any(there)
            })
        })
    }
}

impl<'a> Submission<'a> {
    /// The call that made it, where it is known which.
    pub fn maker(&self) -> Option<(&'a Call, &'a Deck)> {
        let first = self.attempts.first()?;
        let made = |call: &&&Call| call.process == first.process && call.spans(first.at);
        let mut makers = self.calls.iter().filter(made);
        let maker = makers.next()?;
        makers.next().is_none().then(|| (*maker, maker.deck().unwrap()))
    }

    /// Whether another process's call worked on it when it was sent. A call that began while yet another process
    /// worked on it waits for that one, and works on nothing.
    pub fn is_worked_on_beside(&self, sent: &Attempt, call: &Call) -> bool {
        let waits = self
            .calls
            .iter()
            .any(|other| other.process != call.process && other.is_under_way(call.began, call.began));
        call.process != sent.process && call.is_under_way(sent.at, sent.at) && !waits
    }

    /// Whether it was sent again long after the first time. The service may have held a request for long that was sent
    /// in time.
    pub fn has_late_attempt(&self) -> bool {
        let Some(first) = self.attempts.first() else { return false };
        self.attempts.iter().any(|sent| sent.at_ms.saturating_sub(first.at_ms) > OLD_MS)
    }

    /// Whether a call's process sent it while the call ran.
    pub fn has_sent(&self, call: &Call) -> bool {
        self.attempts.iter().any(|sent| sent.process == call.process && call.spans(sent.at))
    }

    /// Whether a text names it: its key or its job, or with a prefix one of them only.
    pub fn is_named(&self, name: &str) -> bool {
        let job = |name: &str| self.jobs.iter().any(|job| job.id == name);
        match name.split_once(':') {
            Some(("job", rest)) => job(rest),
            _ => self.is_key(name) || job(name),
        }
    }

    pub fn is_key(&self, name: &str) -> bool {
        name.strip_prefix("key:").unwrap_or(name) == self.key
    }

    /// Whether a call of it was told OK before another began, with the same API key.
    pub fn was_told_ok(&self, later: &Call) -> bool {
        self.api == later.api && self.calls.iter().any(|call| call.was_told_ok(later.began))
    }

    /// Its entry in what `jobs` lists for this API key.
    pub fn listed<'v>(&self, api: u8, list: &'v Value) -> Option<&'v Value> {
        let all = list["jobs"].as_array().filter(|_| api == self.api)?;
        all.iter().find(|entry| entry["idempotency_key"] == *self.key && entry["own_key"] == true)
    }

    pub fn has_failed(&self) -> bool {
        !self.jobs.is_empty() && self.jobs.iter().all(|job| job.end == Some(false))
    }

    pub fn line(&self) -> String {
        let calls: Vec<_> = self.calls.iter().map(|call| call.number).collect();
        let jobs: Vec<_> = self.jobs.iter().map(|job| &job.id).collect();
        format!("{} with {jobs:?} of calls {calls:?}", self.key)
    }
}

impl Facts {
    /// Adds what follows from the rest, once all is over.
    pub fn close(&mut self) {
        for number in 0..self.calls.len() {
            let targets = self.targets(&self.calls[number]);
            let gone = self.processes[self.calls[number].process].gone;
            let call = &mut self.calls[number];
            (call.number, call.targets) = (number, targets);
            call.over = call.ended.or(gone).unwrap_or(Stamp::MAX);
        }
        for number in 0..self.calls.len() {
            self.calls[number].refused = is_refusal(self, &self.calls[number]);
        }
    }

    /// The paths that a call's files have where they are free.
    fn targets(&self, call: &Call) -> Vec<PathBuf> {
        let (directory, name, request) = match &call.asked {
            Asked::Deck(deck) => (deck.directory, deck.line.name, Some(deck.line.request)),
            Asked::Download { directory, name, job, .. } => {
                let request = self.jobs.iter().find(|known| known.id == *job).map(|job| job.request);
                (*directory, *name, request)
            }
            _ => return Vec::new(),
        };
        let Some(request) = request.filter(|_| name > 0 && directory > 0) else { return Vec::new() };
        let variants = REQUESTS[usize::from(request) % REQUESTS.len()].2;
        let directory = self.base.join("tree").join(format!("d{directory}"));
        let stem =
            |variant: u32| if variants > 1 { format!("n{name}-{variant}") } else { format!("n{name}") };
        (1..=variants).map(|variant| directory.join(format!("{}.pptx", stem(variant)))).collect()
    }
}

/// Whether a call was refused before it sent anything: what its error names is another's.
fn is_refusal(facts: &Facts, call: &Call) -> bool {
    let early = ["CONFLICT", "INVALID_ARGUMENT", "FILE", "LEDGER", "CONFIGURATION", "CLOSED"];
    let sent = facts.attempts.iter().any(|attempt| {
        attempt.process == call.process
            && call.known_key() == Some(&attempt.key)
            && call.spans(attempt.at)
            && call.request() == Some(attempt.request)
    });
    let nothing = call.details["billed"] == "no" || call.code == "CONFLICT";
    call.ended.is_some() && early.contains(&call.code.as_str()) && nothing && !sent
}

/// What only one call can have sent is that call's, and a call has one key. That a call can have sent only one thing
/// says nothing: it may have sent none.
fn single_out(senders: &mut [(&Call, Vec<(u8, String)>)]) {
    for _ in 0..senders.len() {
        for at in 0..senders.len() {
            let is_alone =
                |key: &&(u8, String)| senders.iter().filter(|(_, keys)| keys.contains(key)).count() == 1;
            if let Some(own) = senders[at].1.iter().find(is_alone).cloned() {
                senders[at].1 = vec![own];
            }
        }
    }
}

/// Whether a call of which no key is known can be the one that sent this: no other of its process names the
/// key.
fn can_have_sent(facts: &Facts, call: &Call, attempt: &Attempt) -> bool {
    let named = facts.calls.iter().any(|other| {
        other.deck().is_some()
            && other.known_key() == Some(&attempt.key)
            && other.process == call.process
            && other.spans(attempt.at)
    });
    attempt.process == call.process
        && attempt.api == call.api
        && call.deck().is_some_and(|deck| deck.line.request == attempt.request)
        && call.spans(attempt.at)
        && !named
}
