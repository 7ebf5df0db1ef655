//! What a call that costs money goes on with: a new submission, or one that the ledger knows. `promise.md`, 12 to 15.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

use crate::attempt::Age;
use crate::client::{Client, blocking};
use crate::clock::{Moment, unix_ms};
use crate::common::sha256;
use crate::error::{Billed, Error, Kind};
use crate::files::destination::{Refusal, Target, file_error};
use crate::first_byte::FirstByte;
use crate::job::JobId;
use crate::key::{self, Key};
use crate::ledger::{Claim, Claimed, Entry, Recorded};
use crate::options::Options;
use crate::record::Record;
use crate::request::{OutputType, Wanted};
use crate::tracker::{Phase, Tracker};

/// How often to look whether a submission that somebody else works on is free. The wall's time: another process has
/// no way to wake this one.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How often to look whether a name is reserved for this very submission, which is recorded a moment later.
const MOST_LOOKS: u32 = 4;

/// A call that costs money.
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    pub(crate) request: Arc<Wanted>,
    pub(crate) options: Arc<Options>,
    pub(crate) deadline: Moment,
    pub(crate) tracker: &'a Tracker,
    /// Where its ownership of a submission is kept, outside of what the deadline ends.
    pub(crate) place: &'a OnceLock<Record>,
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
    /// If the service may have it already: since when, in the client's time, as the window is.
    pub(crate) since: Option<Age>,
}

/// What a call goes on with.
pub(crate) struct Start {
    pub(crate) key: Key,
    pub(crate) stage: Stage,
    pub(crate) adopted: bool,
    /// Checked and reserved; none where no files were asked for.
    pub(crate) target: Option<Target>,
    /// What is known of its files.
    pub(crate) files: Vec<Recorded>,
    pub(crate) variants: u32,
    pub(crate) output_type: OutputType,
}

/// What a call has found out that has to look again.
#[derive(Default)]
struct Looks {
    claim: Option<Box<Claim>>,
    /// How often its name was reserved.
    reserved: u32,
}

