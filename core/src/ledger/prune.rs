//! Pruning: what is long settled leaves a tombstone. `promise.md`, 18.

use rusqlite::params;

use super::session::{Session, UNSETTLED, signed};
use crate::error::Error;

const DAY_MS: u64 = 24 * 3_600_000;
/// How long what is settled is kept after its last change.
const KEPT_MS: u64 = 90 * DAY_MS;
/// How far apart two occasions are on which a submission was seen to be that old. A clock that is wrong for
/// one call prunes nothing.
const CONFIRMED_MS: u64 = 7 * DAY_MS;
/// How many are pruned in one transaction: no caller waits for more.
const MAX_AT_ONCE: usize = 500;

/// What can go: nothing is left to do, and every program that asked for it has its end.
fn over() -> String {
    format!(
        "NOT ({UNSETTLED}) AND NOT EXISTS (SELECT 1 FROM calls WHERE submission = submissions.id AND told IS \
         NULL)"
    )
}

/// Prunes the oldest of what is long settled; whether all of it is gone.
pub(super) fn prune(session: &mut Session<'_>) -> Result<bool, Error> {
    let (now, most) = (session.now.unix_ms, i64::try_from(MAX_AT_ONCE).unwrap_or(i64::MAX));
    let (before, confirmed) = (now.saturating_sub(KEPT_MS), now.saturating_sub(CONFIRMED_MS));
    let over = over();
    let old = session.doomed(
        &format!(
            "changed_unix_ms < ?2 AND old_since_unix_ms <= ?3 AND {over} ORDER BY changed_unix_ms LIMIT ?4"
        ),
        params![Vec::<u8>::new(), signed(before), signed(confirmed), most],
    )?;
    let all = old.len() < MAX_AT_ONCE;
    for one in old {
        if !session.is_doomed_live(&one)? {
            session.delete_leaving_tombstone(&one)?;
        }
    }
    // Seen for the first time; or at a time that has not come yet, by a clock that was ahead.
    session.execute(
        &format!(
            "UPDATE submissions SET old_since_unix_ms = ?2 WHERE changed_unix_ms < ?1 \
             AND (old_since_unix_ms IS NULL OR old_since_unix_ms > ?2) AND {over}"
        ),
        params![signed(before), signed(now)],
    )?;
    // Not old at all: a clock was ahead when it was seen.
    session.execute(
        "UPDATE submissions SET old_since_unix_ms = NULL \
         WHERE old_since_unix_ms IS NOT NULL AND changed_unix_ms >= ?1",
        params![signed(before)],
    )?;
    Ok(all)
}
