//! The files of a completed job: fetched, verified, and under their names.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::answer::{Download, Job};
use crate::attempt::{Course, Ended, Why};
use crate::client::{Client, DOWNLOADS_AT_ONCE, Outcome, blocking, default_deadline};
use crate::clock::Moment;
use crate::deliver::{self, Delivered, Kept};
use crate::error::{Billed, Error, Failure, Kind};
use crate::fetch::Fetch;
use crate::job::JobId;
use crate::options::Options;
use crate::part::Part;
use crate::policy::Asking;
use crate::submit::unwritable;
use crate::target::{Names, Target, file_error};
use crate::tracker::{Phase, Tracker};
use crate::verify::verify_pptx;
use crate::wait::{Seen, job_failed};

/// How often an expired URL is renewed, or a failing download tried again, without a byte of progress.
const MOST_RENEWALS: u32 = 3;
const MOST_FAILURES: u32 = 20;
/// How often a file that fails verification is fetched whole.
const MOST_FETCHES: u32 = 4;
/// How many files of one job are fetched: what is above is no answer to a request that this library sends.
const MOST_FILES: usize = 100;

/// A file on disk, as results list it.
#[derive(Serialize)]
struct Arrived {
    path: String,
    variant: u32,
    format: String,
    size: u64,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// What `run` and `download` hand out.
#[derive(Serialize)]
struct Deck<'a> {
    job_id: &'a str,
    status: &'a str,
    output_type: Option<&'a str>,
    idempotency_key: Option<&'a str>,
    billed: Billed,
    files: &'a [Arrived],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unverified: &'a [Arrived],
    job: &'a RawValue,
}

/// A job to fetch, and how.
pub(crate) struct Order<'a> {
    pub(crate) job_id: &'a JobId,
    /// How many files were asked for.
    pub(crate) variants: u32,
    pub(crate) key: Option<&'a str>,
    /// What was asked for, should the service not say so.
    pub(crate) output_type: Option<&'a str>,
    pub(crate) target: Target,
    pub(crate) deadline: Moment,
    pub(crate) tracker: &'a Tracker,
}

/// The newest answer about the job whose files are fetched: a URL that one file finds expired is renewed for all.
struct Newest {
    job: Mutex<(u64, Arc<Job>)>,
    renewing: tokio::sync::Mutex<()>,
}

impl Newest {
    fn new(job: Arc<Job>) -> Newest {
        Newest { job: Mutex::new((0, job)), renewing: tokio::sync::Mutex::default() }
    }

    /// The answer, and which it is.
    fn get(&self) -> (u64, Arc<Job>) {
        self.job.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, job: Arc<Job>) {
        let mut newest = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = (newest.0 + 1, job);
    }
}

