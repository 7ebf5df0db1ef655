//! The receipt for a call's end: `promise.md`, 14.

use std::sync::Arc;

use crate::error::Kind;
use crate::ledger::{CallId, Ledger, Step};

/// When a call's program is given its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// When the operation returns: the ledger has it by then.
    AtReturn,
    /// Later, when the program frees the final event: a [`Receipt`] comes with the end.
    Later,
}

/// Says to the ledger that the program has the end of its call. Dropped without that, the ledger has it that
/// the program never will, so that an equal call goes on with the submission.
#[must_use]
#[derive(Debug)]
pub struct Receipt {
    ledger: Arc<dyn Ledger>,
    call: CallId,
    code: Option<Kind>,
    signed: bool,
}

impl Receipt {
    pub(crate) fn new(ledger: &Arc<dyn Ledger>, call: CallId, code: Option<Kind>) -> Receipt {
        Receipt { ledger: Arc::clone(ledger), call, code, signed: false }
    }

    /// The program has the end. It counts in this process at once, and is on the disk within a second.
    pub fn sign(mut self) {
        self.signed = true;
        let told = Step::Told { call: self.call.number, code: self.code };
        self.ledger.record_soon(self.call.row, vec![told]);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.signed {
            let unheard = Step::Unheard { call: self.call.number };
            self.ledger.record_soon(self.call.row, vec![unheard]);
        }
    }
}
