//! What a call that costs money goes on with: a new submission, or one that the ledger knows. `promise.md`,
//! 12 to 15.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

use crate::activity::tracker::{Phase, Tracker};
use crate::common::blocking::blocking;
use crate::common::clock::{Moment, Stamp, StampAge, unix_ms};
use crate::common::sha256;
use crate::config::options::Options;
use crate::error::{Billed, Error, Kind};
use crate::files::canonical::directory_of;
use crate::files::destination::{Destination, Refusal};
use crate::files::recorded::open_recorded;
use crate::ledger::{Claim, Claimed, Entry, KnownFile, Withdrawal};
use crate::model::figure::Product;
use crate::model::idempotency_key::{self, Key};
use crate::model::job_id::JobId;
use crate::model::operation::Operation;
use crate::model::output_type::OutputType;
use crate::model::submission_state::State;
use crate::polling::timing::OwnJob;
use crate::request::EncodedRequest;
use crate::submission::lease::{Lease, MAX_WAIT, unrecorded};
use crate::submission::refusals::{conflict, earlier_deck, failed_before, other_api_key, pruned};
use crate::submission::submitter::Submitter;
use crate::transport::body::FirstByte;

/// How often to look whether a submission that another process works on is free. The wall's time: another
/// process has no way to wake this one.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How often to look whether a name is reserved for this very submission, which is recorded a moment later.
const MAX_LOOKS: u32 = 4;

/// A call that costs money.
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) request: Arc<EncodedRequest>,
    pub(crate) options: Arc<Options>,
    pub(crate) deadline: Moment,
    pub(crate) tracker: &'a Tracker,
    /// Where its lease is kept, outside of what the deadline ends.
    pub(crate) lease: &'a OnceLock<Lease>,
}

impl Call<'_> {
    fn wants_files(&self) -> bool {
        self.operation == Operation::Run || self.options.directory.is_some()
    }
}

/// Where a call begins.
pub(crate) enum Stage {
    /// With a submission; in a box, since the job is waited for far longer.
    Submit(Box<Unaccepted>),
    /// With a job that the service has.
    Job(JobId),
}

/// A request that the service has not accepted.
pub(crate) struct Unaccepted {
    pub(crate) body: Bytes,
    /// If the service may have it already: when it was recorded, before its first byte.
    pub(crate) since: Option<Stamp>,
}

/// What a call goes on with.
pub(crate) struct Start {
    pub(crate) key: Key,
    pub(crate) stage: Stage,
    pub(crate) adopted: bool,
    /// What the caller should know about the submission.
    pub(crate) note: Option<String>,
    /// Where files go; none where no files were asked for.
    pub(crate) place: Option<TargetOptions>,
    /// Checked and reserved; not yet for a submission that is known.
    pub(crate) target: Option<Box<Destination>>,
    /// What is known of its files.
    pub(crate) files: Vec<KnownFile>,
    /// How many the service offered, where that is known.
    pub(crate) files_offered: Option<u32>,
    pub(crate) variants: u32,
    pub(crate) output_type: OutputType,
}

impl Start {
    /// Whether so many files are all that the service offered, as far as that is known.
    pub(crate) fn are_all(&self, files: usize) -> bool {
        self.files_offered.is_none_or(|offered| files >= offered as usize)
    }
}

/// Where the files of a submission belong.
#[derive(Clone, Debug)]
pub(crate) enum TargetOptions {
    /// Where this call wants them.
    Given(Arc<Options>),
    /// Where an earlier call wanted them. It replaces only what that call found there, as
    /// [`Destination::replaceable`] said then.
    Restored(Arc<Options>, Option<Arc<str>>),
}

impl TargetOptions {
    pub(crate) fn options(&self) -> &Options {
        match self {
            TargetOptions::Given(options) | TargetOptions::Restored(options, _) => options,
        }
    }
}

/// What a call has found out that has to look again.
#[derive(Default)]
struct Retries {
    claim: Option<Arc<Claim>>,
    /// How often its name was reserved.
    reserved: u32,
}

