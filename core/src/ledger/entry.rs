//! Reading submissions: their columns, their calls, their files.

use rusqlite::types::Type;
use rusqlite::{Params, Row as Columns};

use super::session::{Session, unsigned};
use super::{Entry, KnownFile};
use crate::common::clock::Stamp;
use crate::error::Error;
use crate::model::submission_state::State;

/// A submission with what only the ledger needs to know of it. Its calls and files are read by
/// [`Session::complete`].
pub(super) struct Found {
    pub(super) entry: Entry,
    pub(super) owner: Option<String>,
}

const COLUMNS: &str = "id, idempotency_key, api_key_hash, request_hash, output_type, variants, state, \
                       job_id, recorded_unix_ms, recorded_boot_ms, recorded_boot, settled_unix_ms, \
                       changed_unix_ms, owner, files_offered";

impl Session<'_> {
    /// The submissions that meet a condition, in the order that follows it; without calls, files, body and
    /// `live`.
    pub(super) fn find(
        &self,
        condition: &str,
        params: impl Params,
        api_key_hash: &[u8],
    ) -> Result<Vec<Found>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM submissions WHERE {condition}");
        self.all(&sql, params, |columns| found(self.ledger, columns, api_key_hash))
    }

    /// With what is kept apart: its calls, its files, and whether a live process works on it.
    pub(super) fn complete(&mut self, mut found: Found) -> Result<Entry, Error> {
        found.entry.live = self.is_live(&found)?;
        found.entry.calls = self.calls(found.entry.row)?;
        found.entry.files = self.all(
            "SELECT variant, format, path, size, sha256, delivered FROM files WHERE submission = ?1 \
             ORDER BY variant, path",
            [found.entry.row.number],
            |columns| {
                Ok(KnownFile {
                    variant: columns.get(0)?,
                    format: columns.get(1)?,
                    path: columns.get(2)?,
                    size: unsigned(columns.get(3)?),
                    sha256: columns.get(4)?,
                    delivered: columns.get(5)?,
                })
            },
        )?;
        Ok(found.entry)
    }

    pub(super) fn is_live(&mut self, found: &Found) -> Result<bool, Error> {
        self.holder.is_live(found.entry.row, found.owner.as_deref()).map_err(|error| self.system(&error))
    }

    pub(super) fn with_body(&self, mut entry: Entry) -> Result<Entry, Error> {
        let body = self.one("SELECT body FROM submissions WHERE id = ?1", [entry.row.number], |columns| {
            columns.get::<_, Option<Vec<u8>>>(0)
        })?;
        entry.body = body.flatten().map(Into::into);
        Ok(entry)
    }
}

fn found(ledger: u64, columns: &Columns<'_>, api_key_hash: &[u8]) -> rusqlite::Result<Found> {
    let state: String = columns.get(6)?;
    let state = State::NAMES.iter().find(|(name, _)| *name == state).map(|(_, state)| *state);
    let entry = Entry {
        row: super::Row { number: columns.get(0)?, ledger },
        key: columns.get(1)?,
        request_hash: columns.get(3)?,
        body: None,
        output_type: columns.get(4)?,
        variants: columns.get(5)?,
        files_offered: columns.get(14)?,
        state: state.ok_or_else(|| rusqlite::Error::InvalidColumnType(6, "state".to_owned(), Type::Text))?,
        job_id: columns.get(7)?,
        recorded: Stamp {
            unix_ms: unsigned(columns.get(8)?),
            boot_ms: unsigned(columns.get(9)?),
            boot: columns.get::<_, String>(10)?.into(),
        },
        settled_unix_ms: columns.get::<_, Option<i64>>(11)?.map(unsigned),
        changed_unix_ms: unsigned(columns.get(12)?),
        live: false,
        own_key: columns.get::<_, Vec<u8>>(2)? == api_key_hash,
        calls: Vec::new(),
        files: Vec::new(),
    };
    Ok(Found { entry, owner: columns.get(13)? })
}
