//! One transaction's view of the ledger: the connection, whose view it is, what time it is.

use std::cell::Cell;
use std::path::Path;

use ring::hmac;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Params, Row as Columns, params};

use super::Row;
use super::holder::OwnedRows;
use super::refusal::{LedgerFailure, by_sqlite, by_system};
use crate::common::clock::Stamp;
use crate::error::{Error, Kind};

/// How many lines of a submission's history are kept.
const MAX_EVENTS: i64 = 50;
/// How long a line of it can be, in characters.
const MAX_EVENT_LENGTH: usize = 200;

/// The condition of SQL for `State::is_unsettled`: something is left to do.
pub(super) const UNSETTLED: &str = "state IN ('submitting', 'accepted', 'completed')";

/// Whose view it is.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) origin: String,
    pub(super) api_key: crate::model::api_key::ApiKey,
}

pub(super) struct Session<'a> {
    pub(super) path: &'a Path,
    pub(super) connection: &'a Connection,
    pub(super) holder: &'a mut OwnedRows,
    pub(super) secret: &'a hmac::Key,
    /// The ledger's id.
    pub(super) ledger: u64,
    pub(super) now: &'a Stamp,
    /// Set when a request is dropped: the log still holds it.
    pub(super) traces: &'a mut bool,
    /// Set when the disk, and not a statement, was the reason of an error.
    pub(super) disk_failed: Cell<bool>,
}

/// A hash of these parts under a ledger's secret; a part that is missing is not an empty one.
fn keyed(secret: &hmac::Key, parts: &[Option<&str>]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(secret);
    for part in parts {
        let length = part.map_or(u64::MAX, |part| number(part.len()));
        context.update(&length.to_be_bytes());
        context.update(part.unwrap_or_default().as_bytes());
    }
    context.sign().as_ref().to_vec()
}

/// What is the same for equal calls.
pub(super) struct CallParts<'a> {
    pub(super) origin: &'a str,
    pub(super) request_hash: &'a str,
    pub(super) operation: &'a str,
    pub(super) directory: Option<&'a str>,
    pub(super) name: Option<&'a str>,
}

/// The same for equal calls and no others. The API key is not in it: that a call equals one under another API
/// key has to be found as well.
pub(super) fn equal_hash(secret: &hmac::Key, call: &CallParts<'_>) -> Vec<u8> {
    let CallParts { origin, request_hash, operation, directory, name } = *call;
    let parts = [Some("call"), Some(origin), Some(request_hash), Some(operation), directory, name];
    let mut hash = keyed(secret, &parts);
    hash.truncate(16);
    hash
}