impl Client {
    /// Finds or records what a call is about. Nothing is sent before this has returned.
    pub(crate) async fn begin(&self, call: &Call<'_>) -> Result<Box<Start>, Error> {
        let closed = |_| Error::new(Kind::Closed, "the client was closed");
        let mut looks = Looks::default();
        loop {
            let place = self.beginnings.acquire().await.map_err(closed)?;
            // In a box of its own: thousands wait for that place, and should be small then.
            if let Some(start) = Box::pin(self.look_for(call, &mut looks)).await? {
                return Ok(start);
            }
            // Whoever is waited for may need one.
            drop(place);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// One look at what a call is about; `None`: look again.
    async fn look_for(&self, call: &Call<'_>, looks: &mut Looks) -> Result<Option<Box<Start>>, Error> {
        let wants_files = call.operation == "run" || call.options.directory.is_some();
        let claim = match &mut looks.claim {
            Some(claim) => claim,
            none => {
                // What an earlier process left is told before anything else is done.
                let _ = self.unsettled().await;
                none.insert(Box::new(self.claim_of(call, wants_files)?))
            }
        };
        // The ledger first, then the target: a known job's own file may have the name.
        claim.record = false;
        match self.ledger.claim(Claim::clone(claim)).await? {
            Claimed::New(_) => call.tracker.nothing_came_of_it(),
            known => return self.known(call, known, wants_files).await,
        }
        let target = if wants_files {
            match prepare(&call.options, claim.variants, true).await {
                Ok(target) => Some(target),
                // Whoever is about to record this very submission has just reserved its name.
                Err(refusal) if refusal.reserved && claim.key.is_some() && looks.reserved < MOST_LOOKS => {
                    looks.reserved += 1;
                    return Ok(None);
                }
                Err(refusal) => return Err(refusal.error),
            }
        } else {
            None
        };
        claim.record = true;
        match self.ledger.claim(Claim::clone(claim)).await? {
            Claimed::New(Some(row)) => {
                let record = Record::new(&self.ledger, row, call.tracker);
                // One call claims once.
                let _ = call.place.set(record);
                Ok(Some(Box::new(Start {
                    key: claim.key.as_deref().unwrap_or(&claim.fresh_key).into(),
                    stage: Stage::Submit(Box::new(Unaccepted { body: claim.body.clone(), since: None })),
                    adopted: false,
                    target,
                    files: Vec::new(),
                    variants: claim.variants,
                    output_type: claim.output_type.as_str().into(),
                })))
            }
            Claimed::New(None) => Err(Error::new(Kind::Internal, "the ledger recorded nothing")),
            // Somebody was faster.
            known => {
                drop(target);
                self.known(call, known, wants_files).await
            }
        }
    }

    fn claim_of(&self, call: &Call<'_>, wants_files: bool) -> Result<Claim, Error> {
        let (request, options) = (&call.request, &call.options);
        let body = request.body.clone()?;
        let left = self.clock.wall(call.deadline.since(self.clock.now()));
        let directory = if wants_files { Some(directory_of(options)?) } else { None };
        Ok(Claim {
            key: options.idempotency_key.clone(),
            fresh_key: key::new_key()?,
            operation: call.operation,
            request_hash: sha256::hex(&sha256::of(&body)),
            body,
            output_type: request.output_type.as_str().to_owned(),
            variants: request.variants,
            directory,
            name: options.name.clone(),
            overwrite: options.overwrite,
            deadline_unix_ms: unix_ms().saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            adopt: options.adopt,
            on_other_key_submit: options.on_other_key_submit,
            record: false,
        })
    }

    /// What to do about a submission that the ledger knows; `None`: look again.
    async fn known(
        &self,
        call: &Call<'_>,
        claimed: Claimed,
        wants_files: bool,
    ) -> Result<Option<Box<Start>>, Error> {
        match claimed {
            Claimed::Continued { entry, adopted } => {
                let record = Record::of(&self.ledger, &entry);
                self.takes_over();
                // One call claims once.
                let _ = call.place.set(record);
                call.tracker.key(&entry.key.as_str().into());
                self.start_of(*entry, adopted, wants_files.then_some(&*call.options), call.tracker)
                    .await
                    .map(Some)
            }
            Claimed::Live(entry) => {
                call.tracker.key(&entry.key.as_str().into());
                call.tracker.phase(Phase::Waiting);
                if let Some(job_id) = entry.job_id.as_deref().and_then(|id| JobId::from_caller(id).ok()) {
                    call.tracker.continues(&job_id);
                } else {
                    // Whoever works on it may have sent it.
                    call.tracker.sending(&FirstByte::long_gone());
                }
                Ok(None)
            }
            Claimed::OtherRequest(entry) => Err(conflict(
                &entry,
                format!(
                    "the idempotency key {} was used before; {}",
                    entry.key,
                    crate::advice::KEY_OF_ANOTHER_REQUEST
                ),
            )),
            Claimed::OtherApiKey(entry) => Err(conflict(
                &entry,
                format!(
                    "the idempotency key {} was used with another API key, and the service shows its job to that \
                     key only; use that key, or set on_other_key to submit, which buys anew",
                    entry.key
                ),
            )),
            Claimed::Pruned { job_id, same_request } => {
                let request = if same_request { "this very request" } else { "another request" };
                let message = format!(
                    "the idempotency key was used long ago for {request}, and what came of it is no longer recorded"
                );
                Err(Error::new(Kind::Conflict, message).with(|details| details.job_id = job_id))
            }
            Claimed::New(_) => Ok(None),
        }
    }

    /// Where to go on with a submission that is known. `options`: where this call wants the files.
    pub(crate) async fn start_of(
        &self,
        entry: Entry,
        adopted: bool,
        options: Option<&Options>,
        tracker: &Tracker,
    ) -> Result<Box<Start>, Error> {
        let stage = match entry.job_id.as_deref().map(JobId::from_caller) {
            Some(job_id) => {
                let job_id = job_id?;
                tracker.continues(&job_id);
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
                let age = Duration::from_millis(unix_ms().saturating_sub(entry.recorded_unix_ms));
                let since = Some(Age { at: self.clock.now(), age: self.clock.scaled(age) });
                Stage::Submit(Box::new(Unaccepted { body, since }))
            }
        };
        // What may be paid for goes beside a name that is taken.
        let target = match options {
            Some(options) => Some(prepare(options, entry.variants, false).await?),
            None => None,
        };
        Ok(Box::new(Start {
            key: entry.key.into(),
            stage,
            adopted,
            target,
            files: entry.files,
            variants: entry.variants,
            output_type: entry.output_type.as_str().into(),
        }))
    }
}

fn conflict(entry: &Entry, message: String) -> Error {
    Error::new(Kind::Conflict, message).with(|details| {
        details.job_id.clone_from(&entry.job_id);
        details.idempotency_key = Some(entry.key.clone());
        details.billed = Billed::No;
    })
}

async fn prepare(options: &Options, variants: u32, free: bool) -> Result<Target, Refusal> {
    let options = options.clone();
    blocking(move || Ok(Target::prepare(&options, variants, free))).await?
}

/// The directory of a call as the ledger knows it: absolute, so that another process finds it.
fn directory_of(options: &Options) -> Result<String, Error> {
    let given = options.directory.as_deref().unwrap_or(Path::new("."));
    let absolute =
        std::path::absolute(given).map_err(|error| file_error(given, "is not a usable directory", &error))?;
    // Whether it exists is the target's to say.
    let real = std::fs::canonicalize(&absolute).unwrap_or(absolute);
    real.into_os_string().into_string().map_err(|name| {
        let path = PathBuf::from(name);
        Error::new(
            Kind::File,
            format!("{} is not UTF-8, so that a result could not name the file", path.display()),
        )
    })
}
