//! A ledger in SQLite as one client sees it.

use std::fmt;
use std::sync::Arc;

use super::location::Location;
use super::session::{Identity, Session};
use super::writer::{GiveBack, Handle};
use super::{Claim, Claimed, Entry, Event, Filter, Forgotten, Ledger, Pending, Row, Step};
use super::{claim, forget, listing, step};
use crate::client::Spawn;
use crate::secret::ApiKey;

/// The ledger at this place, for clients of this origin with this API key. Touches no disk: the file is opened by
/// the first call, on a thread that is started for it by `spawn`.
pub(crate) fn open(
    location: &Location,
    origin: &str,
    api_key: &ApiKey,
    spawn: Option<Spawn>,
) -> Arc<dyn Ledger> {
    let identity = Arc::new(Identity { origin: origin.to_owned(), api_key: api_key.clone() });
    Arc::new(Sqlite { handle: Handle::new(location, spawn), identity })
}

struct Sqlite {
    handle: Handle,
    identity: Arc<Identity>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Ledger for Sqlite {
    fn claim(&self, claim: Claim) -> Pending<Claimed> {
        let identity = Arc::clone(&self.identity);
        let work = move |session: &mut Session<'_>| claim::claim(session, &identity, &claim);
        Box::pin(self.handle.writer().hand_over(work, |claimed| match claimed {
            Claimed::New(Some(row)) => Some(unsent(*row)),
            Claimed::Continued { entry, .. } => Some(back(entry)),
            _ => None,
        }))
    }

    fn take(&self, row: Row) -> Pending<Option<Entry>> {
        let identity = Arc::clone(&self.identity);
        let work = move |session: &mut Session<'_>| claim::take(session, &identity, row);
        Box::pin(self.handle.writer().hand_over(work, |taken| taken.as_ref().map(back)))
    }

    fn record(&self, row: Row, step: Step) -> Pending<()> {
        Box::pin(self.handle.writer().write(move |session| step::record(session, row, &step)))
    }

    fn list(&self, filter: Filter) -> Pending<Vec<Entry>> {
        let identity = Arc::clone(&self.identity);
        Box::pin(self.handle.writer().read(move |session| listing::list(session, &identity, &filter)))
    }

    fn history(&self, row: Row) -> Pending<Vec<Event>> {
        let identity = Arc::clone(&self.identity);
        Box::pin(self.handle.writer().read(move |session| listing::history(session, &identity, row)))
    }

    fn forget(&self, name: Option<String>) -> Pending<Forgotten> {
        let identity = Arc::clone(&self.identity);
        Box::pin(
            self.handle.writer().write(move |session| forget::forget(session, &identity, name.as_deref())),
        )
    }

    fn unsettled(&self) -> Pending<u64> {
        let identity = Arc::clone(&self.identity);
        Box::pin(self.handle.writer().read(move |session| listing::unsettled(session, &identity)))
    }
}

/// Marks a submission whose caller was gone before it could send it.
fn unsent(row: Row) -> GiveBack {
    Box::new(move |session| step::never_sent(session, row))
}

/// Leaves a submission as it was before it was taken.
fn back(entry: &Entry) -> GiveBack {
    let (row, told) = (entry.row, entry.told.clone());
    Box::new(move |session| step::release(session, row, told.as_deref()))
}
