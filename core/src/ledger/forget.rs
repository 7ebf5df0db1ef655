//! What is forgotten, and the tombstone that stays: promise, 18.

use rusqlite::params;

use super::session::{Identity, Session, signed};
use super::{Forgotten, Row, State};
use crate::error::Error;

/// How long what is settled is kept after its last change: 90 days.
const KEPT_MS: u64 = 90 * 24 * 3_600_000;
/// How many are pruned in one transaction: nobody waits for more.
const AT_ONCE: usize = 500;

/// What is needed to bury a submission.
struct Gone {
    row: Row,
    origin: String,
    key: String,
    state: String,
    owner: Option<String>,
    own_key: bool,
}

/// Forgets what has this name, or everything of the origin that is settled.
pub(super) fn forget(
    session: &mut Session<'_>,
    identity: &Identity,
    name: Option<&str>,
) -> Result<Forgotten, Error> {
    let own = session.api_key_hash(identity);
    let mut gone = gone(
        session,
        "origin = ?2 AND ((?3 IS NULL AND state NOT IN ('submitting', 'accepted', 'completed')) \
         OR job_id = ?3 OR idempotency_key = ?3)",
        params![own, identity.origin, name],
    )?;
    if name.is_some() {
        // A name that is ours means ours; another API key's can be forgotten by its name alone.
        if gone.iter().any(|gone| gone.own_key) {
            gone.retain(|gone| gone.own_key);
        }
        if gone.is_empty() {
            return Ok(Forgotten::Unknown);
        }
    }
    let mut count = 0;
    for gone in &gone {
        let live = is_live(session, gone)?;
        if live && name.is_some() {
            return Ok(Forgotten::Live);
        }
        count += u64::from(!live);
    }
    for gone in gone {
        if !is_live(session, &gone)? {
            bury(session, &gone)?;
        }
    }
    Ok(Forgotten::Gone(count))
}

/// Forgets the oldest of what is long settled; whether all of it is gone.
pub(super) fn prune(session: &mut Session<'_>) -> Result<bool, Error> {
    let before = signed(session.now.saturating_sub(KEPT_MS));
    let old = gone(
        session,
        "changed_unix_ms < ?2 AND state NOT IN ('submitting', 'accepted', 'completed') \
         ORDER BY changed_unix_ms LIMIT ?3",
        params![Vec::<u8>::new(), before, i64::try_from(AT_ONCE).unwrap_or(i64::MAX)],
    )?;
    let all = old.len() < AT_ONCE;
    for gone in old {
        if !is_live(session, &gone)? {
            bury(session, &gone)?;
        }
    }
    Ok(all)
}

fn gone(session: &Session<'_>, condition: &str, params: impl rusqlite::Params) -> Result<Vec<Gone>, Error> {
    let sql = format!(
        "SELECT id, origin, idempotency_key, state, owner, api_key_hash = ?1 FROM submissions WHERE {condition}"
    );
    session.all(&sql, params, |columns| {
        Ok(Gone {
            row: Row(columns.get(0)?),
            origin: columns.get(1)?,
            key: columns.get(2)?,
            state: columns.get(3)?,
            owner: columns.get(4)?,
            own_key: columns.get(5)?,
        })
    })
}

fn is_live(session: &mut Session<'_>, gone: &Gone) -> Result<bool, Error> {
    session.holder.is_live(gone.row, gone.owner.as_deref()).map_err(|error| session.system(&error))
}

/// Removes a submission. Whatever the service may know of leaves a tombstone, also if it was forgotten by name: the
/// same key again would be another purchase that nobody was told of.
fn bury(session: &Session<'_>, gone: &Gone) -> Result<(), Error> {
    if gone.state != super::session::write_state(State::Refused) {
        session.execute(
            "INSERT OR REPLACE INTO tombstones \
             (identity_hash, api_key_hash, request_hash, job_id, buried_unix_ms) \
             SELECT ?2, api_key_hash, request_hash, job_id, ?3 FROM submissions WHERE id = ?1",
            params![gone.row.0, session.identity_hash(&gone.origin, &gone.key), signed(session.now)],
        )?;
    }
    session.execute("DELETE FROM submissions WHERE id = ?1", [gone.row.0])?;
    Ok(())
}
