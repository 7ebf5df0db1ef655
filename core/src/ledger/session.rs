//! One transaction's view of the ledger: the connection, who we are, what time it is.

use std::path::Path;

use ring::hmac;
use rusqlite::{Connection, OptionalExtension as _, Params, Row as Columns, params};

use super::holder::Holder;
use super::refusal::{Trouble, by_sqlite, by_system};
use super::{Entry, Recorded, Row, State};
use crate::error::{Error, Kind};

/// How many lines of a submission's history are kept.
const EVENTS: i64 = 50;
/// How long a line of it can be, in characters.
const EVENT_LENGTH: usize = 200;

/// What `told` holds when all went well.
pub(super) const WELL: &str = "OK";

/// Whose view it is.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) origin: String,
    pub(super) api_key: crate::secret::ApiKey,
}

pub(super) struct Session<'a> {
    pub(super) path: &'a Path,
    pub(super) connection: &'a Connection,
    pub(super) holder: &'a mut Holder,
    pub(super) secret: &'a hmac::Key,
    /// In milliseconds since 1970.
    pub(super) now: u64,
    /// Set when a request is dropped: the log still holds it.
    pub(super) traces: &'a mut bool,
}

/// A submission with what only the ledger needs to know of it.
pub(super) struct Found {
    pub(super) entry: Entry,
    pub(super) owner: Option<String>,
    /// As it is kept: see `WELL`.
    pub(super) told: Option<String>,
}

impl Session<'_> {
    /// What stands for an API key: nobody finds the key from it, not even by trying known ones.
    pub(super) fn api_key_hash(&self, identity: &Identity) -> Vec<u8> {
        self.keyed(&["api key", identity.api_key.reveal()])
    }

    /// What stands for an idempotency key in a tombstone.
    pub(super) fn identity_hash(&self, origin: &str, key: &str) -> Vec<u8> {
        self.keyed(&["identity", origin, key])
    }

    fn keyed(&self, parts: &[&str]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(self.secret);
        for part in parts {
            context.update(&number(part.len()).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().to_vec()
    }

    /// An error of SQLite's as the caller is told it. That others hold the file is no matter inside a transaction.
    pub(super) fn failed(&self, error: &rusqlite::Error) -> Error {
        match by_sqlite(self.path, error) {
            Trouble::Final(error) => error,
            Trouble::Busy => super::refusal::in_use(self.path),
        }
    }

    pub(super) fn system(&self, error: &std::io::Error) -> Error {
        by_system(self.path, error)
    }

    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, Error> {
        self.connection.execute(sql, params).map_err(|error| self.failed(&error))
    }

    /// The one row that there is, if there is one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Columns<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        self.connection.query_row(sql, params, read).optional().map_err(|error| self.failed(&error))
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Columns<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let all = || self.connection.prepare(sql)?.query_map(params, read)?.collect::<Result<_, _>>();
        all().map_err(|error| self.failed(&error))
    }

    /// The submissions that meet a condition, in the order that follows it; without files, body and `live`.
    pub(super) fn find(
        &self,
        condition: &str,
        params: impl Params,
        api_key_hash: &[u8],
    ) -> Result<Vec<Found>, Error> {
        let sql = format!(
            "SELECT id, idempotency_key, api_key_hash, operation, request_hash, output_type, variants, directory, \
             name, overwrite, state, job_id, recorded_unix_ms, changed_unix_ms, told, owner \
             FROM submissions WHERE {condition}"
        );
        self.all(&sql, params, |columns| found(columns, api_key_hash))
    }

    /// With what is kept apart: its files, and whether somebody works on it.
    pub(super) fn complete(&mut self, mut found: Found) -> Result<Found, Error> {
        found.entry.live = self.is_live(&found)?;
        found.entry.files = self.all(
            "SELECT variant, format, path, size, sha256, delivered FROM files WHERE submission = ?1 \
             ORDER BY variant, path",
            [found.entry.row.0],
            |columns| {
                Ok(Recorded {
                    variant: columns.get(0)?,
                    format: columns.get(1)?,
                    path: columns.get(2)?,
                    size: unsigned(columns.get(3)?),
                    sha256: columns.get(4)?,
                    delivered: columns.get(5)?,
                })
            },
        )?;
        Ok(found)
    }

    pub(super) fn is_live(&mut self, found: &Found) -> Result<bool, Error> {
        self.holder.is_live(found.entry.row, found.owner.as_deref()).map_err(|error| self.system(&error))
    }

    pub(super) fn with_body(&self, mut entry: Entry) -> Result<Entry, Error> {
        let body = self.one("SELECT body FROM submissions WHERE id = ?1", [entry.row.0], |columns| {
            columns.get::<_, Option<Vec<u8>>>(0)
        })?;
        entry.body = body.flatten().map(Into::into);
        Ok(entry)
    }

    /// This process's token, written wherever the one before it was.
    pub(super) fn token(&mut self) -> Result<String, Error> {
        let token = self.holder.token().map_err(|error| self.system(&error))?;
        if let Some(former) = self.holder.former() {
            self.execute("UPDATE submissions SET owner = ?1 WHERE owner = ?2", params![token, former])?;
        }
        Ok(token)
    }

    /// Sees to it that others still find this process's token, if it has one.
    pub(super) fn keep_token(&mut self) -> Result<(), Error> {
        if self.holder.has_token() { self.token().map(drop) } else { Ok(()) }
    }

    /// Makes a submission this process's, for a call that asks for it and has heard nothing yet.
    pub(super) fn own(&mut self, row: Row) -> Result<(), Error> {
        self.borrow(row)?;
        self.execute("UPDATE submissions SET told = NULL WHERE id = ?1", [row.0])?;
        Ok(())
    }

    /// Makes a submission this process's, for somebody who did not ask for it: what its caller heard stands.
    pub(super) fn borrow(&mut self, row: Row) -> Result<(), Error> {
        let token = self.token()?;
        self.execute(
            "UPDATE submissions SET owner = ?1, changed_unix_ms = ?2 WHERE id = ?3",
            params![token, signed(self.now), row.0],
        )?;
        self.holder.hold(row);
        Ok(())
    }

    /// Drops the request's bytes: they are needed no longer.
    pub(super) fn drop_body(&mut self, row: Row) -> Result<(), Error> {
        *self.traces = true;
        self.execute("UPDATE submissions SET body = NULL WHERE id = ?1", [row.0])?;
        Ok(())
    }

    /// Adds a line to the history.
    pub(super) fn note(&self, row: Row, event: &str) -> Result<(), Error> {
        let event: String =
            event.chars().take(EVENT_LENGTH).map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.execute(
            "INSERT INTO events (submission, number, unix_ms, event) \
             SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3 FROM events WHERE submission = ?1",
            params![row.0, signed(self.now), event],
        )?;
        self.execute(
            "DELETE FROM events WHERE submission = ?1 \
             AND number <= (SELECT max(number) FROM events WHERE submission = ?1) - ?2",
            params![row.0, EVENTS],
        )?;
        Ok(())
    }
}