impl Submitter {
    /// Finds or records what a call is about. Nothing is sent before this has returned.
    pub(crate) async fn begin(&self, call: &Call<'_>) -> Result<Box<Start>, Error> {
        let closed = |_| Error::new(Kind::Closed, "the client was closed");
        let mut looks = Retries::default();
        loop {
            let permit = self.beginnings.acquire().await.map_err(closed)?;
            // In a box of its own: thousands wait for that permit, and should be small then.
            if let Some(start) = Box::pin(self.look_for(call, &mut looks)).await? {
                return Ok(start);
            }
            // The call that is waited for may need one.
            drop(permit);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// One look at what a call is about; `None`: look again.
    async fn look_for(&self, call: &Call<'_>, looks: &mut Retries) -> Result<Option<Box<Start>>, Error> {
        let claim = match &looks.claim {
            Some(claim) => Arc::clone(claim),
            None => {
                // The log has what an earlier process left before anything else is done.
                let _ = self.unsettled.count().await;
                let claim = Arc::new(self.claim_of(call).await?);
                Arc::clone(looks.claim.insert(claim))
            }
        };
        call.tracker.asks_ledger();
        // The ledger first, then the target: a known job's own file may have the name.
        let note = match self.ledger.find(Arc::clone(&claim)).await? {
            Claimed::InDoubt { error, withdrawal } => return Err(withdrawn(error, withdrawal, &claim).await),
            Claimed::Unknown { earlier } => {
                call.tracker.checked();
                earlier.map(|earlier| earlier_deck(&earlier))
            }
            known => return self.known(call, known),
        };
        let mut target = None;
        if call.wants_files() {
            match Destination::prepare(&call.options, claim.variants, true).await {
                Ok(prepared) => target = Some(Box::new(prepared)),
                // Another call is about to record this very submission, and has just reserved its name.
                Err(refusal) if refusal.reserved && claim.key.is_some() && looks.reserved < MAX_LOOKS => {
                    looks.reserved += 1;
                    return Ok(None);
                }
                Err(refusal) => return Err(self.name_refused(&claim, refusal).await),
            }
        }
        let replaceable = target.as_deref().and_then(Destination::replaceable);
        call.tracker.asks_ledger();
        match self.ledger.begin(Arc::clone(&claim), replaceable).await? {
            Claimed::New { call: id } => {
                call.tracker.checked();
                // One call claims once.
                let _ = call.lease.set(Lease::new(self, id, call.tracker));
                Ok(Some(Box::new(Start {
                    key: claim.key.as_deref().unwrap_or(&claim.fresh_key).into(),
                    stage: Stage::Submit(Box::new(Unaccepted { body: claim.body.clone(), since: None })),
                    adopted: false,
                    note,
                    place: call.wants_files().then(|| TargetOptions::Given(Arc::clone(&call.options))),
                    target,
                    files: Vec::new(),
                    files_offered: None,
                    variants: claim.variants,
                    output_type: claim.output_type.as_str().into(),
                })))
            }
            Claimed::InDoubt { error, withdrawal } => {
                drop(target);
                Err(withdrawn(error, withdrawal, &claim).await)
            }
            // Another process was faster.
            known => {
                drop(target);
                self.known(call, known)
            }
        }
    }

    async fn claim_of(&self, call: &Call<'_>) -> Result<Claim, Error> {
        let (request, options) = (&call.request, &call.options);
        let body = request.body.clone()?;
        let left = self.clock.wall(call.deadline.since(self.clock.now()));
        let given = call.wants_files().then(|| options.directory.clone());
        let directory = match given {
            Some(given) => Some(blocking(move || directory_of(given.as_deref())).await?),
            None => None,
        };
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Ok(Claim {
            key: options.idempotency_key.clone(),
            fresh_key: idempotency_key::new_key()?,
            operation: call.operation.name(),
            request_hash: sha256::hex(&sha256::of(&body)),
            body,
            output_type: request.output_type.as_str().to_owned(),
            variants: request.variants,
            directory,
            name: options.name.clone(),
            overwrite: options.overwrite,
            deadline_unix_ms: unix_ms().saturating_add(milliseconds(left)),
            adopt: options.adopt,
            adopt_window_ms: milliseconds(self.clock.wall(self.settings.adopt_window)),
            on_other_key_submit: options.on_other_key_submit,
        })
    }

    /// The error where a name can't be had. If it is taken by the deck of an equal call, the caller may want
    /// that one.
    async fn name_refused(&self, claim: &Arc<Claim>, refusal: Refusal) -> Error {
        let Refusal { error, taken, .. } = refusal;
        if taken.is_empty() {
            return error;
        }
        let Ok(decks) = self.ledger.equal_decks(Arc::clone(claim)).await else { return error };
        let Ok(Some(equal)) = blocking(move || Ok(deck_of(decks, &taken))).await else { return error };
        let message = format!(
            "{error}: it is the deck of an equal call, with the idempotency key {key}; the same call with \
             that key returns the deck, and overwrite buys another",
            key = equal.key
        );
        let kind = error.kind();
        error.restate(kind, message)
    }

    /// What to do about a submission that the ledger knows; `None`: look again.
    fn known(&self, call: &Call<'_>, claimed: Claimed) -> Result<Option<Box<Start>>, Error> {
        match claimed {
            Claimed::Continued { entry, call: id, adopted } => {
                // One call claims once.
                let _ = call.lease.set(Lease::continued(self, id));
                self.unsettled.changed();
                call.tracker.key(&entry.key.as_str().into());
                let place = call.wants_files().then(|| TargetOptions::Given(Arc::clone(&call.options)));
                let start = self.start_of(*entry, adopted, place, call.tracker)?;
                if adopted {
                    self.log.adopted(call.tracker);
                }
                Ok(Some(start))
            }
            Claimed::Live(entry) => {
                call.tracker.key(&entry.key.as_str().into());
                call.tracker.phase(Phase::Waiting);
                if let Some(job_id) = entry.job_id.as_deref().and_then(|id| JobId::from_caller(id).ok()) {
                    call.tracker.resume_job(&job_id);
                } else {
                    // The process that works on it may have sent it.
                    call.tracker.set_in_flight(&FirstByte::long_gone());
                }
                Ok(None)
            }
            Claimed::OtherRequest(entry) => {
                call.tracker.checked();
                let message = format!("the idempotency key {} was used for another request", entry.key);
                Err(conflict(&entry, Billed::No, message))
            }
            Claimed::OtherApiKey { entry, equal } => {
                call.tracker.checked();
                Err(other_api_key(&call.request, &entry, equal))
            }
            Claimed::Pruned { job_id, same_request } => {
                call.tracker.checked();
                Err(pruned(job_id, same_request))
            }
            // The caller has taken care of these.
            Claimed::Unknown { .. } | Claimed::New { .. } | Claimed::InDoubt { .. } => Ok(None),
        }
    }

    /// Where to go on with a submission that is known. `place`: where this call wants the files.
    pub(crate) fn start_of(
        &self,
        entry: Entry,
        adopted: bool,
        place: Option<TargetOptions>,
        tracker: &Tracker,
    ) -> Result<Box<Start>, Error> {
        let stage = match entry.job_id.as_deref().map(JobId::from_caller) {
            Some(job_id) => {
                let job_id = job_id?;
                tracker.resume_job(&job_id);
                if entry.state == State::Failed {
                    return Err(failed_before(&job_id));
                }
                self.remember_known(&job_id, &entry);
                Stage::Job(job_id)
            }
            None => {
                // Whatever ends the call from here on, it must not say that nothing was sent.
                tracker.outcome_unknown();
                let body = entry.body.clone().ok_or_else(|| {
                    Error::new(
                        Kind::Ledger,
                        "the ledger has lost the request of a submission that is not settled",
                    )
                })?;
                Stage::Submit(Box::new(Unaccepted { body, since: Some(entry.recorded.clone()) }))
            }
        };
        Ok(Box::new(Start {
            key: entry.key.into(),
            stage,
            adopted,
            note: None,
            place,
            target: None,
            files: entry.files,
            files_offered: entry.files_offered,
            variants: entry.variants,
            output_type: entry.output_type.as_str().into(),
        }))
    }

    /// Remembers of a job what the ledger knows: how many files were asked for, and since when it runs.
    pub(crate) fn remember_known(&self, job_id: &JobId, entry: &Entry) {
        if self.timing.own_job(job_id).is_some() {
            return;
        }
        let (age, is_dated) = match entry.recorded.age(&Stamp::now(), Duration::ZERO) {
            StampAge::Known(age) | StampAge::ByDate(age) => (self.clock.scaled(age), true),
            StampAge::Unknown => (Duration::MAX, false),
        };
        let submitted = self.clock.now().before(age);
        let product = Product::of(&entry.output_type.as_str().into());
        self.timing.remember(job_id, OwnJob { submitted, variants: entry.variants, product, is_dated });
    }
}

/// The error of a call whose claim may be in the ledger, though it could not be written. Unless the claim is
/// withdrawn in time, the error does not say that nothing is billed: `recover` might send the request.
async fn withdrawn(error: Error, withdrawal: Withdrawal, claim: &Claim) -> Error {
    match tokio::time::timeout(MAX_WAIT, withdrawal.0).await {
        Ok(true) => error,
        _ => {
            let key = claim.key.as_ref().unwrap_or(&claim.fresh_key).clone();
            unrecorded(error).with(|details| details.idempotency_key = Some(key))
        }
    }
}

/// The deck that these files are of: by what is in them, else by where they are. Blocks on the disk.
fn deck_of(decks: Vec<Entry>, taken: &[PathBuf]) -> Option<Entry> {
    let is_there = |file: &&KnownFile| taken.iter().any(|taken| is_one_file(Path::new(&file.path), taken));
    let has_name = |deck: &Entry| deck.files.iter().any(|file| is_there(&file));
    let mut decks: Vec<Entry> = decks.into_iter().filter(has_name).collect();
    // Several had the name one after the other, where a user has moved one away.
    let is_same = |file: &KnownFile| {
        matches!(open_recorded(Path::new(&file.path), file.size, &file.sha256), Ok(Some(_)))
    };
    let holds = |deck: &Entry| deck.files.iter().filter(is_there).any(is_same);
    let at = if decks.len() > 1 { decks.iter().position(holds).unwrap_or(0) } else { 0 };
    (at < decks.len()).then(|| decks.swap_remove(at))
}

/// Whether two paths lead to one file. Blocks on the disk.
fn is_one_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}
