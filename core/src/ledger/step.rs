//! What happens to a submission, one step at a time.

use std::path::Path;

use rusqlite::params;

use super::session::{Session, WELL, name, signed, write_state};
use super::{Recorded, Row, State, Step};
use crate::error::{Error, Kind};

pub(super) fn record(session: &mut Session<'_>, row: Row, step: &Step) -> Result<(), Error> {
    if let Step::Together(steps) = step {
        return steps.iter().try_for_each(|step| record(session, row, step));
    }
    if !session.holder.holds(row) {
        // A second word of the same caller changes nothing.
        if matches!(step, Step::Released { .. } | Step::Returned) {
            return Ok(());
        }
        return Err(Error::new(
            Kind::Ledger,
            format!("the ledger no longer has submission {} as this process's: its file was replaced", row.0),
        ));
    }
    session.execute(
        "UPDATE submissions SET changed_unix_ms = ?2 WHERE id = ?1",
        params![row.0, signed(session.now)],
    )?;
    match step {
        Step::Accepted { job_id } => {
            become_state(session, row, State::Accepted)?;
            session.execute("UPDATE submissions SET job_id = ?2 WHERE id = ?1", params![row.0, job_id])?;
            session.drop_body(row)?;
            session.note(row, &format!("accepted {job_id}"))
        }
        Step::Refused { code } => {
            become_state(session, row, State::Refused)?;
            session.drop_body(row)?;
            session.note(row, &format!("refused {}", name(*code)))
        }
        Step::Completed => {
            become_state(session, row, State::Completed)?;
            session.note(row, "completed")
        }
        Step::Failed => {
            become_state(session, row, State::Failed)?;
            session.note(row, "failed")
        }
        Step::Settled => {
            become_state(session, row, State::Settled)?;
            session.note(row, "settled")
        }
        Step::Renaming(file) => {
            renaming(session, row, file)?;
            session.note(row, &format!("renaming {}", file_name(&file.path)))
        }
        Step::Delivered { path } => {
            session.execute(
                "UPDATE files SET delivered = 1 WHERE submission = ?1 AND path = ?2",
                params![row.0, path],
            )?;
            session.note(row, &format!("delivered {}", file_name(path)))
        }
        Step::Released { told } => {
            let told = told.map_or_else(|| WELL.to_owned(), name);
            release(session, row, Some(&told))?;
            session.note(row, &format!("told {told}"))
        }
        Step::Returned => {
            session.holder.let_go(row);
            session.execute("UPDATE submissions SET owner = NULL WHERE id = ?1", params![row.0])?;
            session.note(row, "left")
        }
        Step::Note(text) => session.note(row, text),
        // Each is a step of its own, above.
        Step::Together(_) => Ok(()),
    }
}

/// Leaves a submission to anybody. That stands in this process whether or not it can be written down.
pub(super) fn release(session: &mut Session<'_>, row: Row, told: Option<&str>) -> Result<(), Error> {
    session.holder.let_go(row);
    session.execute("UPDATE submissions SET owner = NULL, told = ?2 WHERE id = ?1", params![row.0, told])?;
    Ok(())
}

/// A caller that was gone before it heard of its claim: nothing was sent.
pub(super) fn never_sent(session: &mut Session<'_>, row: Row) -> Result<(), Error> {
    become_state(session, row, State::Refused)?;
    session.drop_body(row)?;
    session.note(row, "never sent")?;
    release(session, row, Some(&name(Kind::Cancelled)))
}

fn become_state(session: &Session<'_>, row: Row, state: State) -> Result<(), Error> {
    session.execute("UPDATE submissions SET state = ?2 WHERE id = ?1", params![row.0, write_state(state)])?;
    Ok(())
}

fn renaming(session: &Session<'_>, row: Row, file: &Recorded) -> Result<(), Error> {
    // An earlier name that nothing is known to have got, since it was taken meanwhile.
    session.execute(
        "DELETE FROM files WHERE submission = ?1 AND variant = ?2 AND format = ?3 AND NOT delivered",
        params![row.0, file.variant, file.format],
    )?;
    session.execute(
        "INSERT OR REPLACE INTO files (submission, path, variant, format, size, sha256, delivered) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![row.0, file.path, file.variant, file.format, signed(file.size), file.sha256, file.delivered],
    )?;
    Ok(())
}

/// Directories say more about a user than a support question needs.
fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or("a file")
}