fn found(columns: &Columns<'_>, api_key_hash: &[u8]) -> rusqlite::Result<Found> {
    let told: Option<String> = columns.get(14)?;
    let state: String = columns.get(10)?;
    let entry = Entry {
        row: Row(columns.get(0)?),
        key: columns.get(1)?,
        operation: columns.get(3)?,
        request_hash: columns.get(4)?,
        body: None,
        output_type: columns.get(5)?,
        variants: columns.get(6)?,
        directory: columns.get(7)?,
        name: columns.get(8)?,
        overwrite: columns.get(9)?,
        state: read_state(&state).ok_or_else(|| {
            rusqlite::Error::InvalidColumnType(10, format!("state {state:?}"), rusqlite::types::Type::Text)
        })?,
        job_id: columns.get(11)?,
        recorded_unix_ms: unsigned(columns.get(12)?),
        changed_unix_ms: unsigned(columns.get(13)?),
        told: told.clone().filter(|told| told != WELL),
        live: false,
        own_key: columns.get::<_, Vec<u8>>(2)? == api_key_hash,
        files: Vec::new(),
    };
    Ok(Found { entry, owner: columns.get(15)?, told })
}

const STATES: [(State, &str); 6] = [
    (State::Submitting, "submitting"),
    (State::Accepted, "accepted"),
    (State::Completed, "completed"),
    (State::Settled, "settled"),
    (State::Failed, "failed"),
    (State::Refused, "refused"),
];

pub(super) fn write_state(state: State) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("submitting", |(_, text)| text)
}

fn read_state(text: &str) -> Option<State> {
    STATES.iter().find(|(_, known)| *known == text).map(|(state, _)| *state)
}

/// A kind of error by its name, as the C ABI has it.
pub(super) fn name(kind: Kind) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "INTERNAL".to_owned(),
    }
}

/// SQLite's integers have a sign.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
