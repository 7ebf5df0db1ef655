//! Ledgers of builds from before the first release become ledgers of the first version: what they know is
//! paid for.
//!
//! Such a ledger knew one call for each submission, and no clock but the date.

use ring::hmac;
use rusqlite::{Result, Transaction, params};

use super::meta::SECRET;
use super::session::{CallParts, equal_hash};

/// Puts the old tables aside; their indices would be in the way of the new ones.
const ASIDE: &str = "
    DROP INDEX submissions_unsettled;
    DROP INDEX submissions_unheard;
    DROP INDEX submissions_job;
    DROP INDEX submissions_changed;
    ALTER TABLE meta RENAME TO old_meta;
    ALTER TABLE submissions RENAME TO old_submissions;
    ALTER TABLE files RENAME TO old_files;
    ALTER TABLE events RENAME TO old_events;
    ALTER TABLE tombstones RENAME TO old_tombstones;";

/// A submission that may have been sent is as old as its date says, since the clock of the machine's start is
/// not known.
const COPY: &str = "
    INSERT INTO meta SELECT name, value FROM old_meta;
    INSERT INTO submissions (id, origin, idempotency_key, api_key_hash, request_version, request_hash, body,
        output_type, variants, state, job_id, recorded_unix_ms, recorded_boot_ms, recorded_boot,
        settled_unix_ms, changed_unix_ms, owner)
        SELECT id, origin, idempotency_key, api_key_hash, 0, request_hash, body, output_type, variants,
        state, job_id, recorded_unix_ms, 0, '', CASE WHEN state = 'settled' THEN changed_unix_ms END,
        changed_unix_ms, owner
        FROM old_submissions;
    INSERT INTO files SELECT submission, path, variant, format, size, sha256, delivered FROM old_files;
    INSERT INTO events SELECT submission, number, unix_ms, event FROM old_events;
    INSERT INTO tombstones
        SELECT identity_hash, api_key_hash, request_hash, job_id, buried_unix_ms FROM old_tombstones;
    DROP TABLE old_files;
    DROP TABLE old_events;
    DROP TABLE old_tombstones;
    DROP TABLE old_submissions;
    DROP TABLE old_meta;";

/// Makes a ledger of the first version out of an old one, all of it or nothing. `first`: what makes the first
/// version.
pub(super) fn convert(transaction: &Transaction<'_>, first: &str) -> Result<()> {
    transaction.execute_batch(ASIDE)?;
    transaction.execute_batch(first)?;
    copy_calls(transaction)?;
    transaction.execute_batch(COPY)
}