/// One file of the order.
enum File {
    Whole(Arrived),
    /// Kept, though it failed verification for this reason.
    Damaged {
        file: Arrived,
        why: String,
        kept: Kept,
    },
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
        self.until(deadline, tracker, async {
            // Checked before the first request; how many names there will be is known only after it.
            let checked = options.clone();
            blocking(move || Target::prepare(&Options { name: None, ..checked }, 0)).await?;
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
                    let result = deck(job_id, &job, None, None, Billed::Unknown, &[], &[])?;
                    let error = error.retryable().with(|details| details.billed = Billed::Unknown);
                    return Err(Failure { error, result: Some(result) });
                }
            }
            let offered = u32::try_from(job.downloads.len()).unwrap_or(u32::MAX);
            let variants = self.own_job(job_id).map_or(offered, |own| own.variants).max(1);
            let id = job_id.clone();
            let target = blocking(move || {
                let mut target = Target::prepare(&options, variants)?;
                target.reserve_for(&id, variants)?;
                Ok(target)
            })
            .await?;
            let order = Order { job_id, variants, key: None, output_type: None, target, deadline, tracker };
            self.fetch_all(job, order).await
        })
        .await
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
        let result =
            deck(order.job_id, &job, order.key, order.output_type, Billed::Yes, &files, &unverified)?;
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

    /// Fetches one file until it is whole and verified. Two identical downloads that fail verification are
    /// what the service has: they are kept.
    async fn fetch_one(
        self: &Arc<Client>,
        newest: &Newest,
        at: usize,
        entry: &Download,
        names: Names,
        order: &Order<'_>,
    ) -> Result<File, Error> {
        let closed = |_| Error::new(Kind::Closed, "the client was closed");
        let _place = self.downloads.acquire().await.map_err(closed)?;
        let mut failed: Option<(String, Kept)> = None;
        for fetch in 1.. {
            let path = names.part();
            let part = blocking(move || {
                Part::open(&path).map_err(|error| file_error(&path, "can't be written", &error))
            })
            .await?;
            let part = match self.fetch_whole(part, newest, at, entry, order).await {
                Ok(part) => part,
                Err(error) => {
                    let path = names.part();
                    blocking(move || {
                        // Nothing has arrived: there is nothing to keep, and nothing to go on with.
                        if std::fs::metadata(&path).is_ok_and(|found| found.len() == 0) {
                            let _ = std::fs::remove_file(&path);
                        }
                        Ok(())
                    })
                    .await?;
                    return Err(error);
                }
            };
            let (variant, format) = (entry.variant, entry.format.clone());
            let checked = names.extension == "pptx";
            let (names, overwrite) = (names.clone(), order.target.overwrite);
            let before = failed.as_ref().map(|(_, kept)| kept.clone());
            let step = blocking(move || {
                let arrived = |path: PathBuf, note| Arrived {
                    path: path.display().to_string(),
                    variant,
                    format,
                    size: part.length,
                    sha256: part.sha256(),
                    note,
                };
                match if checked { verify_pptx(&part.path) } else { Ok(()) } {
                    Ok(()) => {
                        let Delivered { path, note } =
                            deliver::deliver(&part.path, &part.sha256(), &names, overwrite)?;
                        if let Some(own) = before.filter(|before| before.own) {
                            // This call's own damaged copy of what is now there whole.
                            let _ = std::fs::remove_file(own.path);
                        }
                        Ok(File::Whole(arrived(path, note)))
                    }
                    Err(why) => {
                        let sha256 = part.sha256();
                        let kept = deliver::keep_unverified(&part.path, &sha256, &names, before.as_ref())?;
                        Ok(File::Damaged { file: arrived(kept.path.clone(), None), why, kept })
                    }
                }
            })
            .await?;
            match step {
                File::Whole(_) => return Ok(step),
                File::Damaged { ref file, ref kept, .. } => {
                    let twice = failed.as_ref().is_some_and(|(before, _)| *before == file.sha256);
                    if twice || fetch == MOST_FETCHES {
                        return Ok(step);
                    }
                    failed = Some((file.sha256.clone(), kept.clone()));
                }
            }
        }
        Err(Error::new(Kind::Internal, "a download ended without a result"))
    }

    /// Fetches until all of the file has arrived.
    async fn fetch_whole(
        self: &Arc<Client>,
        part: Part,
        newest: &Newest,
        at: usize,
        entry: &Download,
        order: &Order<'_>,
    ) -> Result<Part, Error> {
        let resolve = |url: &str| {
            self.settings.origin()?.resolve(url).ok_or_else(|| {
                Error::new(Kind::Protocol, "the service gave a download URL that can't be read")
            })
        };
        let (mut version, job) = newest.get();
        let mut fetch = Fetch::new(self, order.job_id, resolve(url_of(&job, at, entry))?, part);
        let mut course = Course::new(Asking::Fetch, order.deadline, order.tracker).at_most(MOST_FAILURES);
        let (mut renewals, mut reached) = (0, fetch.length());
        loop {
            let Ended { why, error } = match self.attempts(&mut course, &mut fetch).await {
                Ok(()) => break,
                Err(ended) => ended,
            };
            if fetch.length() > reached {
                reached = fetch.length();
                renewals = 0;
            }
            match why {
                Why::Renew if renewals < MOST_RENEWALS => renewals += 1,
                Why::Often | Why::Late(_) => return Err(error.retryable()),
                _ => return Err(error),
            }
            order.tracker.bears(&error, None);
            let job = self.renew(newest, version, order).await?;
            version = job.0;
            fetch.url = resolve(url_of(&job.1, at, entry))?;
        }
        fetch.into_part().ok_or_else(|| Error::new(Kind::Internal, "a download ended without its file"))
    }

    /// A newer answer about the job than this one, asked for once however many files need it.
    async fn renew(
        self: &Arc<Client>,
        newest: &Newest,
        version: u64,
        order: &Order<'_>,
    ) -> Result<(u64, Arc<Job>), Error> {
        let _turn = newest.renewing.lock().await;
        let now = newest.get();
        if now.0 != version {
            return Ok(now);
        }
        let course = self.patient(order.deadline, order.tracker);
        newest.set(self.look(order.job_id, course, order.tracker).await?);
        Ok(newest.get())
    }
}

/// The URL of the file that was at this place in the first answer.
fn url_of<'a>(job: &'a Job, at: usize, entry: &'a Download) -> &'a str {
    let same = |other: &&Download| other.variant == entry.variant && other.format == entry.format;
    let here = job.downloads.get(at).filter(same);
    here.or_else(|| job.downloads.iter().find(same)).map_or(&entry.url, |found| &found.url)
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

fn deck(
    job_id: &JobId,
    job: &Job,
    key: Option<&str>,
    output_type: Option<&str>,
    billed: Billed,
    files: &[Arrived],
    unverified: &[Arrived],
) -> Result<String, Error> {
    let raw: &RawValue = serde_json::from_str(&job.json).map_err(unwritable)?;
    let deck = Deck {
        job_id: job_id.as_str(),
        status: &job.status,
        output_type: job.output_type.as_deref().or(output_type),
        idempotency_key: key,
        billed,
        files,
        unverified,
        job: raw,
    };
    serde_json::to_string(&deck).map_err(unwritable)
}