impl Session<'_> {
    /// What stands for an API key: the key can't be found from it, not even by trying known ones.
    pub(super) fn api_key_hash(&self, identity: &Identity) -> Vec<u8> {
        self.keyed(&[Some("api key"), Some(identity.api_key.reveal())])
    }

    /// What stands for an idempotency key in a tombstone.
    pub(super) fn identity_hash(&self, origin: &str, key: &str) -> Vec<u8> {
        self.keyed(&[Some("identity"), Some(origin), Some(key)])
    }

    /// A hash of these parts under the ledger's secret.
    pub(super) fn keyed(&self, parts: &[Option<&str>]) -> Vec<u8> {
        keyed(self.secret, parts)
    }

    /// A submission of this ledger.
    pub(super) fn row(&self, number: i64) -> Row {
        Row { number, ledger: self.ledger }
    }

    /// The time, as the file keeps it.
    pub(super) fn now_ms(&self) -> i64 {
        signed(self.now.unix_ms)
    }

    /// An error of SQLite's as the caller gets it. That others hold the file can't happen inside a
    /// transaction.
    pub(super) fn failed(&self, error: &rusqlite::Error) -> Error {
        if let rusqlite::Error::SqliteFailure(failure, _) = error
            && !matches!(
                failure.code,
                ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
            )
        {
            self.disk_failed.set(true);
        }
        match by_sqlite(self.path, error) {
            LedgerFailure::Final(error) => error,
            LedgerFailure::Busy => super::refusal::in_use(self.path),
        }
    }

    pub(super) fn system(&self, error: &std::io::Error) -> Error {
        self.disk_failed.set(true);
        by_system(self.path, error)
    }

    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, Error> {
        let done = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params));
        done.map_err(|error| self.failed(&error))
    }

    /// The one row that there is, if there is one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Columns<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let one = || self.connection.prepare_cached(sql)?.query_row(params, read).optional();
        one().map_err(|error| self.failed(&error))
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Columns<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let all = || self.connection.prepare_cached(sql)?.query_map(params, read)?.collect::<Result<_, _>>();
        all().map_err(|error| self.failed(&error))
    }

    /// Runs this in a savepoint of its own: if it fails, what it changed is taken back.
    pub(super) fn apart<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let connection = self.connection;
        let sql = |sql: &str| connection.execute_batch(sql);
        sql("SAVEPOINT apart").map_err(|error| self.failed(&error))?;
        let mark = self.holder.mark();
        let done = work(self);
        if done.is_err() {
            self.holder.take_back(mark);
            if connection.is_autocommit() {
                // A full disk, for one, undoes all that was begun.
                return done;
            }
            sql("ROLLBACK TO apart").map_err(|error| self.failed(&error))?;
        }
        sql("RELEASE apart").map_err(|error| self.failed(&error))?;
        done
    }

    /// This process's token, written wherever the one before it was.
    pub(super) fn token(&mut self) -> Result<String, Error> {
        let token = self.holder.token().map_err(|error| self.system(&error))?;
        if let Some(former) = self.holder.former() {
            for table in ["submissions", "calls"] {
                let sql = format!("UPDATE {table} SET owner = ?1 WHERE owner = ?2");
                self.execute(&sql, params![token, former])?;
            }
        }
        Ok(token)
    }

    /// Sees to it that others still find this process's token, if it has one.
    pub(super) fn keep_token(&mut self) -> Result<(), Error> {
        if self.holder.has_token() { self.token().map(drop) } else { Ok(()) }
    }

    /// Has this process work on a submission.
    pub(super) fn lease(&mut self, row: Row) -> Result<(), Error> {
        let token = self.token()?;
        self.execute(
            "UPDATE submissions SET owner = ?1, changed_unix_ms = ?2 WHERE id = ?3",
            params![token, self.now_ms(), row.number],
        )?;
        self.holder.hold(row);
        Ok(())
    }

    /// Drops the request's bytes: they are needed no longer.
    pub(super) fn drop_body(&mut self, row: Row) -> Result<(), Error> {
        *self.traces = true;
        self.execute("UPDATE submissions SET body = NULL WHERE id = ?1", [row.number])?;
        Ok(())
    }

    /// Adds a line to the history.
    pub(super) fn note(&self, row: Row, event: &str) -> Result<(), Error> {
        let event: String =
            event.chars().take(MAX_EVENT_LENGTH).map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.execute(
            "INSERT INTO events (submission, number, unix_ms, event) \
             SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3 FROM events WHERE submission = ?1",
            params![row.number, self.now_ms(), event],
        )?;
        self.execute(
            "DELETE FROM events WHERE submission = ?1 \
             AND number <= (SELECT max(number) FROM events WHERE submission = ?1) - ?2",
            params![row.number, MAX_EVENTS],
        )?;
        Ok(())
    }
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

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::UNSETTLED;
    use crate::model::submission_state::State;

    #[test]
    fn condition_of_unsettled_names_the_unsettled_states() {
        let unsettled = State::NAMES.iter().filter(|(_, state)| state.is_unsettled());
        let names: Vec<_> = unsettled.map(|(name, _)| format!("'{name}'")).collect();
        assert_eq!(UNSETTLED, format!("state IN ({})", names.join(", ")));
    }
}
