//! The calls that asked for submissions, and what their programs were told: `promise.md`, 14.

use rusqlite::params;

use super::session::{CallParts, Identity, Session, equal_hash, signed};
use super::{AskedBefore, AskingCall, CallId, Claim, Row, TOLD_OK};
use crate::error::Error;

/// How many decks of equal calls are looked at for the one that has a name.
const MAX_EQUAL: i64 = 100;

/// An equal call in the ledger.
pub(super) struct EqualCall {
    pub(super) number: i64,
    pub(super) submission: i64,
    owner: Option<String>,
}

impl Session<'_> {
    fn equal_hash(&self, identity: &Identity, claim: &Claim) -> Vec<u8> {
        let call = CallParts {
            origin: &identity.origin,
            request_hash: &claim.request_hash,
            operation: claim.operation,
            directory: claim.directory.as_deref(),
            name: claim.name.as_deref(),
        };
        equal_hash(self.secret, &call)
    }

    /// The equal calls that are over, or whose process is gone, and that were not told OK; those of the
    /// newest submissions first. A call of a live process, this one included, is its program's own. One that
    /// was made again and told OK then has its end: a submission gets a further call only when those before
    /// are over.
    pub(super) fn unheard_equal_calls(
        &mut self,
        identity: &Identity,
        claim: &Claim,
    ) -> Result<Vec<EqualCall>, Error> {
        let hash = self.equal_hash(identity, claim);
        let own = if self.holder.has_token() { Some(self.token()?) } else { None };
        // Ten thousand equal calls of this process may be under way: the index passes over them.
        let mut calls = self.all(
            "SELECT id, submission, owner FROM calls WHERE equal_hash = ?1 AND told IS NULL AND owner IS \
             NULL UNION ALL SELECT id, submission, owner FROM calls WHERE equal_hash = ?1 AND told IS NULL \
             AND (owner < ?2 OR owner > ?2 OR owner > '' AND ?2 IS NULL) UNION ALL SELECT id, submission, \
             owner FROM calls WHERE equal_hash = ?1 AND told < ?3 UNION ALL SELECT id, submission, owner \
             FROM calls WHERE equal_hash = ?1 AND told > ?3",
            params![hash, own, TOLD_OK],
            |columns| {
                Ok(EqualCall { number: columns.get(0)?, submission: columns.get(1)?, owner: columns.get(2)? })
            },
        )?;
        calls.sort_by_key(|call| std::cmp::Reverse((call.submission, call.number)));
        let mut over = Vec::with_capacity(calls.len());
        for call in calls {
            if !self.is_alive(call.owner.as_deref())? && !self.was_repeated(&call, &hash)? {
                over.push(call);
            }
        }
        Ok(over)
    }

    /// Whether an equal call of the same submission came later, and was told OK.
    fn was_repeated(&self, call: &EqualCall, hash: &[u8]) -> Result<bool, Error> {
        let later = self.one(
            "SELECT 1 FROM calls WHERE submission = ?1 AND id > ?2 AND equal_hash = ?3 AND told = ?4 LIMIT 1",
            params![call.submission, call.number, hash, TOLD_OK],
            |_| Ok(()),
        )?;
        Ok(later.is_some())
    }

    /// The newest submissions of equal calls, whatever these were told.
    pub(super) fn equal_submissions(
        &self,
        identity: &Identity,
        claim: &Claim,
        own: &[u8],
    ) -> Result<Vec<i64>, Error> {
        self.all(
            "SELECT DISTINCT calls.submission FROM calls JOIN submissions ON submissions.id = \
             calls.submission WHERE equal_hash = ?1 AND api_key_hash = ?2 ORDER BY calls.submission DESC \
             LIMIT ?3",
            params![self.equal_hash(identity, claim), own, MAX_EQUAL],
            |columns| columns.get(0),
        )
    }

    /// The calls of a submission, the newest first.
    pub(super) fn calls(&mut self, row: Row) -> Result<Vec<AskingCall>, Error> {
        let calls = self.all(
            "SELECT operation, directory, name, overwrite, replaceable, told, owner FROM calls \
             WHERE submission = ?1 ORDER BY id DESC",
            [row.number],
            |columns| {
                let call = AskingCall {
                    operation: columns.get(0)?,
                    directory: columns.get(1)?,
                    name: columns.get(2)?,
                    overwrite: columns.get(3)?,
                    replaceable: columns.get(4)?,
                    told: columns.get(5)?,
                    live: false,
                };
                Ok((call, columns.get::<_, Option<String>>(6)?))
            },
        )?;
        let mut known = Vec::with_capacity(calls.len());
        for (call, owner) in calls {
            known.push(AskingCall { live: self.is_alive(owner.as_deref())?, ..call });
        }
        Ok(known)
    }

    /// Whether the process with this token lives; without one there is none.
    fn is_alive(&mut self, owner: Option<&str>) -> Result<bool, Error> {
        let Some(owner) = owner else { return Ok(false) };
        self.holder.is_alive(owner).map_err(|error| self.system(&error))
    }

    /// Records a call of this process for a submission. It takes the place of an equal one that is over; then
    /// what was recorded of that one comes back.
    pub(super) fn ask(
        &mut self,
        identity: &Identity,
        claim: &Claim,
        row: Row,
        replaceable: Option<&str>,
    ) -> Result<(CallId, Option<AskedBefore>), Error> {
        let (hash, token) = (self.equal_hash(identity, claim), self.token()?);
        // Those that wait for their end first: a call that was told OK has it.
        let equal = self.all(
            "SELECT id, told, owner FROM calls WHERE submission = ?1 AND equal_hash = ?2 \
             ORDER BY told IS ?3, id DESC",
            params![row.number, hash, TOLD_OK],
            |columns| {
                let told: Option<String> = columns.get(1)?;
                Ok((columns.get::<_, i64>(0)?, told, columns.get::<_, Option<String>>(2)?))
            },
        )?;
        let mut place = None;
        for (number, told, owner) in equal {
            if self.is_alive(owner.as_deref())? {
                continue;
            }
            if place.is_none() {
                place = Some((number, told));
            } else if told.as_deref() != Some(TOLD_OK) {
                // The same call, made twice: it has one end.
                self.execute("DELETE FROM calls WHERE id = ?1", [number])?;
            }
        }
        if let Some((number, told)) = place {
            self.execute(
                "UPDATE calls SET overwrite = ?2, replaceable = ?3, deadline_unix_ms = ?4, told = NULL, \
                 owner = ?5 WHERE id = ?1",
                params![number, claim.overwrite, replaceable, signed(claim.deadline_unix_ms), token],
            )?;
            return Ok((CallId { row, number }, Some(AskedBefore { told })));
        }
        self.execute(
            "INSERT INTO calls (submission, equal_hash, operation, directory, name, overwrite, replaceable, \
             deadline_unix_ms, owner) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                row.number,
                hash,
                claim.operation,
                claim.directory,
                claim.name,
                claim.overwrite,
                replaceable,
                signed(claim.deadline_unix_ms),
                token
            ],
        )?;
        Ok((CallId { row, number: self.connection.last_insert_rowid() }, None))
    }
}
