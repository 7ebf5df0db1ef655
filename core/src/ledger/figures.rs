//! How long jobs took, for the next process: `docs/decisions/0016-polling.md`.
//!
//! What is learned must cost neither money nor time. It waits in memory until steps are written that no call
//! shares a transaction with, or until nothing else is to be done; so it adds no sync to a submission. What
//! can't be written then is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;

use super::engine::Work;
use super::session::{Identity, Session, signed, unsigned};
use crate::common::clock::Stopwatch;
use crate::error::Error;
use crate::model::figure::{Figure, MAX_REMEMBERED, Product};

/// How many figures wait to be written.
const MAX_WAITING: usize = 4 * MAX_REMEMBERED;
/// How long they wait for steps to go with.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many figures a ledger has of one origin and product, and in all.
const MAX_OF_PRODUCT: u32 = MAX_REMEMBERED as u32;
const MAX_ROWS: u32 = 2_000;
/// How old a figure may be, and how far in the future: clocks are corrected by small steps.
const MAX_AGE_MS: i64 = 30 * 24 * 3_600_000;
const MAX_AHEAD_MS: i64 = 24 * 3_600_000;

/// Figures that are not written yet: of each job the newest.
#[derive(Debug, Default)]
pub(super) struct Figures {
    waiting: BTreeMap<(Arc<str>, u64), Figure>,
    /// Since when the first of them waits.
    since: Option<Stopwatch>,
}

impl Figures {
    /// Adds figures of an origin, in the place of what their jobs said before.
    pub(super) fn add(&mut self, origin: &Arc<str>, figures: Vec<Figure>) {
        for figure in figures {
            let place = (Arc::clone(origin), figure.job);
            if self.waiting.len() < MAX_WAITING || self.waiting.contains_key(&place) {
                self.waiting.insert(place, figure);
                self.since.get_or_insert_with(Stopwatch::start);
            }
        }
    }

    /// Adds what waited elsewhere.
    pub(super) fn add_all(&mut self, mut others: Figures) {
        others.waiting.append(&mut self.waiting);
        while others.waiting.len() > MAX_WAITING {
            others.waiting.pop_last();
        }
        *self = others;
    }

    /// How long they can still wait for steps to go with; none: there are none.
    pub(super) fn can_wait(&self) -> Option<Duration> {
        self.since.map(|since| PATIENCE.saturating_sub(since.elapsed()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Work for Figures {
    fn writes(&self) -> bool {
        !self.is_empty()
    }

    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let now = session.now_ms();
        for ((origin, job), figure) in &self.waiting {
            // A number of 64 bits has a sign in SQLite.
            let job = job.cast_signed();
            let age = signed(u64::try_from(figure.age.as_millis()).unwrap_or(u64::MAX));
            session.execute(
                "INSERT INTO durations (origin, product, job, since_unix_ms, age_ms, done) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (origin, product, job) \
                 DO UPDATE SET age_ms = excluded.age_ms, done = excluded.done WHERE NOT done",
                params![origin, name(figure.product), job, now, age, figure.done],
            )?;
        }
        session.execute(
            "DELETE FROM durations WHERE since_unix_ms < ?1 OR since_unix_ms > ?2",
            params![now.saturating_sub(MAX_AGE_MS), now.saturating_add(MAX_AHEAD_MS)],
        )?;
        let mut origins: Vec<&Arc<str>> = self.waiting.keys().map(|(origin, _)| origin).collect();
        origins.dedup();
        for origin in origins {
            for product in [Product::Slide, Product::Deck] {
                session.execute(
                    "DELETE FROM durations WHERE origin = ?1 AND product = ?2 AND (since_unix_ms, job) <= \
                     (SELECT since_unix_ms, job FROM durations WHERE origin = ?1 AND product = ?2 \
                     ORDER BY since_unix_ms DESC, job DESC LIMIT 1 OFFSET ?3)",
                    params![origin, name(product), MAX_OF_PRODUCT],
                )?;
            }
        }
        session.execute(
            "DELETE FROM durations WHERE since_unix_ms <= (SELECT since_unix_ms FROM durations \
             ORDER BY since_unix_ms DESC LIMIT 1 OFFSET ?1)",
            [MAX_ROWS],
        )?;
        Ok(())
    }
}

/// What is known of an origin's jobs: of each kind the oldest first.
pub(super) fn kept(session: &mut Session<'_>, identity: &Identity) -> Result<Vec<Figure>, Error> {
    let now = session.now_ms();
    let mut kept = Vec::new();
    for product in [Product::Slide, Product::Deck] {
        let mut figures = session.all(
            "SELECT job, age_ms, done FROM durations WHERE origin = ?1 AND product = ?2 \
             AND since_unix_ms BETWEEN ?3 AND ?4 ORDER BY since_unix_ms DESC, job DESC LIMIT ?5",
            params![
                identity.origin,
                name(product),
                now.saturating_sub(MAX_AGE_MS),
                now.saturating_add(MAX_AHEAD_MS),
                MAX_OF_PRODUCT
            ],
            |row| {
                let job = row.get::<_, i64>(0)?.cast_unsigned();
                let age = Duration::from_millis(unsigned(row.get(1)?));
                Ok(Figure { job, product, age, done: row.get(2)? })
            },
        )?;
        figures.reverse();
        kept.append(&mut figures);
    }
    Ok(kept)
}

/// A product's name in the file.
fn name(product: Product) -> &'static str {
    match product {
        Product::Slide => "slide",
        Product::Deck => "deck",
    }
}
