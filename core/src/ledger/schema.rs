//! What is in the file: its tables, their version, and the way from each older version to this one.
//!
//! A version has two numbers. A new minor one only adds what older builds of the library can leave alone:
//! columns with a default, tables, indices. They go on using the file. A new major one is refused by older
//! builds, which leave the file untouched.

use rusqlite::{Connection, Result, Transaction};

use super::meta::{SECRET, put};
use super::prerelease;

/// "PPTL" in the file's header: the file is a ledger of this library.
const APPLICATION: i32 = 0x5050_544c;

/// The major version of the schema.
const MAJOR: i32 = 1;

/// How many bytes the secret has under which API keys and idempotency keys are hashed.
pub(super) const SECRET_LENGTH: usize = 32;

/// What makes each minor version of this major one out of the one before; the first out of nothing. What was
/// released never changes: a new version is one more.
const STEPS: [&str; 2] = [
    // A submission is identified by origin, idempotency key and the API key's hash; in this order a search by
    // key alone is a search in the same index. Its `owner` is the process that works on it. `recorded_*` is
    // when it was committed, before its first byte, by every clock there is.
    //
    // A call is one `run` or `generate` that asked for it. `told` is the code that its program was given:
    // NULL, it has none yet. Its `owner` is the process whose program is to be given one. `equal_hash` is the
    // same for equal calls.
    "CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE submissions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        origin TEXT NOT NULL,
        idempotency_key TEXT NOT NULL,
        api_key_hash BLOB NOT NULL,
        request_version INTEGER NOT NULL,
        request_hash TEXT NOT NULL,
        body BLOB,
        output_type TEXT NOT NULL,
        variants INTEGER NOT NULL,
        files_offered INTEGER,
        state TEXT NOT NULL,
        job_id TEXT,
        recorded_unix_ms INTEGER NOT NULL,
        recorded_boot_ms INTEGER NOT NULL,
        recorded_boot TEXT NOT NULL,
        settled_unix_ms INTEGER,
        changed_unix_ms INTEGER NOT NULL,
        old_since_unix_ms INTEGER,
        owner TEXT,
        UNIQUE (origin, idempotency_key, api_key_hash)
    ) STRICT;
    CREATE INDEX submissions_unsettled ON submissions (origin, api_key_hash)
        WHERE state IN ('submitting', 'accepted', 'completed');
    CREATE INDEX submissions_job ON submissions (job_id) WHERE job_id IS NOT NULL;
    CREATE INDEX submissions_changed ON submissions (changed_unix_ms);
    CREATE INDEX submissions_old ON submissions (old_since_unix_ms) WHERE old_since_unix_ms IS NOT NULL;
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        submission INTEGER NOT NULL REFERENCES submissions ON DELETE CASCADE,
        equal_hash BLOB NOT NULL,
        operation TEXT NOT NULL,
        directory TEXT,
        name TEXT,
        overwrite INTEGER NOT NULL,
        replaceable TEXT,
        deadline_unix_ms INTEGER NOT NULL,
        told TEXT,
        owner TEXT
    ) STRICT;
    CREATE INDEX calls_submission ON calls (submission);
    CREATE INDEX calls_equal ON calls (equal_hash, told, owner);
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
        pruned_unix_ms INTEGER NOT NULL,
        PRIMARY KEY (identity_hash, api_key_hash)
    ) STRICT, WITHOUT ROWID;",
    // How long jobs took: what `figures.rs` keeps for the next process. `job` is a number that stands for the
    // job's id, `since_unix_ms` when it was first known. One that is not `done` takes longer than `age_ms`.
    "CREATE TABLE durations (
        origin TEXT NOT NULL,
        product TEXT NOT NULL,
        job INTEGER NOT NULL,
        since_unix_ms INTEGER NOT NULL,
        age_ms INTEGER NOT NULL,
        done INTEGER NOT NULL,
        PRIMARY KEY (origin, product, job)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX durations_since ON durations (since_unix_ms);",
];

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileStatus {
    /// Nothing is in it.
    Empty,
    /// A ledger that can be used as it is: of this version, or of a later minor one.
    Usable,
    /// A ledger that has to be brought to this version first.
    Older(usize),
    /// A ledger of a later major version.
    Newer(i32),
    /// A ledger of a build from before the first release, which has to be converted first.
    Prerelease,
    /// Another program's file.
    Foreign,
}

/// The version as the file's header keeps it.
fn version(minor: usize) -> i32 {
    MAJOR << 16 | i32::try_from(minor).unwrap_or(i32::from(u16::MAX))
}

/// What this file is, as one transaction sees it.
pub(super) fn standing(connection: &Connection) -> Result<FileStatus> {
    standing_among(connection, &STEPS)
}

fn standing_among(connection: &Connection, steps: &[&str]) -> Result<FileStatus> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i32>(0));
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    if application == 0 && version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(FileStatus::Empty);
    }
    if application != APPLICATION {
        return Ok(FileStatus::Foreign);
    }
    let (major, minor) = (version >> 16, usize::try_from(version & 0xffff).unwrap_or(0));
    Ok(match major {
        0 if minor == 1 => FileStatus::Prerelease,
        MAJOR if minor >= steps.len() => FileStatus::Usable,
        MAJOR if minor > 0 => FileStatus::Older(minor),
        major if major > MAJOR => FileStatus::Newer(major),
        _ => FileStatus::Foreign,
    })
}

