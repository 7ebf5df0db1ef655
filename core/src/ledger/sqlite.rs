//! A ledger in SQLite as one client sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::claim::{self, Outcome};
use super::job::{Answer, Doubt, GiveBack, Recorder as _};
use super::registry::Handle;
use super::session::{Identity, Session};
use super::{Claim, Claimed, Entry, Event, Filter, Forgotten, Ledger, Name, Pending, Row, Step, Written};
use super::{figures, forget, listing};
use crate::common::runtime::Spawn;
use crate::config::ledger_location::Location;
use crate::error::{Error, Kind};
use crate::model::api_key::ApiKey;
use crate::model::figure::Figure;

/// The ledger at this location, for clients of this origin with this API key. Touches no disk: the file is
/// opened by the first call, on a thread that is started for it by `spawn`.
pub(crate) fn open(
    location: &Location,
    origin: &str,
    api_key: &ApiKey,
    spawn: Option<Spawn>,
) -> Arc<dyn Ledger> {
    let identity = Arc::new(Identity { origin: origin.to_owned(), api_key: api_key.clone() });
    let shared_origin = Arc::from(origin);
    Arc::new(Sqlite { handle: Handle::new(location, spawn), identity, shared_origin })
}

struct Sqlite {
    handle: Handle,
    identity: Arc<Identity>,
    /// The origin, for figures that wait.
    shared_origin: Arc<str>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Sqlite {
    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session<'_>, &Identity) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        let identity = Arc::clone(&self.identity);
        self.handle.writer().read(move |session| work(session, &identity))
    }

    fn claim(
        &self,
        work: impl FnOnce(&mut Session<'_>, &Identity) -> Result<Outcome, Error> + Send + 'static,
    ) -> Pending<Claimed> {
        let identity = Arc::clone(&self.identity);
        let work = move |session: &mut Session<'_>| work(session, &identity);
        let answer = self.handle.writer().hand_over(work, claim::withdrawal, claim::doubt);
        Box::pin(async move { Ok(answer.await?.claimed) })
    }
}

impl Ledger for Sqlite {
    fn find(&self, claim: Arc<Claim>) -> Pending<Claimed> {
        self.claim(move |session, identity| claim::find(session, identity, &claim))
    }

    fn begin(&self, claim: Arc<Claim>, replaceable: Option<String>) -> Pending<Claimed> {
        self.claim(move |session, identity| claim::begin(session, identity, &claim, replaceable.as_deref()))
    }

    fn equal_decks(&self, claim: Arc<Claim>) -> Pending<Vec<Entry>> {
        Box::pin(self.read(move |session, identity| claim::equal_decks(session, identity, &claim)))
    }

    fn take(&self, row: Row) -> Pending<Option<Entry>> {
        let identity = Arc::clone(&self.identity);
        let work = move |session: &mut Session<'_>| claim::take(session, &identity, row);
        fn give_back(taken: &Option<Entry>) -> GiveBack {
            taken.as_ref().map(|entry| (entry.row, vec![Step::Released]))
        }
        let doubt: Doubt<_> = |taken, error, recorder| {
            if let Some((row, steps)) = give_back(&taken) {
                Arc::clone(recorder).record_soon(row, steps);
            }
            Err(error.clone())
        };
        Box::pin(self.handle.writer().hand_over(work, give_back, doubt))
    }

    fn record(&self, row: Row, steps: Vec<Step>, written: &Arc<Written>) -> Pending<()> {
        let recorded = self.handle.writer().record(row, steps, written);
        let gone = |_| Err(Error::new(Kind::Internal, "the ledger's thread is gone"));
        Box::pin(async move { recorded.await.unwrap_or_else(gone) })
    }

    fn record_soon(&self, row: Row, steps: Vec<Step>) {
        Arc::clone(self.handle.writer()).record_soon(row, steps);
    }

    fn list(&self, filter: Filter) -> Pending<Vec<Entry>> {
        Box::pin(self.read(move |session, identity| listing::list(session, identity, &filter)))
    }

    fn history(&self, row: Row) -> Pending<Vec<Event>> {
        Box::pin(self.read(move |session, identity| listing::history(session, identity, row)))
    }

    fn forget(&self, name: Option<Name>) -> Pending<Forgotten> {
        let identity = Arc::clone(&self.identity);
        let work = move |session: &mut Session<'_>| forget::forget(session, &identity, name.as_ref());
        Box::pin(self.handle.writer().write(work))
    }

    fn unsettled(&self) -> Pending<u64> {
        Box::pin(self.read(listing::unsettled))
    }

    fn figures(&self) -> Pending<Vec<Figure>> {
        Box::pin(self.read(figures::kept))
    }

    fn keep_figures(&self, figures: Vec<Figure>) {
        self.handle.writer().keep_figures(&self.shared_origin, figures);
    }

    fn write_all(&self, timeout: Duration) -> usize {
        self.handle.writer().write_all(timeout)
    }
}
