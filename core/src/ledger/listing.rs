//! What is asked of a ledger without changing it.

use rusqlite::params;

use super::session::{Identity, Session, UNSETTLED, signed};
use super::{Entry, Event, Filter, Name, Row};
use crate::error::{Error, Kind};
use crate::model::submission_state::State;

/// The submissions that have a name, of every API key.
///
/// # Errors
/// `Conflict` when the name is one submission's job id and another one's key.
pub(super) fn rows_named(session: &Session<'_>, identity: &Identity, name: &Name) -> Result<Vec<i64>, Error> {
    let find = |column: &str, text: &str| {
        session.all(
            &format!("SELECT id FROM submissions WHERE origin = ?1 AND {column} = ?2 ORDER BY id"),
            params![identity.origin, text],
            |columns| columns.get::<_, i64>(0),
        )
    };
    match name {
        Name::Job(job_id) => find("job_id", job_id),
        Name::Key(key) => find("idempotency_key", key),
        Name::Either(text) => {
            let (jobs, keys) = (find("job_id", text)?, find("idempotency_key", text)?);
            match (jobs.is_empty(), keys.is_empty()) {
                (false, false) if jobs != keys => Err(Error::new(
                    Kind::Conflict,
                    format!(
                        "{text:?} is a job id and also another submission's idempotency key; \
                         say which is meant: job:{text} or key:{text}"
                    ),
                )),
                (false, _) => Ok(jobs),
                (true, _) => Ok(keys),
            }
        }
    }
}

pub(super) fn list(
    session: &mut Session<'_>,
    identity: &Identity,
    filter: &Filter,
) -> Result<Vec<Entry>, Error> {
    let own = session.api_key_hash(identity);
    let condition = format!(
        "origin = ?1 AND (NOT ?2 OR api_key_hash = ?3) AND (?4 IS NULL OR ?4 = ({UNSETTLED})) \
         AND (?5 IS NULL OR state = ?5) AND (?6 IS NULL OR changed_unix_ms >= ?6) \
         AND (?7 IS NULL OR id = ?7) ORDER BY id DESC LIMIT ?8"
    );
    let find = |session: &Session<'_>, row: Option<i64>| {
        session.find(
            &condition,
            params![
                identity.origin,
                filter.own_key,
                own,
                filter.unsettled,
                filter.state.map(State::name),
                filter.changed_since_unix_ms.map(signed),
                row,
                i64::try_from(filter.limit).unwrap_or(i64::MAX),
            ],
            &own,
        )
    };
    let mut found = Vec::new();
    match &filter.name {
        None => found = find(session, None)?,
        Some(name) => {
            for row in rows_named(session, identity, name)?.into_iter().rev() {
                found.extend(find(session, Some(row))?);
            }
        }
    }
    found.into_iter().map(|found| session.complete(found)).collect()
}

pub(super) fn history(session: &Session<'_>, identity: &Identity, row: Row) -> Result<Vec<Event>, Error> {
    if row.ledger != session.ledger {
        return Ok(Vec::new());
    }
    session.all(
        "SELECT events.unix_ms, event FROM events JOIN submissions ON submissions.id = submission \
         WHERE submission = ?1 AND origin = ?2 ORDER BY number",
        params![row.number, identity.origin],
        |columns| {
            Ok(Event { unix_ms: columns.get::<_, i64>(0)?.try_into().unwrap_or(0), event: columns.get(1)? })
        },
    )
}

/// How many wait for `recover`, by owner: one look at each is enough.
pub(super) fn unsettled(session: &mut Session<'_>, identity: &Identity) -> Result<u64, Error> {
    let own = session.api_key_hash(identity);
    // Those that this process works on may be ten thousand, and their rows are not read: the index has their
    // numbers.
    let numbers = session.all(
        &format!("SELECT id FROM submissions WHERE origin = ?1 AND api_key_hash = ?2 AND {UNSETTLED}"),
        params![identity.origin, own],
        |columns| columns.get::<_, i64>(0),
    )?;
    if numbers.into_iter().all(|number| session.holder.holds(session.row(number))) {
        return Ok(0);
    }
    let rows = session.all(
        &format!("SELECT id, owner FROM submissions WHERE origin = ?1 AND api_key_hash = ?2 AND {UNSETTLED}"),
        params![identity.origin, own],
        |columns| Ok((columns.get::<_, i64>(0)?, columns.get::<_, Option<String>>(1)?)),
    )?;
    let mut count = 0;
    for (number, owner) in rows {
        let row = session.row(number);
        let live = session.holder.is_live(row, owner.as_deref()).map_err(|error| session.system(&error))?;
        count += u64::from(!live);
    }
    Ok(count)
}
