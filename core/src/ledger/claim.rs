//! What a call that is about to cost money continues, or that it is new: promise, 12 to 15.

use rusqlite::params;

use super::session::{Found, Identity, Session, WELL, signed};
use super::{Claim, Claimed, Entry, Row, State};
use crate::error::Error;

pub(super) fn claim(session: &mut Session<'_>, identity: &Identity, claim: &Claim) -> Result<Claimed, Error> {
    let own = session.api_key_hash(identity);
    match &claim.key {
        Some(key) => join(session, identity, claim, key, &own),
        None => adopt_or_begin(session, identity, claim, &own),
    }
}

/// Takes over a submission that nobody alive works on.
pub(super) fn take(session: &mut Session<'_>, identity: &Identity, row: Row) -> Result<Option<Entry>, Error> {
    let own = session.api_key_hash(identity);
    let found = session.find("id = ?1 AND origin = ?2", params![row.0, identity.origin], &own)?;
    let Some(found) = found.into_iter().next() else { return Ok(None) };
    if session.is_live(&found)? {
        return Ok(None);
    }
    session.borrow(row)?;
    session.note(row, "taken over")?;
    let entry = session.complete(found)?.entry;
    session.with_body(entry).map(Some)
}

/// A call that names its key: only what is known under that key is continued.
fn join(
    session: &mut Session<'_>,
    identity: &Identity,
    claim: &Claim,
    key: &str,
    own: &[u8],
) -> Result<Claimed, Error> {
    let known = session.find(
        "origin = ?1 AND idempotency_key = ?2 ORDER BY id DESC",
        params![identity.origin, key],
        own,
    )?;
    let (mine, others): (Vec<Found>, Vec<Found>) = known.into_iter().partition(|found| found.entry.own_key);
    if let Some(found) = mine.into_iter().next() {
        return join_this(session, claim, found);
    }
    if !claim.on_other_key_submit {
        // What nothing came of is nobody's job: a call that was refused for its API key is repeated with another.
        let other = others.into_iter().find(|found| found.entry.state != State::Refused);
        if let Some(found) = other {
            return Ok(Claimed::OtherApiKey(Box::new(session.complete(found)?.entry)));
        }
    }
    if let Some(pruned) = grave(session, identity, claim, key, own)? {
        return Ok(pruned);
    }
    begin(session, identity, claim, key, own)
}

fn join_this(session: &mut Session<'_>, claim: &Claim, found: Found) -> Result<Claimed, Error> {
    let found = session.complete(found)?;
    let same = found.entry.request_hash == claim.request_hash;
    if !same {
        return Ok(Claimed::OtherRequest(Box::new(found.entry)));
    }
    if found.entry.live {
        return Ok(Claimed::Live(Box::new(found.entry)));
    }
    if found.entry.state == State::Refused {
        return begin_again(session, claim, found.entry.row);
    }
    let row = found.entry.row;
    // A call that wants no files leaves the wish of the one that did.
    if claim.directory.is_some() {
        session.execute(
            "UPDATE submissions SET operation = ?2, directory = ?3, name = ?4, overwrite = ?5 WHERE id = ?1",
            params![row.0, claim.operation, claim.directory, claim.name, claim.overwrite],
        )?;
    }
    continued(session, claim, found, false)
}

/// A call without a key: an equal one whose caller does not have what it paid for, else it is new.
fn adopt_or_begin(
    session: &mut Session<'_>,
    identity: &Identity,
    claim: &Claim,
    own: &[u8],
) -> Result<Claimed, Error> {
    if claim.adopt {
        // Also one that `recover` settled while its caller was gone: that one has heard of nothing, and comes back.
        for state in
            ["state IN ('submitting', 'accepted', 'completed')", "state = 'settled' AND told IS NULL"]
        {
            let condition = format!(
                "origin = ?1 AND api_key_hash = ?2 AND request_hash = ?3 AND {state} \
                 AND operation = ?4 AND directory IS ?5 AND name IS ?6 ORDER BY id DESC"
            );
            let like = params![
                identity.origin,
                own,
                claim.request_hash,
                claim.operation,
                claim.directory,
                claim.name
            ];
            for found in session.find(&condition, like, own)? {
                if is_adoptable(found.told.as_deref()) && !session.is_live(&found)? {
                    let found = session.complete(found)?;
                    return continued(session, claim, found, true);
                }
            }
        }
    }
    begin(session, identity, claim, &claim.fresh_key, own)
}

