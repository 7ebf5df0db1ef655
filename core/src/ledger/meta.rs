//! What a ledger keeps about itself, by name.

use rusqlite::{Connection, Result};

/// The ledger's secret. Two ledgers never have the same one.
pub(super) const SECRET: &str = "secret";
/// The name under which the ledger was last used, as JSON.
pub(super) const NAME: &str = "name";
/// When the log was last emptied.
pub(super) const TIDIED: &str = "tidied";

/// What is kept under this name.
pub(super) fn get(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>> {
    use rusqlite::OptionalExtension as _;
    let sql = "SELECT value FROM meta WHERE name = ?1";
    connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()
}

/// Keeps something under this name.
pub(super) fn put(connection: &Connection, name: &str, value: &[u8]) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    connection.execute(sql, rusqlite::params![name, value]).map(drop)
}
