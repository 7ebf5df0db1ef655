//! What a call that is about to cost money continues, or that it is new: `promise.md`, 12 to 15.

use std::sync::Arc;

use rusqlite::params;

use super::entry::Found;
use super::job::Recorder;
use super::session::{Identity, Session};
use super::{AskedBefore, CallId, Claim, Claimed, Entry, Row, Withdrawal};
use crate::common::clock::Stamp;
use crate::error::{Error, Kind};
use crate::model::submission_state::State;
use crate::request::CANONICAL_VERSION;

/// A claim's outcome, and what has to be recorded if no caller is there to take it.
pub(super) struct Outcome {
    pub(super) claimed: Claimed,
    pub(super) before: Option<AskedBefore>,
}

impl From<Claimed> for Outcome {
    fn from(claimed: Claimed) -> Outcome {
        Outcome { claimed, before: None }
    }
}

/// Finds what a call continues.
pub(super) fn find(session: &mut Session<'_>, identity: &Identity, claim: &Claim) -> Result<Outcome, Error> {
    let own = session.api_key_hash(identity);
    match &claim.key {
        Some(key) => join(session, identity, claim, key, &own),
        None if claim.adopt => adopt(session, identity, claim, &own),
        None => Ok(Claimed::Unknown { earlier: None }.into()),
    }
}

/// The same, or records the call as new.
pub(super) fn begin(
    session: &mut Session<'_>,
    identity: &Identity,
    claim: &Claim,
    replaceable: Option<&str>,
) -> Result<Outcome, Error> {
    let found = find(session, identity, claim)?;
    if !matches!(found.claimed, Claimed::Unknown { .. }) {
        return Ok(found);
    }
    let row = record(session, identity, claim)?;
    let (call, _) = session.ask(identity, claim, row, replaceable)?;
    Ok(Claimed::New { call }.into())
}

/// The newest submission of an equal call that was told OK.
pub(super) fn equal_decks(
    session: &mut Session<'_>,
    identity: &Identity,
    claim: &Claim,
) -> Result<Vec<Entry>, Error> {
    let own = session.api_key_hash(identity);
    let mut decks = Vec::new();
    for number in session.equal_submissions(identity, claim, &own)? {
        for found in session.find("id = ?1", [number], &own)? {
            decks.push(session.complete(found)?);
        }
    }
    Ok(decks)
}

/// Takes over a submission that no live process works on.
pub(super) fn take(session: &mut Session<'_>, identity: &Identity, row: Row) -> Result<Option<Entry>, Error> {
    if row.ledger != session.ledger {
        return Ok(None);
    }
    let own = session.api_key_hash(identity);
    let found = session.find("id = ?1 AND origin = ?2", params![row.number, identity.origin], &own)?;
    let Some(found) = found.into_iter().next() else { return Ok(None) };
    if session.is_live(&found)? {
        return Ok(None);
    }
    session.lease(row)?;
    session.note(row, "taken over")?;
    let entry = session.complete(found)?;
    session.with_body(entry).map(Some)
}

/// A call that names its key: only what is known under that key is continued.
fn join(
    session: &mut Session<'_>,
    identity: &Identity,
    claim: &Claim,
    key: &str,
    own: &[u8],
) -> Result<Outcome, Error> {
    let known = session.find(
        "origin = ?1 AND idempotency_key = ?2 ORDER BY id DESC",
        params![identity.origin, key],
        own,
    )?;
    // Of a refused submission nothing came: a call that was refused for its API key is repeated with another.
    let (mine, others): (Vec<Found>, Vec<Found>) = known
        .into_iter()
        .filter(|found| found.entry.state != State::Refused)
        .partition(|found| found.entry.own_key);
    if let Some(found) = mine.into_iter().next() {
        let entry = session.complete(found)?;
        if entry.request_hash != claim.request_hash {
            return Ok(Claimed::OtherRequest(Box::new(entry)).into());
        }
        return continued(session, identity, claim, entry, false);
    }
    if let Some(found) = others.into_iter().next().filter(|_| !claim.on_other_key_submit) {
        let entry = Box::new(session.complete(found)?);
        return Ok(Claimed::OtherApiKey { entry, equal: false }.into());
    }
    if let Some(pruned) = session.tombstone(identity, claim, key, own)? {
        return Ok(pruned.into());
    }
    Ok(Claimed::Unknown { earlier: None }.into())
}

/// A call without a key: it continues an equal call's submission if that call's program has nothing.
fn adopt(
    session: &mut Session<'_>,
    identity: &Identity,
    claim: &Claim,
    own: &[u8],
) -> Result<Outcome, Error> {
    let (mut earlier, mut others) = (None, None);
    for call in session.unheard_equal_calls(identity, claim)? {
        let found = session.find("id = ?1", [call.submission], own)?.into_iter().next();
        let Some(found) = found.filter(|found| !found.entry.state.is_free_of_charge()) else { continue };
        if !found.entry.own_key {
            if found.entry.state.is_unsettled() && others.is_none() {
                others = Some(found);
            }
            continue;
        }
        // A settled submission is adopted for a while only. A clock that was set back makes it young, which
        // costs nothing.
        let settled = found.entry.settled_unix_ms.filter(|_| !found.entry.state.is_unsettled());
        let age = settled.map(|settled| session.now.unix_ms.saturating_sub(settled));
        if age.is_some_and(|age| age > claim.adopt_window_ms) {
            earlier.get_or_insert(found);
            continue;
        }
        let entry = session.complete(found)?;
        return continued(session, identity, claim, entry, true);
    }
    if let Some(found) = others.filter(|_| !claim.on_other_key_submit) {
        let entry = Box::new(session.complete(found)?);
        return Ok(Claimed::OtherApiKey { entry, equal: true }.into());
    }
    let earlier = earlier.map(|found| session.complete(found)).transpose()?.map(Box::new);
    Ok(Claimed::Unknown { earlier }.into())
}