/// Whether the caller never heard of it, or heard of an error. Which one does not matter, since the submission is not
/// settled: a run that was told TRANSPORT over its finished job, and begun again, must not buy another.
fn is_adoptable(told: Option<&str>) -> bool {
    told != Some(WELL)
}

fn continued(
    session: &mut Session<'_>,
    claim: &Claim,
    found: Found,
    adopted: bool,
) -> Result<Claimed, Error> {
    let row = found.entry.row;
    session.own(row)?;
    session.execute(
        "UPDATE submissions SET deadline_unix_ms = ?2 WHERE id = ?1",
        params![row.0, signed(claim.deadline_unix_ms)],
    )?;
    session.note(row, if adopted { "adopted" } else { "joined" })?;
    let mut entry = session.with_body(found.entry)?;
    if claim.directory.is_some() {
        entry.operation = claim.operation.to_owned();
        entry.directory.clone_from(&claim.directory);
        entry.name.clone_from(&claim.name);
        entry.overwrite = claim.overwrite;
    }
    Ok(Claimed::Continued { entry: Box::new(entry), adopted })
}

/// What a tombstone says about this key. One of another API key counts as well, unless that is accepted.
fn grave(
    session: &Session<'_>,
    identity: &Identity,
    claim: &Claim,
    key: &str,
    own: &[u8],
) -> Result<Option<Claimed>, Error> {
    session.one(
        "SELECT job_id, request_hash FROM tombstones WHERE identity_hash = ?1 \
         AND (api_key_hash = ?2 OR NOT ?3) ORDER BY api_key_hash = ?2 DESC LIMIT 1",
        params![session.identity_hash(&identity.origin, key), own, claim.on_other_key_submit],
        |columns| {
            let request_hash: String = columns.get(1)?;
            Ok(Claimed::Pruned { job_id: columns.get(0)?, same_request: request_hash == claim.request_hash })
        },
    )
}

fn begin(
    session: &mut Session<'_>,
    identity: &Identity,
    claim: &Claim,
    key: &str,
    own: &[u8],
) -> Result<Claimed, Error> {
    if !claim.record {
        return Ok(Claimed::New(None));
    }
    session.execute(
        "INSERT INTO submissions (origin, idempotency_key, api_key_hash, operation, request_hash, body, \
         output_type, variants, directory, name, overwrite, deadline_unix_ms, state, recorded_unix_ms, \
         changed_unix_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'submitting', ?13, ?13)",
        params![
            identity.origin,
            key,
            own,
            claim.operation,
            claim.request_hash,
            &claim.body[..],
            claim.output_type,
            claim.variants,
            claim.directory,
            claim.name,
            claim.overwrite,
            signed(claim.deadline_unix_ms),
            signed(session.now),
        ],
    )?;
    let row = Row(session.connection.last_insert_rowid());
    session.own(row)?;
    session.note(row, "recorded")?;
    Ok(Claimed::New(Some(row)))
}

/// Nothing came of it, so it begins as if it were new.
fn begin_again(session: &mut Session<'_>, claim: &Claim, row: Row) -> Result<Claimed, Error> {
    if !claim.record {
        return Ok(Claimed::New(None));
    }
    session.execute(
        "UPDATE submissions SET operation = ?2, body = ?3, output_type = ?4, variants = ?5, directory = ?6, \
         name = ?7, overwrite = ?8, deadline_unix_ms = ?9, state = 'submitting', job_id = NULL, \
         recorded_unix_ms = ?10 WHERE id = ?1",
        params![
            row.0,
            claim.operation,
            &claim.body[..],
            claim.output_type,
            claim.variants,
            claim.directory,
            claim.name,
            claim.overwrite,
            signed(claim.deadline_unix_ms),
            signed(session.now),
        ],
    )?;
    session.own(row)?;
    session.note(row, "recorded again")?;
    Ok(Claimed::New(Some(row)))
}
