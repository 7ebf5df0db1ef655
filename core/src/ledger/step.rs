//! What happens to a submission, one step at a time.

use std::path::Path;

use rusqlite::params;

use super::refusal;
use super::session::{Session, name, signed};
use super::{KnownFile, Row, Step, TOLD_OK};
use crate::error::Error;
use crate::model::submission_state::State;

/// What became of steps.
pub(super) enum Applied {
    Done,
    /// The submission or the call is not this process's any more, so that nothing was changed.
    Lost(Error),
}

/// Records steps of a submission. A step changes only what is this process's, in the ledger that it is meant
/// for.
pub(super) fn apply(session: &mut Session<'_>, row: Row, steps: &[Step]) -> Result<Applied, Error> {
    if row.ledger != session.ledger {
        session.holder.let_go(row);
        return Ok(Applied::Lost(refusal::lost(session.path)));
    }
    for step in steps {
        let done = match step {
            Step::Told { .. } | Step::Unheard { .. } | Step::Withdrawn { .. } => {
                apply_to_call(session, row, step)?
            }
            Step::Released => {
                release(session, row)?;
                true
            }
            step => touch(session, row)? && apply_to_submission(session, row, step)?,
        };
        if !done {
            return Ok(Applied::Lost(refusal::lost(session.path)));
        }
    }
    Ok(Applied::Done)
}

/// Marks a submission as changed; whether it is this process's. The file decides and not the holder: a step
/// that could not be committed is applied again, after the holder let the submission go.
fn touch(session: &mut Session<'_>, row: Row) -> Result<bool, Error> {
    let token = session.token()?;
    let changed = session.execute(
        "UPDATE submissions SET changed_unix_ms = ?2 WHERE id = ?1 AND owner = ?3",
        params![row.number, session.now_ms(), token],
    )?;
    Ok(changed == 1)
}

fn apply_to_submission(session: &mut Session<'_>, row: Row, step: &Step) -> Result<bool, Error> {
    match step {
        Step::Accepted { job_id } => {
            become_state(session, row, State::Accepted)?;
            session
                .execute("UPDATE submissions SET job_id = ?2 WHERE id = ?1", params![row.number, job_id])?;
            session.drop_body(row)?;
            session.note(row, &format!("accepted {job_id}"))?;
        }
        Step::Refused { code } => {
            become_state(session, row, State::Refused)?;
            session.drop_body(row)?;
            session.note(row, &format!("refused {}", name(*code)))?;
        }
        Step::Completed { files } => {
            become_state(session, row, State::Completed)?;
            session.execute(
                "UPDATE submissions SET files_offered = coalesce(?2, files_offered) WHERE id = ?1",
                params![row.number, files],
            )?;
            session.note(row, "completed")?;
        }
        Step::Failed => {
            become_state(session, row, State::Failed)?;
            session.note(row, "failed")?;
        }
        Step::Settled => {
            become_state(session, row, State::Settled)?;
            session.note(row, "settled")?;
        }
        Step::Replaceable { call, files } => {
            session.execute(
                "UPDATE calls SET replaceable = ?3 WHERE id = ?1 AND submission = ?2",
                params![call, row.number, files],
            )?;
        }
        Step::Renaming(file) => {
            renaming(session, row, file)?;
            session.note(row, &format!("renaming {}", file_name(&file.path)))?;
        }
        Step::Delivered { path } => {
            session.execute(
                "UPDATE files SET delivered = 1 WHERE submission = ?1 AND path = ?2",
                params![row.number, path],
            )?;
            session.note(row, &format!("delivered {}", file_name(path)))?;
        }
        Step::Note(text) => session.note(row, text)?,
        // `apply` has a way of its own for these.
        Step::Released | Step::Told { .. } | Step::Unheard { .. } | Step::Withdrawn { .. } => {}
    }
    Ok(true)
}

/// Gives a submission back. In this process it is free from now on, also if that can't be written.
fn release(session: &mut Session<'_>, row: Row) -> Result<(), Error> {
    session.holder.let_go(row);
    let token = session.token()?;
    session.execute(
        "UPDATE submissions SET owner = NULL WHERE id = ?1 AND owner = ?2",
        params![row.number, token],
    )?;
    Ok(())
}

/// A step of a call; whether the call is still this process's.
fn apply_to_call(session: &mut Session<'_>, row: Row, step: &Step) -> Result<bool, Error> {
    let token = session.token()?;
    let changed = match step {
        Step::Told { call, code } => {
            let told = code.map_or_else(|| TOLD_OK.to_owned(), name);
            session.note(row, &format!("told {told}"))?;
            session.execute(
                "UPDATE calls SET told = ?3, owner = NULL WHERE id = ?1 AND submission = ?2 AND owner = ?4",
                params![call, row.number, told, token],
            )?
        }
        Step::Unheard { call } => session.execute(
            "UPDATE calls SET owner = NULL WHERE id = ?1 AND submission = ?2 AND owner = ?3",
            params![call, row.number, token],
        )?,
        Step::Withdrawn { call, before: Some(before) } => session.execute(
            "UPDATE calls SET told = ?3, owner = NULL WHERE id = ?1 AND submission = ?2 AND owner = ?4",
            params![call, row.number, before.told, token],
        )?,
        Step::Withdrawn { call, before: None } => session.execute(
            "DELETE FROM calls WHERE id = ?1 AND submission = ?2 AND owner = ?3",
            params![call, row.number, token],
        )?,
        _ => 1,
    };
    Ok(changed == 1)
}

fn become_state(session: &Session<'_>, row: Row, state: State) -> Result<(), Error> {
    let settled = (!state.is_unsettled()).then(|| session.now_ms());
    session.execute(
        "UPDATE submissions SET state = ?2, settled_unix_ms = ?3, old_since_unix_ms = NULL WHERE id = ?1",
        params![row.number, state.name(), settled],
    )?;
    Ok(())
}

fn renaming(session: &Session<'_>, row: Row, file: &KnownFile) -> Result<(), Error> {
    // An earlier name that nothing is known to have got, since it was taken meanwhile.
    session.execute(
        "DELETE FROM files WHERE submission = ?1 AND variant = ?2 AND format = ?3 AND NOT delivered",
        params![row.number, file.variant, file.format],
    )?;
    session.execute(
        "INSERT OR REPLACE INTO files (submission, path, variant, format, size, sha256, delivered) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            row.number,
            file.path,
            file.variant,
            file.format,
            signed(file.size),
            file.sha256,
            file.delivered
        ],
    )?;
    Ok(())
}

/// Directories say more about a user than a support question needs.
fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or("a file")
}