/// Each submission's one call, with the hash that equal calls have.
fn copy_calls(transaction: &Transaction<'_>) -> Result<()> {
    let secret: Vec<u8> =
        transaction.query_row("SELECT value FROM old_meta WHERE name = ?1", [SECRET], |row| row.get(0))?;
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    // Of the submissions that are copied after this.
    transaction.pragma_update(None, "defer_foreign_keys", "ON")?;
    let mut read = transaction.prepare(
        "SELECT id, origin, request_hash, operation, directory, name, overwrite, deadline_unix_ms, told, \
         owner FROM old_submissions",
    )?;
    let mut write = transaction.prepare(
        "INSERT INTO calls (submission, equal_hash, operation, directory, name, overwrite, deadline_unix_ms, \
         told, owner) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let text = |at: usize| row.get::<_, String>(at);
        let maybe = |at: usize| row.get::<_, Option<String>>(at);
        let (origin, request_hash, operation) = (text(1)?, text(2)?, text(3)?);
        let (directory, name) = (maybe(4)?, maybe(5)?);
        let call = CallParts {
            origin: &origin,
            request_hash: &request_hash,
            operation: &operation,
            directory: directory.as_deref(),
            name: name.as_deref(),
        };
        let (submission, overwrite, deadline) =
            (row.get::<_, i64>(0)?, row.get::<_, i64>(6)?, row.get::<_, i64>(7)?);
        write.execute(params![
            submission,
            equal_hash(&secret, &call),
            operation,
            directory,
            name,
            overwrite,
            deadline,
            maybe(8)?,
            maybe(9)?
        ])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::schema::{FileStatus, bring_up, standing};
    use super::*;

    /// What such a build made of an empty file.
    const OLD: &str = "CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE submissions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        origin TEXT NOT NULL,
        idempotency_key TEXT NOT NULL,
        api_key_hash BLOB NOT NULL,
        operation TEXT NOT NULL,
        request_hash TEXT NOT NULL,
        body BLOB,
        output_type TEXT NOT NULL,
        variants INTEGER NOT NULL,
        directory TEXT,
        name TEXT,
        overwrite INTEGER NOT NULL,
        deadline_unix_ms INTEGER NOT NULL,
        state TEXT NOT NULL,
        job_id TEXT,
        recorded_unix_ms INTEGER NOT NULL,
        changed_unix_ms INTEGER NOT NULL,
        told TEXT,
        owner TEXT,
        UNIQUE (origin, idempotency_key, api_key_hash)
    ) STRICT;
    CREATE INDEX submissions_unsettled ON submissions (origin, api_key_hash, request_hash)
        WHERE state IN ('submitting', 'accepted', 'completed');
    CREATE INDEX submissions_unheard ON submissions (origin, api_key_hash, request_hash)
        WHERE state = 'settled' AND told IS NULL;
    CREATE INDEX submissions_job ON submissions (job_id) WHERE job_id IS NOT NULL;
    CREATE INDEX submissions_changed ON submissions (changed_unix_ms);
    CREATE TABLE files (
        submission INTEGER NOT NULL REFERENCES submissions ON DELETE CASCADE,
        path TEXT NOT NULL,
        variant INTEGER NOT NULL,
        format TEXT NOT NULL,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        delivered INTEGER NOT NULL,
        PRIMARY KEY (submission, path)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE events (
        submission INTEGER NOT NULL REFERENCES submissions ON DELETE CASCADE,
        number INTEGER NOT NULL,
        unix_ms INTEGER NOT NULL,
        event TEXT NOT NULL,
        PRIMARY KEY (submission, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE tombstones (
        identity_hash BLOB NOT NULL,
        api_key_hash BLOB NOT NULL,
        request_hash TEXT NOT NULL,
        job_id TEXT,
        buried_unix_ms INTEGER NOT NULL,
        PRIMARY KEY (identity_hash, api_key_hash)
    ) STRICT, WITHOUT ROWID;";

    fn schema(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_>>().unwrap()
    }

    fn up(connection: &mut Connection) -> Result<()> {
        let transaction = connection.transaction()?;
        bring_up(&transaction, &[1; 32])?;
        transaction.commit()
    }

    #[test]
    fn old_ledger_keeps_what_it_knows() {
        let mut old = Connection::open_in_memory().unwrap();
        old.pragma_update(None, "foreign_keys", "ON").unwrap();
        old.execute_batch(OLD).unwrap();
        old.execute_batch(
            "PRAGMA application_id = 0x5050544c; PRAGMA user_version = 1; INSERT INTO meta VALUES ('secret', \
             x'07'); INSERT INTO submissions VALUES (5, 'https://a', 'k', x'01', 'run', 'h', x'02', 'deck', \
             1, '/d', NULL, 0, 9, 'submitting', NULL, 7, 8, NULL, 'o'), (6, 'https://a', 'l', x'01', \
             'generate', 'h', NULL, 'deck', 1, NULL, NULL, 0, 9, 'settled', 'job_1', 7, 8, 'OK', NULL); \
             INSERT INTO events VALUES (5, 1, 7, 'recorded'); INSERT INTO files VALUES (6, '/d/a.pptx', 1, \
             'pptx', 3, 'ab', 1); INSERT INTO tombstones VALUES (x'03', x'01', 'h', 'job_0', 5);",
        )
        .unwrap();
        assert_eq!(standing(&old).unwrap(), FileStatus::Prerelease);
        up(&mut old).unwrap();
        assert_eq!(standing(&old).unwrap(), FileStatus::Usable);
        let mut fresh = Connection::open_in_memory().unwrap();
        up(&mut fresh).unwrap();
        assert_eq!(schema(&old), schema(&fresh));
        let rows = |sql: &str| -> Vec<String> {
            let mut statement = old.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_>>().unwrap()
        };
        assert_eq!(
            rows(
                "SELECT format('%d %s %s %s', s.id, idempotency_key, state, told) FROM submissions s \
                 JOIN calls ON calls.submission = s.id ORDER BY s.id"
            ),
            ["5 k submitting ", "6 l settled OK"]
        );
        assert_eq!(rows("SELECT format('%d %s', submission, event) FROM events"), ["5 recorded"]);
        assert_eq!(rows("SELECT format('%d %s', submission, path) FROM files"), ["6 /d/a.pptx"]);
        assert_eq!(rows("SELECT job_id FROM tombstones"), ["job_0"]);
        assert_eq!(rows("SELECT hex(value) FROM meta"), ["07"]);
        let call = CallParts {
            origin: "https://a",
            request_hash: "h",
            operation: "run",
            directory: Some("/d"),
            name: None,
        };
        let hash: Vec<u8> =
            old.query_row("SELECT equal_hash FROM calls WHERE submission = 5", [], |row| row.get(0)).unwrap();
        assert_eq!(hash, equal_hash(&hmac::Key::new(hmac::HMAC_SHA256, &[7]), &call));
    }
}
