//! The files of a completed job: fetched, verified, and under their names.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::answer::{Download, Job};
use crate::arrival::{self, File, Newest};
use crate::attempt::Course;
use crate::claim::Start;
use crate::client::{Client, DOWNLOADS_AT_ONCE, Outcome, blocking, default_deadline};
use crate::clock::Moment;
use crate::error::{Billed, Error, Failure, Kind};
use crate::files::destination::{Names, Target};
use crate::job::JobId;
use crate::options::Options;
use crate::policy::Asking;
use crate::record::Record;
use crate::submit::unwritable;
use crate::tracker::{Phase, Tracker};
use crate::wait::{Seen, job_failed};

/// How many files of one job are fetched: what is above is no answer to a request that this library sends.
const MOST_FILES: usize = 100;

/// A file on disk, as results list it.
#[derive(Serialize)]
pub(crate) struct Arrived {
    pub(crate) path: String,
    pub(crate) variant: u32,
    pub(crate) format: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    /// What the caller should know about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// What `run` and `download` hand out.
#[derive(Serialize)]
struct Deck<'a> {
    job_id: &'a str,
    status: &'a str,
    output_type: Option<&'a str>,
    idempotency_key: Option<&'a str>,
    billed: Billed,
    adopted: bool,
    recorded: bool,
    unsettled: u64,
    files: &'a [Arrived],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unverified: &'a [Arrived],
    /// The service's last answer; null where the ledger and the disk knew all.
    job: Option<&'a RawValue>,
}

/// A job to fetch, and how.
pub(crate) struct Order<'a> {
    pub(crate) job_id: &'a JobId,
    /// How many files were asked for.
    pub(crate) variants: u32,
    /// What the call began with, where it is one that can cost money.
    pub(crate) start: Option<&'a Start>,
    pub(crate) record: Option<&'a Record>,
    pub(crate) target: Target,
    pub(crate) deadline: Moment,
    pub(crate) tracker: &'a Tracker,
}

impl Client {
    /// Fetches the files of a completed job into the directory and under the name of the options.
    pub async fn download(
        self: &Arc<Client>,
        job_id: &JobId,
        options: &Options,
        tracker: &Tracker,
    ) -> Outcome {
        let deadline = self.deadline(options.timeout, default_deadline::DOWNLOAD);
        let options = options.clone();
        let place = OnceLock::new();
        let end = self
            .until(deadline, tracker, async {
                // Checked before the first request; how many names there will be is known only after it.
                let checked = options.clone();
                blocking(move || Ok(Target::prepare(&Options { name: None, ..checked }, 0, true)?)).await?;
                let course = Course::new(Asking::Look, deadline, tracker);
                let mut job = self.look(job_id, course, tracker).await?;
                let asked = self.own_job(job_id).map_or(1, |own| own.variants).max(1);
                if job.status == "completed" && job.downloads.len() < asked as usize {
                    // Files can be late (`promise.md`, 7).
                    job = self.watch(job_id, asked, Seen::WithoutFiles, tracker).await?;
                }
                match job.status.as_str() {
                    "completed" => {}
                    "failed" => return Err(job_failed(job_id, &job).into()),
                    status => {
                        let error = Error::new(
                            Kind::Incomplete,
                            format!("job {job_id} is {status}: it has no files yet; wait for it first"),
                        );
                        let unfinished = Deck { files: &[], ..Deck::of(job_id, &job, Billed::Unknown)? };
                        let result = serde_json::to_string(&unfinished).map_err(unwritable)?;
                        let error = error.retryable().with(|details| details.billed = Billed::Unknown);
                        return Err(Failure { error, result: Some(result) });
                    }
                }
                if let Some((record, _)) = self.owned(job_id).await {
                    // One call owns one.
                    let _ = place.set(record);
                }
                let offered = u32::try_from(job.downloads.len()).unwrap_or(u32::MAX);
                let variants = self.own_job(job_id).map_or(offered, |own| own.variants).max(1);
                let id = job_id.clone();
                let target = blocking(move || {
                    let mut target = Target::prepare(&options, variants, true)?;
                    target.reserve_for(&id, variants)?;
                    Ok(target)
                })
                .await?;
                let order =
                    Order { job_id, variants, start: None, record: place.get(), target, deadline, tracker };
                self.fetch_all(job, order).await
            })
            .await;
        if let Some(record) = place.get() {
            record.release(self, end.as_ref().err(), true).await;
        }
        end
    }