fn continued(
    session: &mut Session<'_>,
    identity: &Identity,
    claim: &Claim,
    entry: Entry,
    adopted: bool,
) -> Result<Outcome, Error> {
    if entry.live {
        return Ok(Claimed::Live(Box::new(entry)).into());
    }
    let row = entry.row;
    session.lease(row)?;
    let (call, before) = session.ask(identity, claim, row, None)?;
    session.note(row, if adopted { "adopted" } else { "joined" })?;
    let entry = Box::new(session.with_body(entry)?);
    Ok(Outcome { claimed: Claimed::Continued { entry, call, adopted }, before })
}

/// Records a submission as new. One that was refused under the same key begins again in its place.
fn record(session: &mut Session<'_>, identity: &Identity, claim: &Claim) -> Result<Row, Error> {
    let Stamp { boot_ms, boot, .. } = session.now.clone();
    // What a call asked for that was refused under this key is another request now.
    session.execute(
        "DELETE FROM calls WHERE submission IN (SELECT id FROM submissions \
         WHERE origin = ?1 AND idempotency_key = ?2 AND api_key_hash = ?3 AND state = 'refused')",
        params![
            identity.origin,
            claim.key.as_deref().unwrap_or(&claim.fresh_key),
            session.api_key_hash(identity)
        ],
    )?;
    session.execute(
        "INSERT INTO submissions (origin, idempotency_key, api_key_hash, request_version, request_hash, \
         body, output_type, variants, state, recorded_unix_ms, recorded_boot_ms, recorded_boot, \
         changed_unix_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'submitting', ?9, ?10, ?11, ?9) ON \
         CONFLICT (origin, idempotency_key, api_key_hash) DO UPDATE SET request_version = \
         excluded.request_version, request_hash = excluded.request_hash, body = excluded.body, output_type = \
         excluded.output_type, variants = excluded.variants, state = 'submitting', job_id = NULL, \
         recorded_unix_ms = excluded.recorded_unix_ms, recorded_boot_ms = excluded.recorded_boot_ms, \
         recorded_boot = excluded.recorded_boot, settled_unix_ms = NULL, old_since_unix_ms = NULL WHERE \
         state = 'refused'",
        params![
            identity.origin,
            claim.key.as_deref().unwrap_or(&claim.fresh_key),
            session.api_key_hash(identity),
            CANONICAL_VERSION,
            claim.request_hash,
            &claim.body[..],
            claim.output_type,
            claim.variants,
            session.now_ms(),
            super::session::signed(boot_ms),
            &*boot,
        ],
    )?;
    let number = session.one(
        "SELECT id FROM submissions WHERE origin = ?1 AND idempotency_key = ?2 AND api_key_hash = ?3",
        params![
            identity.origin,
            claim.key.as_deref().unwrap_or(&claim.fresh_key),
            session.api_key_hash(identity)
        ],
        |columns| columns.get(0),
    )?;
    let row = session.row(number.unwrap_or_default());
    session.lease(row)?;
    session.note(row, "recorded")?;
    Ok(row)
}

/// What has to be recorded if no caller takes what it claimed: that nothing was sent, or that all is as it
/// was.
pub(super) fn withdrawal(outcome: &Outcome) -> Option<(Row, Vec<super::Step>)> {
    withdrawal_for(outcome, Kind::Cancelled)
}

/// The same, where the caller is told this code.
fn withdrawal_for(outcome: &Outcome, code: Kind) -> Option<(Row, Vec<super::Step>)> {
    use super::Step::{Refused, Released, Told, Withdrawn};
    match &outcome.claimed {
        Claimed::New { call: CallId { row, number } } => {
            let told = Told { call: *number, code: Some(code) };
            Some((*row, vec![Refused { code }, told, Released]))
        }
        Claimed::Continued { call: CallId { row, number }, .. } => {
            let withdrawn = Withdrawn { call: *number, before: outcome.before.clone() };
            Some((*row, vec![withdrawn, Released]))
        }
        _ => None,
    }
}

/// What the caller is given where the commit failed and the claim may be recorded all the same: it is
/// withdrawn.
pub(super) fn doubt(outcome: Outcome, error: &Error, recorder: &Arc<dyn Recorder>) -> Result<Outcome, Error> {
    let Some((row, steps)) = withdrawal_for(&outcome, error.kind()) else { return Err(error.clone()) };
    let withdrawn = Arc::clone(recorder).record(row, steps);
    let withdrawal = Withdrawal(Box::pin(async move {
        match withdrawn.await {
            // Written; or there is nothing that could be withdrawn, since the commit has failed in truth.
            Ok(Ok(())) => true,
            Ok(Err(error)) => error.kind() != Kind::Forked,
            Err(_) => false,
        }
    }));
    Ok(Claimed::InDoubt { error: error.clone(), withdrawal }.into())
}
