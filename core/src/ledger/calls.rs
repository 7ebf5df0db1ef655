//! The calls that asked for submissions, and what their programs were told: `promise.md`, 14.

use rusqlite::params;

use super::session::{Identity, Session, signed};
use super::{AskedBefore, AskingCall, CallId, Claim, Row, TOLD_OK};
use crate::error::Error;

/// An equal call in the ledger.
pub(super) struct EqualCall {
    pub(super) number: i64,
    pub(super) submission: i64,
    owner: Option<String>,
}

impl Session<'_> {
    /// The same for equal calls and no others. The API key is not in it: that a call equals one under another API key has
    /// to be found as well.
    fn equal_hash(&self, identity: &Identity, claim: &Claim) -> Vec<u8> {
        let parts = [
            Some("call"),
            Some(&identity.origin),
            Some(&claim.request_hash),
            Some(claim.operation),
            claim.directory.as_deref(),
            claim.name.as_deref(),
        ];
        let mut hash = self.keyed(&parts);
        hash.truncate(16);
        hash
    }

    /// The equal calls that are over, or whose process is gone, and that were not told OK; those of the newest submissions
    /// first. A call of a live process, this one included, is its program's own.
    pub(super) fn unheard_equal_calls(
        &mut self,
        identity: &Identity,
        claim: &Claim,
    ) -> Result<Vec<EqualCall>, Error> {
        let hash = self.equal_hash(identity, claim);
        let own = if self.holder.has_token() { Some(self.token()?) } else { None };
        // Ten thousand equal calls of this process may be under way: the index passes over them.
        let mut calls = self.all(
            "SELECT id, submission, owner FROM calls WHERE equal_hash = ?1 AND told IS NULL AND owner IS NULL \
             UNION ALL SELECT id, submission, owner FROM calls \
             WHERE equal_hash = ?1 AND told IS NULL AND (owner < ?2 OR owner > ?2 OR owner > '' AND ?2 IS NULL) \
             UNION ALL SELECT id, submission, owner FROM calls WHERE equal_hash = ?1 AND told < ?3 \
             UNION ALL SELECT id, submission, owner FROM calls WHERE equal_hash = ?1 AND told > ?3",
            params![hash, own, TOLD_OK],
            |columns| {
                Ok(EqualCall { number: columns.get(0)?, submission: columns.get(1)?, owner: columns.get(2)? })
            },
        )?;
        calls.sort_by_key(|call| std::cmp::Reverse((call.submission, call.number)));
        let mut over = Vec::with_capacity(calls.len());
        for call in calls {
            if !self.is_alive(call.owner.as_deref())? {
                over.push(call);
            }
        }
        Ok(over)
    }

    /// The newest submission of an equal call that was told OK.
    pub(super) fn equal_told_ok(
        &self,
        identity: &Identity,
        claim: &Claim,
        own: &[u8],
    ) -> Result<Option<i64>, Error> {
        self.one(
            "SELECT calls.submission FROM calls JOIN submissions ON submissions.id = calls.submission \
             WHERE equal_hash = ?1 AND told = ?2 AND api_key_hash = ?3 ORDER BY calls.id DESC LIMIT 1",
            params![self.equal_hash(identity, claim), TOLD_OK, own],
            |columns| columns.get(0),
        )
    }

    /// The calls of a submission, the newest first.
    pub(super) fn calls(&mut self, row: Row) -> Result<Vec<AskingCall>, Error> {
        let calls = self.all(
            "SELECT id, operation, directory, name, overwrite, replaceable, told, owner FROM calls \
             WHERE submission = ?1 ORDER BY id DESC",
            [row.number],
            |columns| {
                let call = AskingCall {
                    number: columns.get(0)?,
                    operation: columns.get(1)?,
                    directory: columns.get(2)?,
                    name: columns.get(3)?,
                    overwrite: columns.get(4)?,
                    replaceable: columns.get(5)?,
                    told: columns.get(6)?,
                    live: false,
                };
                Ok((call, columns.get::<_, Option<String>>(7)?))
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

    /// Records a call of this process for a submission. It takes the place of an equal one that is over; then what was
    /// recorded of that one comes back.
    pub(super) fn ask(
        &mut self,
        identity: &Identity,
        claim: &Claim,
        row: Row,
        replaceable: Option<&str>,
    ) -> Result<(CallId, Option<AskedBefore>), Error> {
        let (hash, token) = (self.equal_hash(identity, claim), self.token()?);
        let equal = self.all(
            "SELECT id, told, owner FROM calls WHERE submission = ?1 AND equal_hash = ?2 ORDER BY id DESC",
            params![row.number, hash],
            |columns| {
                Ok((columns.get::<_, i64>(0)?, columns.get(1)?, columns.get::<_, Option<String>>(2)?))
            },
        )?;
        for (number, told, owner) in equal {
            if !self.is_alive(owner.as_deref())? {
                self.execute(
                    "UPDATE calls SET overwrite = ?2, replaceable = ?3, deadline_unix_ms = ?4, told = NULL, \
                     owner = ?5 WHERE id = ?1",
                    params![number, claim.overwrite, replaceable, signed(claim.deadline_unix_ms), token],
                )?;
                return Ok((CallId { row, number }, Some(AskedBefore { told })));
            }
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
