//! The words that the oracle has for calls, jobs and files.

use std::path::Path;

use crate::facts::{Asked, Body, Call, Deck, Job, Stamp};
use crate::history::{Operation, REQUESTS};

/// Whether a file has a presentation's final name.
pub fn is_deck(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "pptx")
}

impl Call {
    /// The same but for the API key and the idempotency key.
    pub fn is_like(&self, deck: &Deck) -> bool {
        self.deck().is_some_and(|own| own.is_like(deck))
    }

    /// Whether it may have been over before then.
    pub fn may_be_over(&self, before: Stamp) -> bool {
        self.over < before || self.dropped.is_some_and(|dropped| dropped < before)
    }

    pub fn spans(&self, at: Stamp) -> bool {
        self.began < at && at < self.over
    }

    pub fn overlaps(&self, other: &Call) -> bool {
        self.began < other.over && other.began < self.over
    }

    /// Whether its program had OK before then.
    pub fn was_told_ok(&self, before: Stamp) -> bool {
        self.is_ok() && self.told.is_some_and(|told| told < before)
    }

    pub fn overwrites(&self) -> bool {
        match &self.asked {
            Asked::Deck(deck) => deck.line.overwrite,
            Asked::Download { overwrite, .. } => *overwrite,
            _ => false,
        }
    }

    /// The presentations that its result lists, as they were found: path and hash.
    pub fn decks(&self) -> impl Iterator<Item = (&Path, Option<&String>)> {
        let decks = self.seen.iter().filter(|(path, _)| is_deck(Path::new(path)));
        decks.map(|(path, hash)| (Path::new(path), hash.as_ref()))
    }

    /// How many presentations it has, or is offered.
    pub fn offered(&self) -> usize {
        let offered = self.result["downloads"].as_array().into_iter().flatten();
        match self.asked {
            Asked::Wait(_) => offered.filter(|file| file["format"] == "pptx").count(),
            _ => self.decks().count(),
        }
    }

    pub fn fails(&self) -> bool {
        self.ended.is_some() && !self.is_ok()
    }

    pub fn has_no_key(&self) -> bool {
        self.deck().is_some_and(|deck| deck.key.is_none())
    }

    pub fn is_run(&self) -> bool {
        self.deck().is_some_and(|deck| deck.line.op == Operation::Run)
    }

    pub fn request(&self) -> Option<u8> {
        self.deck().map(|deck| deck.line.request)
    }

    /// Whether its error names another call's key.
    pub fn names(&self, other: &Call) -> bool {
        other.known_key().is_some_and(|key| self.line().contains(key))
    }

    /// Whether it asks for what a job is.
    pub fn is_for(&self, job: &Job) -> bool {
        self.request() == Some(job.request) && self.api == job.api
    }

    pub fn resubmits(&self) -> bool {
        match &self.asked {
            Asked::Deck(deck) => deck.line.resubmit,
            Asked::Recover { resubmit } => *resubmit,
            _ => false,
        }
    }

    pub fn forgets(&self) -> Option<&str> {
        if let Asked::Forget(Some(name)) = &self.asked { Some(name) } else { None }
    }

    /// Whether it was to end before its time.
    pub fn is_stopped(&self) -> bool {
        self.seconds.is_some() || self.cancelled
    }

    /// Whether it may name a job that nobody knows.
    pub fn may_be_unknown(&self) -> bool {
        !matches!(self.asked, Asked::Deck(_) | Asked::Wait(_))
    }

    /// Whether it was seen at work before then and was not over until then.
    pub fn is_under_way(&self, from: Stamp, until: Stamp) -> bool {
        self.under_way.is_some_and(|then| then < from) && self.over > until
    }

    pub fn shares_name(&self, other: &Call) -> bool {
        self.targets.iter().any(|path| other.targets.contains(path))
    }

    /// Whether it was told OK for an equal call before another began, which finds its deck as it left it.
    pub fn left(&self, deck: &Deck, later: &Call) -> bool {
        let same =
            |(path, hash): &(String, Option<String>)| later.found.get(Path::new(path)) == hash.as_ref();
        self.is_like(deck)
            && self.was_told_ok(later.began)
            && !self.seen.is_empty()
            && self.seen.iter().all(same)
    }

    /// Whether a deck of it has a name that another call wants.
    pub fn is_in_the_way_of(&self, later: &Call) -> bool {
        self.decks().any(|(path, hash)| {
            hash.is_some()
                && later.targets.iter().any(|target| target == path)
                && later.found.get(path) == hash
        })
    }

    pub fn line(&self) -> String {
        format!("call {}: {} {} {}", self.number, self.code, self.message, self.details)
    }
}

impl Deck {
    /// Whether such a call continues what an equal one left.
    pub fn adopts(&self) -> bool {
        self.key.is_none() && !self.line.adopt_off
    }

    /// The names that a variant of its job can have, with their directory.
    pub fn names(&self, job: &Job, variant: u32) -> [String; 2] {
        let name = if self.line.name > 0 { format!("n{}", self.line.name) } else { job.id.clone() };
        let number = if job.variants() > 1 { format!("-{variant}") } else { String::new() };
        let stem = format!("d{}/{name}{number}", self.directory);
        [format!("{stem}.pptx"), format!("{stem}-{}.pptx", job.id)]
    }
}

impl Body {
    /// Whether it is whole where the other is not.
    pub fn is_better_than(&self, other: &Body) -> bool {
        self.sound && (self.job, self.variant) == (other.job, other.variant)
    }
}

impl Job {
    pub fn variants(&self) -> u32 {
        REQUESTS[usize::from(self.request)].2
    }
}