    /// The result of a call whose files are all there already, as the ledger knows them.
    pub(crate) async fn found(&self, order: &Order<'_>) -> Result<Option<String>, Error> {
        let Some(start) = order.start.filter(|start| !start.files.is_empty()) else { return Ok(None) };
        let mut looked_for = Vec::new();
        for variant in 1..=order.variants {
            let Some(file) = start.files.iter().find(|file| file.variant == variant) else { return Ok(None) };
            let ending = extension(&file.format);
            looked_for
                .push((file.clone(), order.target.names(order.job_id, variant, order.variants, &ending)));
        }
        let find = move || -> Result<Option<Vec<Arrived>>, Error> {
            Ok(looked_for.iter().map(|(file, names)| arrival::find(file, names)).collect())
        };
        let Some(files) = blocking(find).await? else { return Ok(None) };
        let deck = Deck {
            job_id: order.job_id.as_str(),
            status: "completed",
            output_type: Some(&start.output_type),
            idempotency_key: Some(&start.key),
            billed: Billed::Yes,
            adopted: start.adopted,
            recorded: order.record.is_some_and(Record::is_whole),
            unsettled: self.unsettled().await,
            files: &files,
            unverified: &[],
            job: None,
        };
        Ok(Some(serde_json::to_string(&deck).map_err(unwritable)?))
    }

    /// Fetches every file that a completed job offers, several at once, and says what came.
    pub(crate) async fn fetch_all(self: &Arc<Client>, job: Arc<Job>, order: Order<'_>) -> Outcome {
        order.tracker.phase(Phase::Downloading);
        let (mut files, mut unverified) = (Vec::new(), Vec::new());
        let mut problems: Vec<Error> = Vec::new();
        let mut stems = HashSet::new();
        let newest = Newest::new(Arc::clone(&job));
        let (order, newest) = (&order, &newest);
        let fetches: Vec<_> = (job.downloads.iter().take(MOST_FILES).enumerate())
            .map(|(at, entry)| {
                let names = names_for(order, entry, at, &mut stems);
                Box::pin(self.fetch_one(newest, at, entry, names, order))
            })
            .collect();
        let fetched: Vec<_> = futures_util::stream::iter(fetches).buffered(DOWNLOADS_AT_ONCE).collect().await;
        for file in fetched {
            match file {
                Ok(File::Whole(file)) => files.push(file),
                Ok(File::Damaged { file, why, .. }) => {
                    let message = format!("the file at {} {why}", file.path);
                    problems.push(Error::new(Kind::Incomplete, message));
                    unverified.push(file);
                }
                Err(error) => problems.push(error),
            }
        }
        if job.downloads.len() > MOST_FILES {
            let message =
                format!("the service offers {} files; {MOST_FILES} were fetched", job.downloads.len());
            problems.push(Error::new(Kind::Incomplete, message));
        }
        let (_, job) = newest.get();
        let result = Deck {
            files: &files,
            unverified: &unverified,
            idempotency_key: order.start.map(|start| start.key.as_str()),
            output_type: job.output_type.as_deref().or(order.start.map(|start| start.output_type.as_str())),
            adopted: order.start.is_some_and(|start| start.adopted),
            recorded: order.record.is_some_and(Record::is_whole),
            unsettled: self.unsettled().await,
            ..Deck::of(order.job_id, &job, Billed::Yes)?
        };
        let result = serde_json::to_string(&result).map_err(unwritable)?;
        let asked = order.variants as usize;
        if problems.is_empty() && files.len() >= asked {
            return Ok(result);
        }
        let first = problems.into_iter().next().unwrap_or_else(|| {
            let message = format!("the service offers {} of {asked} files", job.downloads.len());
            Error::new(Kind::Incomplete, message)
        });
        let billed = |error: Error| error.with(|details| details.billed = Billed::Yes);
        let own_cause = first.kind() != Kind::Incomplete && files.is_empty() && unverified.is_empty();
        let job_id = order.job_id;
        let message = if own_cause {
            format!(
                "the files of job {job_id} could not be fetched: {first}; fetch them with perceptis_download"
            )
        } else {
            format!("{} of {asked} files of job {job_id} arrived: {first}", files.len())
        };
        if own_cause {
            let kind = first.kind();
            return Err(billed(first.restate(kind, message)).into());
        }
        let error = billed(first.restate(Kind::Incomplete, message));
        Err(Failure { error, result: Some(result) })
    }
}

/// The names of the file at this place. The service's variant numbers are used where they are distinct and
/// were asked for; two files must never share a name.
fn names_for(order: &Order<'_>, entry: &Download, at: usize, stems: &mut HashSet<PathBuf>) -> Names {
    let extension = extension(&entry.format);
    let mut names = order.target.names(order.job_id, entry.variant, order.variants, &extension);
    if !stems.insert(names.target()) {
        names.stem = format!("{}-file{}", names.stem, at + 1);
        stems.insert(names.target());
    }
    names
}

/// A format's file name ending: itself when it is plain, `bin` otherwise.
fn extension(format: &str) -> String {
    let plain = (1..=8).contains(&format.len())
        && format.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if plain { format.to_owned() } else { "bin".to_owned() }
}

impl<'a> Deck<'a> {
    /// What the service says of a job.
    fn of(job_id: &'a JobId, job: &'a Job, billed: Billed) -> Result<Deck<'a>, Error> {
        Ok(Deck {
            job_id: job_id.as_str(),
            status: &job.status,
            output_type: job.output_type.as_deref(),
            idempotency_key: None,
            billed,
            adopted: false,
            recorded: false,
            unsettled: 0,
            files: &[],
            unverified: &[],
            job: Some(serde_json::from_str(&job.json).map_err(unwritable)?),
        })
    }
}
