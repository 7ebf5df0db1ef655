//! Forgetting submissions at the caller's wish.

use rusqlite::params;

use super::listing::rows_named;
use super::session::{Identity, Session, UNSETTLED};
use super::{Forgotten, Name};
use crate::error::Error;

/// Forgets what has this name, or everything of the origin that is settled.
pub(super) fn forget(
    session: &mut Session<'_>,
    identity: &Identity,
    name: Option<&Name>,
) -> Result<Forgotten, Error> {
    let own = session.api_key_hash(identity);
    let Some(name) = name else { return forget_settled(session, identity, &own) };
    let named = rows_named(session, identity, name)?;
    let mut doomed = Vec::new();
    for number in named {
        doomed.extend(session.doomed("id = ?2", params![own, number])?);
    }
    // A name that is this API key's means this one's; another API key's can be forgotten by its name alone.
    if doomed.iter().any(|doomed| doomed.own_key) {
        doomed.retain(|doomed| doomed.own_key);
    }
    if doomed.is_empty() {
        return Ok(Forgotten::Unknown);
    }
    for one in &doomed {
        if session.is_doomed_live(one)? {
            return Ok(Forgotten::Live);
        }
    }
    let mut count = 0;
    for one in &doomed {
        session.delete_leaving_tombstone(one)?;
        count += 1;
    }
    Ok(Forgotten::Gone(count))
}

fn forget_settled(session: &mut Session<'_>, identity: &Identity, own: &[u8]) -> Result<Forgotten, Error> {
    let doomed =
        session.doomed(&format!("origin = ?2 AND NOT ({UNSETTLED})"), params![own, identity.origin])?;
    let mut count = 0;
    for one in doomed {
        if !session.is_doomed_live(&one)? {
            session.delete_leaving_tombstone(&one)?;
            count += 1;
        }
    }
    Ok(Forgotten::Gone(count))
}
