//! What is in the file: its tables, their version, and the way from each older version to this one.

use rusqlite::{Connection, Result, Transaction};

/// "PPTL" in the file's header: the file is a ledger of ours.
const APPLICATION: i32 = 0x5050_544c;

/// How many bytes the secret has under which API keys and idempotency keys are hashed.
pub(super) const SECRET_LENGTH: usize = 32;

/// What makes each version out of the one before; the first out of nothing. What was released never changes: a
/// new version is one more.
const STEPS: [&str; 1] = [
    // Identity is origin, idempotency key and the API key's hash; in this order a search by key alone is a
    // search in the same index. `told` is what the last caller was told: NULL, nothing yet; OK, that all is well.
    "CREATE TABLE meta (
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
    ) STRICT, WITHOUT ROWID;",
];

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is in it.
    Empty,
    /// A ledger of this version.
    Current,
    /// One that has to be brought to this version first.
    Older(usize),
    /// One of a later version of this library.
    Newer(i32),
    /// Some other program's.
    Foreign,
}

/// What this file is, as one transaction sees it.
pub(super) fn standing(connection: &Connection) -> Result<Standing> {
    standing_among(connection, &STEPS)
}

fn standing_among(connection: &Connection, steps: &[&str]) -> Result<Standing> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i32>(0));
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    if application == 0 && version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(Standing::Empty);
    }
    if application != APPLICATION {
        return Ok(Standing::Foreign);
    }
    Ok(match usize::try_from(version) {
        Ok(version) if version == steps.len() => Standing::Current,
        Ok(version) if (1..steps.len()).contains(&version) => Standing::Older(version),
        Ok(version) if version > steps.len() => Standing::Newer(i32::try_from(version).unwrap_or(i32::MAX)),
        _ => Standing::Foreign,
    })
}

/// Brings an empty or an older file to this version, all of it or nothing; `secret` is a new one's.
pub(super) fn bring_up(transaction: &Transaction<'_>, secret: &[u8]) -> Result<()> {
    bring_up_by(transaction, &STEPS, secret)
}

fn bring_up_by(transaction: &Transaction<'_>, steps: &[&str], secret: &[u8]) -> Result<()> {
    // Asked again under the lock: another process may have done it meanwhile.
    let from = match standing_among(transaction, steps)? {
        Standing::Empty => 0,
        Standing::Older(version) => version,
        Standing::Current | Standing::Newer(_) | Standing::Foreign => return Ok(()),
    };
    for step in steps.iter().skip(from) {
        transaction.execute_batch(step)?;
    }
    if from == 0 {
        transaction.execute("INSERT INTO meta (name, value) VALUES ('secret', ?1)", [secret])?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", i32::try_from(steps.len()).unwrap_or(i32::MAX))
}

/// The ledger's secret.
pub(super) fn secret(connection: &Connection) -> Result<Vec<u8>> {
    connection.query_row("SELECT value FROM meta WHERE name = 'secret'", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;

    /// What each version was like when it was the newest: rows that a later one has to keep. One more with each step.
    const ROWS: [&str; STEPS.len()] = [
        "INSERT INTO submissions (origin, idempotency_key, api_key_hash, operation, \
        request_hash, body, output_type, variants, overwrite, deadline_unix_ms, state, recorded_unix_ms, \
        changed_unix_ms) VALUES ('https://a', 'k', x'01', 'run', 'h', x'02', 'deck', 1, 0, 9, 'submitting', 7, 8); \
        INSERT INTO events VALUES (1, 1, 7, 'recorded'); \
        INSERT INTO files VALUES (1, '/d/a.pptx', 1, 'pptx', 3, 'ab', 0); \
        INSERT INTO tombstones VALUES (x'03', x'01', 'h', 'job_0', 5);",
    ];

    fn schema(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_>>().unwrap()
    }

    fn made(steps: &[&str]) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        up(&mut connection, steps).unwrap();
        connection
    }

    fn up(connection: &mut Connection, steps: &[&str]) -> Result<()> {
        let transaction = connection.transaction()?;
        bring_up_by(&transaction, steps, &[7; SECRET_LENGTH])?;
        transaction.commit()
    }

    #[test]
    fn every_older_version_becomes_this_one_and_keeps_its_rows() {
        let fresh = made(&STEPS);
        for version in 1..=STEPS.len() {
            let mut old = made(&STEPS[..version]);
            old.execute_batch(ROWS[version - 1]).unwrap();
            let before = secret(&old).unwrap();
            up(&mut old, &STEPS).unwrap();
            assert_eq!(standing(&old).unwrap(), Standing::Current, "from {version}");
            assert_eq!(schema(&old), schema(&fresh), "from {version}");
            assert_eq!(secret(&old).unwrap(), before, "from {version}");
            let kept = old.query_row(
                "SELECT idempotency_key, state, event, path, t.job_id FROM submissions s \
                 JOIN events ON events.submission = id JOIN files ON files.submission = id, tombstones t",
                [],
                |row| Ok([0, 1, 2, 3, 4].map(|at| row.get::<_, String>(at).unwrap())),
            );
            assert_eq!(
                kept.unwrap(),
                ["k", "submitting", "recorded", "/d/a.pptx", "job_0"],
                "from {version}"
            );
        }
    }

    #[test]
    fn a_new_version_is_one_more_step_all_of_it_or_nothing() {
        let next =
            [STEPS[0], "ALTER TABLE submissions ADD COLUMN note TEXT", "UPDATE submissions SET note = 'n'"];
        let mut old = made(&STEPS[..1]);
        old.execute_batch(ROWS[0]).unwrap();
        assert_eq!(standing_among(&old, &next).unwrap(), Standing::Older(1));

        let broken = [next[0], next[1], "no SQL"];
        up(&mut old, &broken).unwrap_err();
        assert_eq!(standing_among(&old, &next).unwrap(), Standing::Older(1));
        assert_eq!(schema(&old), schema(&made(&STEPS[..1])));

        up(&mut old, &next).unwrap();
        assert_eq!(standing_among(&old, &next).unwrap(), Standing::Current);
        let note: String = old.query_row("SELECT note FROM submissions", [], |row| row.get(0)).unwrap();
        assert_eq!(note, "n");
        // And to this version it is a later one's.
        assert_eq!(standing_among(&old, &next[..1]).unwrap(), Standing::Newer(3));
    }

    #[test]
    fn other_files_are_not_taken_for_ledgers() {
        let connection = Connection::open_in_memory().unwrap();
        assert_eq!(standing(&connection).unwrap(), Standing::Empty);
        connection.execute_batch("CREATE TABLE notes (text)").unwrap();
        assert_eq!(standing(&connection).unwrap(), Standing::Foreign);
        connection.execute("INSERT INTO notes VALUES (?1)", params!["x"]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        assert_eq!(standing(&connection).unwrap(), Standing::Foreign);
    }
}
