//! The files of a completed job: fetched, verified, and under their names.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::answer::{Download, Job};
use crate::client::{Client, Outcome, blocking, default_deadline};
use crate::clock::Moment;
use crate::deliver::{self, Delivered, Kept};
use crate::error::{Billed, Error, Failure, Kind};
use crate::fetch::{Short, Source, asked_wait};
use crate::job::JobId;
use crate::options::Options;
use crate::part::Part;
use crate::submit::{closed, unwritable};
use crate::target::{Names, Target, file_error};
use crate::tracker::{Phase, Tracker};
use crate::verify::verify_pptx;
use crate::wait::job_failed;

/// How often an expired URL is renewed, or a failing download tried again, without a byte of progress.
const MOST_RENEWALS: u32 = 3;
const MOST_FAILURES: u32 = 20;
/// How often a file that fails verification is fetched whole.
const MOST_FETCHES: u32 = 4;

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
    pub async fn download(&self, job_id: &JobId, options: &Options, tracker: &Tracker) -> Outcome {
        let deadline = self.deadline(options.timeout, default_deadline::DOWNLOAD);
        let options = options.clone();
        self.until(deadline, tracker, async {
            // Checked before the first request; how many names there will be is known only after it.
            let checked = options.clone();
            blocking(move || Target::prepare(&Options { name: None, ..checked }, 0)).await?;
            let job = self.look(job_id, deadline, tracker).await?;
            match job.status.as_str() {
                "completed" => {}
                "failed" => return Err(job_failed(job_id, &job).into()),
                status => {
                    let error = Error::new(
                        Kind::Incomplete,
                        format!("job {job_id} is {status}: it has no files yet; wait for it first"),
                    );
                    let result = deck(job_id, &job, None, Billed::Unknown, &[], &[])?;
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

    /// Fetches every file that a completed job offers, and says what came.
    pub(crate) async fn fetch_all(&self, mut job: Job, order: Order<'_>) -> Outcome {
        order.tracker.phase(Phase::Downloading);
        let _slot = self.downloads.acquire().await.map_err(closed)?;
        let (mut files, mut unverified) = (Vec::new(), Vec::new());
        let mut problems: Vec<Error> = Vec::new();
        let mut stems = HashSet::new();
        for at in 0..job.downloads.len() {
            let Some(entry) = job.downloads.get(at).cloned() else { break };
            let names = names_for(&order, &entry, at, &mut stems);
            match self.fetch_one(&mut job, at, &names, &order).await {
                Ok(File::Whole(file)) => files.push(file),
                Ok(File::Damaged { file, why, .. }) => {
                    let message = format!("the file at {} {why}", file.path);
                    problems.push(Error::new(Kind::Incomplete, message));
                    unverified.push(file);
                }
                Err(error) => problems.push(error),
            }
        }
        job.output_type = job.output_type.or_else(|| order.output_type.map(str::to_owned));
        let result = deck(order.job_id, &job, order.key, Billed::Yes, &files, &unverified)?;
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
        &self,
        job: &mut Job,
        at: usize,
        names: &Names,
        order: &Order<'_>,
    ) -> Result<File, Error> {
        let mut failed: Option<(String, Kept)> = None;
        for fetch in 1.. {
            let path = names.part();
            let part = blocking(move || {
                Part::open(&path).map_err(|error| file_error(&path, "can't be written", &error))
            })
            .await?;
            let part = match self.fetch_whole(part, job, at, order).await {
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
            let entry = job.downloads.get(at);
            let (variant, format) =
                entry.map_or((1, "pptx".to_owned()), |entry| (entry.variant, entry.format.clone()));
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
        &self,
        mut part: Part,
        job: &mut Job,
        at: usize,
        order: &Order<'_>,
    ) -> Result<Part, Error> {
        let mut source = Source::default();
        let mut retry = self.retry(order.deadline);
        let mut renewals = 0;
        loop {
            let before = part.length;
            let text = job.downloads.get(at).map(|entry| entry.url.clone()).unwrap_or_default();
            let Some(url) = self.settings.origin()?.resolve(&text) else {
                return Err(Error::new(Kind::Protocol, "the service gave a download URL that can't be read"));
            };
            let (now, result) = self.fetch_rest(url, part, &mut source).await?;
            part = now;
            if part.length > before {
                retry.progressed();
                renewals = 0;
            }
            match result {
                Ok(()) => return Ok(part),
                Err(Short::Final(error)) => return Err(error),
                Err(Short::Expired(error)) if renewals == MOST_RENEWALS => return Err(error),
                Err(Short::Expired(error)) => {
                    renewals += 1;
                    order.tracker.bears(&error, None);
                    let fresh = self.look(order.job_id, order.deadline, order.tracker).await?;
                    if fresh.downloads.len() > at {
                        *job = fresh;
                    }
                }
                Err(Short::Passing(error)) => {
                    let floor = asked_wait(&error);
                    order.tracker.bears(&error, floor);
                    if retry.failures() >= MOST_FAILURES || retry.pause(floor).await.is_err() {
                        return Err(error.retryable());
                    }
                }
            }
        }
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

fn deck(
    job_id: &JobId,
    job: &Job,
    key: Option<&str>,
    billed: Billed,
    files: &[Arrived],
    unverified: &[Arrived],
) -> Result<String, Error> {
    let raw: &RawValue = serde_json::from_str(&job.json).map_err(unwritable)?;
    let deck = Deck {
        job_id: job_id.as_str(),
        status: &job.status,
        output_type: job.output_type.as_deref(),
        idempotency_key: key,
        billed,
        files,
        unverified,
        job: raw,
    };
    serde_json::to_string(&deck).map_err(unwritable)
}
