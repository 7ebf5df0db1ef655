//! The end of an operation, and its JSON once the ledger has had its last word.

use crate::error::Failure;
use crate::results::{Made, MadeFailure};
use crate::submission::receipt::Receipt;

/// What an operation ends with: its result as JSON, or a failure.
pub type Outcome = Result<String, Failure>;

/// The end of an operation, and what is still owed for it.
#[must_use]
#[derive(Debug)]
pub struct End {
    /// The result or the failure.
    pub outcome: Outcome,
    /// To be signed when the program has the end; none where nothing depends on that, or the ledger has it
    /// already.
    pub receipt: Option<Receipt>,
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> End {
        End { outcome, receipt: None }
    }
}

/// The end of a call as it is handed out.
pub(crate) fn render(end: Result<Made, MadeFailure>, recorded: bool) -> Outcome {
    match end {
        Ok(made) => Ok(made.render(recorded)?),
        Err(Failure { error, result }) => {
            let result = result.map(|made| made.render(recorded)).transpose()?;
            Err(Failure { error, result })
        }
    }
}
