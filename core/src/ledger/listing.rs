//! What is asked of a ledger without changing it.

use rusqlite::params;

use super::session::{Identity, Session, signed, write_state};
use super::{Entry, Event, Filter, Row};
use crate::error::Error;

pub(super) fn list(
    session: &mut Session<'_>,
    identity: &Identity,
    filter: &Filter,
) -> Result<Vec<Entry>, Error> {
    let own = session.api_key_hash(identity);
    let found = session.find(
        "origin = ?1 AND (NOT ?2 OR api_key_hash = ?3) \
         AND (?4 IS NULL OR ?4 = (state IN ('submitting', 'accepted', 'completed'))) \
         AND (?5 IS NULL OR state = ?5) AND (?6 IS NULL OR job_id = ?6 OR idempotency_key = ?6) \
         AND (?7 IS NULL OR changed_unix_ms >= ?7) ORDER BY id DESC LIMIT ?8",
        params![
            identity.origin,
            filter.own_key,
            own,
            filter.unsettled,
            filter.state.map(write_state),
            filter.name,
            filter.changed_since_unix_ms.map(signed),
            i64::try_from(filter.limit).unwrap_or(i64::MAX),
        ],
        &own,
    )?;
    found.into_iter().map(|found| Ok(session.complete(found)?.entry)).collect()
}

pub(super) fn history(session: &Session<'_>, identity: &Identity, row: Row) -> Result<Vec<Event>, Error> {
    session.all(
        "SELECT events.unix_ms, event FROM events JOIN submissions ON submissions.id = submission \
         WHERE submission = ?1 AND origin = ?2 ORDER BY number",
        params![row.0, identity.origin],
        |columns| {
            Ok(Event { unix_ms: columns.get::<_, i64>(0)?.try_into().unwrap_or(0), event: columns.get(1)? })
        },
    )
}

/// How many wait for `recover`, by owner: one look at each is enough.
pub(super) fn unsettled(session: &mut Session<'_>, identity: &Identity) -> Result<u64, Error> {
    let own = session.api_key_hash(identity);
    // Those that this process works on may be ten thousand, and their rows are not read: the index has what is asked.
    let ids = session.all(
        "SELECT id FROM submissions WHERE origin = ?1 AND api_key_hash = ?2 \
         AND state IN ('submitting', 'accepted', 'completed')",
        params![identity.origin, own],
        |columns| columns.get(0).map(Row),
    )?;
    if ids.into_iter().all(|row| session.holder.works_on(row)) {
        return Ok(0);
    }
    let rows = session.all(
        "SELECT id, owner FROM submissions WHERE origin = ?1 AND api_key_hash = ?2 \
         AND state IN ('submitting', 'accepted', 'completed')",
        params![identity.origin, own],
        |columns| Ok((Row(columns.get(0)?), columns.get::<_, Option<String>>(1)?)),
    )?;
    let mut count = 0;
    for (row, owner) in rows {
        let live = session.holder.is_live(row, owner.as_deref()).map_err(|error| session.system(&error))?;
        count += u64::from(!live);
    }
    Ok(count)
}