/// Brings an empty or an older file to this version, all of it or nothing; `secret` is a new ledger's.
pub(super) fn bring_up(transaction: &Transaction<'_>, secret: &[u8]) -> Result<()> {
    bring_up_by(transaction, &STEPS, secret)
}

fn bring_up_by(transaction: &Transaction<'_>, steps: &[&str], secret: &[u8]) -> Result<()> {
    // Asked again under the lock: another process may have done it meanwhile.
    let from = match standing_among(transaction, steps)? {
        FileStatus::Empty => 0,
        FileStatus::Older(minor) => minor,
        FileStatus::Prerelease => {
            prerelease::convert(transaction, STEPS[0])?;
            1
        }
        FileStatus::Usable | FileStatus::Newer(_) | FileStatus::Foreign => return Ok(()),
    };
    for step in steps.iter().skip(from) {
        transaction.execute_batch(step)?;
    }
    if from == 0 {
        put(transaction, SECRET, secret)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", version(steps.len()))
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;
    use crate::ledger::meta::get;

    /// What each version was like when it was the newest: rows that a later one has to keep. One more with
    /// each step.
    const ROWS: [&str; STEPS.len()] = [
        "INSERT INTO submissions (origin, idempotency_key, api_key_hash, request_version, request_hash, \
         body, output_type, variants, state, recorded_unix_ms, recorded_boot_ms, recorded_boot, \
         changed_unix_ms) VALUES ('https://a', 'k', x'01', 1, 'h', x'02', 'deck', 1, 'submitting', 7, 8, \
         'b', 9); INSERT INTO calls VALUES (1, 1, x'04', 'run', '/d', 'a', 0, NULL, 9, NULL, 'o'); INSERT \
         INTO events VALUES (1, 1, 7, 'recorded'); INSERT INTO files VALUES (1, '/d/a.pptx', 1, 'pptx', 3, \
         'ab', 0); INSERT INTO tombstones VALUES (x'03', x'01', 'h', 'job_0', 5);",
        "INSERT INTO durations VALUES ('https://a', 'deck', 7, 5, 300000, 1);",
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
    fn older_versions_become_this_one_and_keep_their_rows() {
        let fresh = made(&STEPS);
        for version in 1..=STEPS.len() {
            let mut old = made(&STEPS[..version]);
            ROWS[..version].iter().for_each(|rows| old.execute_batch(rows).unwrap());
            let before = get(&old, SECRET).unwrap();
            up(&mut old, &STEPS).unwrap();
            assert_eq!(standing(&old).unwrap(), FileStatus::Usable, "from {version}");
            assert_eq!(schema(&old), schema(&fresh), "from {version}");
            assert_eq!(get(&old, SECRET).unwrap(), before, "from {version}");
            let kept = old.query_row(
                "SELECT idempotency_key, state, event, path, t.job_id FROM submissions s \
                 JOIN calls ON calls.submission = s.id JOIN events ON events.submission = s.id \
                 JOIN files ON files.submission = s.id, tombstones t",
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
    fn new_version_is_one_more_step_all_of_it_or_nothing() {
        let next =
            [STEPS[0], "ALTER TABLE submissions ADD COLUMN note TEXT", "UPDATE submissions SET note = 'n'"];
        let mut old = made(&STEPS[..1]);
        old.execute_batch(ROWS[0]).unwrap();
        assert_eq!(standing_among(&old, &next).unwrap(), FileStatus::Older(1));

        let broken = [next[0], next[1], "no SQL"];
        up(&mut old, &broken).unwrap_err();
        assert_eq!(standing_among(&old, &next).unwrap(), FileStatus::Older(1));
        assert_eq!(schema(&old), schema(&made(&STEPS[..1])));

        up(&mut old, &next).unwrap();
        assert_eq!(standing_among(&old, &next).unwrap(), FileStatus::Usable);
        let note: String = old.query_row("SELECT note FROM submissions", [], |row| row.get(0)).unwrap();
        assert_eq!(note, "n");
        // An older build goes on with a file of a later minor version, and not with one of a later major
        // version.
        assert_eq!(standing_among(&old, &next[..1]).unwrap(), FileStatus::Usable);
        old.pragma_update(None, "user_version", (MAJOR + 1) << 16).unwrap();
        assert_eq!(standing_among(&old, &next).unwrap(), FileStatus::Newer(MAJOR + 1));
        old.pragma_update(None, "user_version", 1).unwrap();
        assert_eq!(standing_among(&old, &next).unwrap(), FileStatus::Prerelease);
    }

    #[test]
    fn other_files_are_not_taken_for_ledgers() {
        let connection = Connection::open_in_memory().unwrap();
        assert_eq!(standing(&connection).unwrap(), FileStatus::Empty);
        connection.execute_batch("CREATE TABLE notes (text)").unwrap();
        assert_eq!(standing(&connection).unwrap(), FileStatus::Foreign);
        connection.execute("INSERT INTO notes VALUES (?1)", params!["x"]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        assert_eq!(standing(&connection).unwrap(), FileStatus::Foreign);
    }
}
