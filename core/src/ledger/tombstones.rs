//! Tombstones: what stays of a submission that was forgotten or pruned, so that its key can't buy again
//! unnoticed.

use rusqlite::params;

use super::session::{Identity, Session};
use super::{Claim, Claimed};
use crate::error::Error;
use crate::model::submission_state::State;

/// A submission that is to go.
pub(super) struct Doomed {
    pub(super) number: i64,
    pub(super) origin: String,
    pub(super) key: String,
    pub(super) state: String,
    pub(super) owner: Option<String>,
    pub(super) own_key: bool,
}

impl Session<'_> {
    /// The submissions that meet a condition, in the order that follows it; `?1` is this client's API key.
    pub(super) fn doomed(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<Doomed>, Error> {
        let sql = format!(
            "SELECT id, origin, idempotency_key, state, owner, api_key_hash = ?1 FROM submissions \
             WHERE {condition}"
        );
        self.all(&sql, params, |columns| {
            Ok(Doomed {
                number: columns.get(0)?,
                origin: columns.get(1)?,
                key: columns.get(2)?,
                state: columns.get(3)?,
                owner: columns.get(4)?,
                own_key: columns.get(5)?,
            })
        })
    }

    pub(super) fn is_doomed_live(&mut self, doomed: &Doomed) -> Result<bool, Error> {
        let row = self.row(doomed.number);
        self.holder.is_live(row, doomed.owner.as_deref()).map_err(|error| self.system(&error))
    }

    /// Deletes a submission. What the service may know of leaves a tombstone.
    pub(super) fn delete_leaving_tombstone(&self, doomed: &Doomed) -> Result<(), Error> {
        if doomed.state != State::Refused.name() {
            self.execute(
                "INSERT OR REPLACE INTO tombstones \
                 (identity_hash, api_key_hash, request_hash, job_id, pruned_unix_ms) \
                 SELECT ?2, api_key_hash, request_hash, job_id, ?3 FROM submissions WHERE id = ?1",
                params![doomed.number, self.identity_hash(&doomed.origin, &doomed.key), self.now_ms()],
            )?;
        }
        self.execute("DELETE FROM submissions WHERE id = ?1", [doomed.number])?;
        Ok(())
    }

    /// What a tombstone says about a key. One of another API key counts as well, unless the call buys all the
    /// same.
    pub(super) fn tombstone(
        &self,
        identity: &Identity,
        claim: &Claim,
        key: &str,
        own: &[u8],
    ) -> Result<Option<Claimed>, Error> {
        self.one(
            "SELECT job_id, request_hash FROM tombstones WHERE identity_hash = ?1 \
             AND (api_key_hash = ?2 OR NOT ?3) ORDER BY api_key_hash = ?2 DESC LIMIT 1",
            params![self.identity_hash(&identity.origin, key), own, claim.on_other_key_submit],
            |columns| {
                let request_hash: String = columns.get(1)?;
                Ok(Claimed::Pruned {
                    job_id: columns.get(0)?,
                    same_request: request_hash == claim.request_hash,
                })
            },
        )
    }
}
