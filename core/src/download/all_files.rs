//! The files of a completed job: found, or fetched and verified, and under their names.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt as _;

use crate::activity::tracker::Phase;
use crate::api::response::{Download, Job};
use crate::common::blocking::blocking;
use crate::download::downloader::{DOWNLOADS_AT_ONCE, Downloader};
use crate::download::file::{File, LatestJob};
use crate::download::found::{self, Found, Sought, extension};
use crate::download::order::{DownloadPlan, Gathered};
use crate::error::{Billed, Error, Failure, Kind};
use crate::files::destination::Destination;
use crate::files::output_file::OutputFile;
use crate::ledger::Step;
use crate::model::job_id::JobId;
use crate::model::job_status::JobStatus;
use crate::model::output_type::presentations;
use crate::results::{DeckResult, DeliveredFile, Made, MadeFailure};
use crate::submission::begin::Start;
use crate::submission::lease::Lease;

/// How many files of one job are fetched: what is above is no answer to a request that this library sends.
const MAX_FILES: usize = 100;

impl Downloader {
    /// The result of a call whose files all have their names already, as the ledger knows them.
    pub(crate) async fn find_delivered(
        &self,
        start: &Start,
        job_id: &JobId,
        lease: Option<&Lease>,
    ) -> Result<Option<Made>, Error> {
        let Some(place) = start.place.as_ref().filter(|_| !start.files.is_empty()) else { return Ok(None) };
        // A directory that can't be used is an error later, where a file has to be written.
        let Ok(target) = Destination::look(place.options()).await else { return Ok(None) };
        let sought = found::sought(&start.files, start.files_offered, &target, job_id, start.variants);
        if !start.are_all(sought.len()) {
            return Ok(None);
        }
        let died_in_place = start.files.iter().any(|file| !file.delivered);
        let find = move || {
            let files = found::find_all(&sought);
            if files.is_some() {
                target.tidy(died_in_place);
            }
            Ok(files)
        };
        let Some(files) = blocking(find).await? else { return Ok(None) };
        let is_new = |path: &str| start.files.iter().any(|file| file.path == path && !file.delivered);
        for file in files.iter().filter(|file| is_new(&file.path)) {
            // A process died between the rename and this.
            if let Some(lease) = lease {
                lease.step(Step::Delivered { path: file.path.clone() }).await;
            }
        }
        self.found(start, job_id, files).await.map(Some)
    }

    /// The result of a call whose files are all on this machine, wherever that is: they get their names.
    pub(crate) async fn gather(
        &self,
        order: &DownloadPlan<'_>,
        gathered: Gathered,
    ) -> Result<Option<Made>, Error> {
        let Some(start) = order.start else { return Ok(None) };
        let sought = sought(order);
        let known = start.are_all(sought.len()) && sought.iter().all(|file| !file.records.is_empty());
        if !known && gathered == Gathered::KnownToBeAll {
            return Ok(None);
        }
        let Some(found) = blocking(move || found::look_for_all(sought)).await? else { return Ok(None) };
        let files = self.take_found(found, order).await?;
        self.found(start, order.job_id, files).await.map(Some)
    }

    /// The variants that the service does not offer any more, where they are on this machine.
    async fn gather_missing(&self, job: &Job, order: &DownloadPlan<'_>) -> Result<Vec<DeliveredFile>, Error> {
        let is_offered = |variant: u32| job.downloads.iter().any(|entry| entry.variant == variant);
        let mut sought = sought(order);
        sought.retain(|file| !is_offered(file.variant));
        let look = move || {
            let mut found = Vec::new();
            for file in sought {
                if let Some(there) = found::look_for(&file.records, &file.output)? {
                    found.push((file, there));
                }
            }
            Ok(found)
        };
        self.take_found(blocking(look).await?, order).await
    }

    /// Gives what was found whole its name.
    async fn take_found(
        &self,
        found: Vec<(Sought, Found)>,
        order: &DownloadPlan<'_>,
    ) -> Result<Vec<DeliveredFile>, Error> {
        let mut files = Vec::new();
        for (sought, found) in found {
            files.push(match found {
                Found::Delivered(file) => file,
                Found::Whole(part) => self.deliver(*part, sought.variant, &sought.format, order).await?,
            });
        }
        Ok(files)
    }

    async fn found(&self, start: &Start, job_id: &JobId, files: Vec<DeliveredFile>) -> Result<Made, Error> {
        Ok(Made::Deck(Box::new(DeckResult {
            job_id: job_id.to_string(),
            status: JobStatus::Completed.to_string(),
            output_type: Some(start.output_type.as_str().to_owned()),
            idempotency_key: Some(start.key.to_string()),
            billed: Billed::Yes,
            adopted: start.adopted,
            recorded: false,
            unsettled: self.unsettled.count().await,
            note: start.note.clone(),
            files,
            unverified: Vec::new(),
            job: None,
        })))
    }

    /// Fetches every file that a completed job offers, several at once, and says what came.
    pub(crate) async fn fetch_all(
        &self,
        job: Arc<Job>,
        mut order: DownloadPlan<'_>,
    ) -> Result<Made, MadeFailure> {
        order.tracker.phase(Phase::Downloading);
        *order.target = order.target.reopened(order.variants).await?;
        let mut stems = HashSet::new();
        let newest = LatestJob::new(Arc::clone(&job));
        let (order, newest) = (&order, &newest);
        let fetches: Vec<_> = (job.downloads.iter().take(MAX_FILES).enumerate())
            .map(|(at, entry)| {
                let output = output_for(order, entry, at, &mut stems);
                Box::pin(self.fetch_one(newest, at, entry, output, order))
            })
            .collect();
        let fetched: Vec<_> = futures_util::stream::iter(fetches).buffered(DOWNLOADS_AT_ONCE).collect().await;
        let mut came = FetchedFiles::of(fetched);
        came.files.extend(self.gather_missing(&job, order).await?);
        if job.downloads.len() > MAX_FILES {
            let message =
                format!("the service offers {} files; {MAX_FILES} were fetched", job.downloads.len());
            came.problems.push(Error::new(Kind::Incomplete, message));
        }
        let (_, job) = newest.get();
        let incomplete = came.incomplete(order, job.downloads.len());
        let start = order.start;
        let output_type = start.map(|start| start.output_type.as_str().to_owned());
        let result = Made::Deck(Box::new(DeckResult {
            files: came.files,
            unverified: came.unverified,
            idempotency_key: start.map(|start| start.key.to_string()),
            output_type: job.output_type.clone().or(output_type),
            adopted: start.is_some_and(|start| start.adopted),
            unsettled: self.unsettled.count().await,
            note: start.and_then(|start| start.note.clone()),
            ..DeckResult::of(order.job_id, &job, Billed::Yes)?
        }));
        match incomplete {
            None => Ok(result),
            Some(error) if error.kind() == Kind::Incomplete => Err(Failure { error, result: Some(result) }),
            Some(error) => Err(error.into()),
        }
    }
}

/// What came of the files of one job.
#[derive(Default)]
struct FetchedFiles {
    files: Vec<DeliveredFile>,
    unverified: Vec<DeliveredFile>,
    /// Why files are missing, in the order of the files.
    problems: Vec<Error>,
}

impl FetchedFiles {
    fn of(fetched: Vec<Result<File, Error>>) -> FetchedFiles {
        let mut came = FetchedFiles::default();
        for file in fetched {
            match file {
                Ok(File::Whole(file)) => came.files.push(file),
                Ok(File::Damaged { files, why }) => {
                    let path = files.last().map_or("", |file| &file.path);
                    let message = format!("the file at {path} {why}");
                    came.problems.push(Error::new(Kind::Incomplete, message));
                    came.unverified.extend(files);
                }
                Err(error) => came.problems.push(error),
            }
        }
        came
    }

    /// The error where files are missing. If nothing came at all it has the kind of the first problem, else
    /// it is `Incomplete`. `offered`: how many files the service has.
    fn incomplete(&mut self, order: &DownloadPlan<'_>, offered: usize) -> Option<Error> {
        let (job_id, asked) = (order.job_id, order.variants as usize);
        if self.problems.is_empty()
            && presentations(self.files.iter().map(|file| file.format.as_str())) >= asked
        {
            return None;
        }
        let none = Error::new(Kind::Incomplete, format!("the service offers {offered} of {asked} files"));
        let first = std::mem::take(&mut self.problems).into_iter().next().unwrap_or(none);
        let is_nothing = self.files.is_empty() && self.unverified.is_empty();
        let error = if is_nothing && first.kind() != Kind::Incomplete {
            let message = format!(
                "the files of job {job_id} could not be fetched: {first}; fetch them with perceptis_download"
            );
            let kind = first.kind();
            first.restate(kind, message).says_next_step()
        } else {
            let message = format!("{} of {asked} files of job {job_id} arrived: {first}", self.files.len());
            first.restate(Kind::Incomplete, message)
        };
        Some(error.with(|details| details.billed = Billed::Yes))
    }
}

/// The files that this download wants.
fn sought(order: &DownloadPlan<'_>) -> Vec<Sought> {
    let offered = order.start.and_then(|start| start.files_offered);
    found::sought(order.known, offered, &order.target, order.job_id, order.variants)
}

/// The output of the file at this position of the answer. The service's variant numbers are used where they
/// are distinct and were asked for; two files must never share a name.
fn output_for(
    order: &DownloadPlan<'_>,
    entry: &Download,
    at: usize,
    names: &mut HashSet<String>,
) -> OutputFile {
    let extension = extension(&entry.format);
    let output = order.target.file(order.job_id, entry.variant, order.variants, &extension);
    if names.insert(output.names().final_name()) {
        return output;
    }
    let stem = format!("{}-file{}", output.names().stem(), at + 1);
    let output = order.target.file_named(stem, order.job_id, &extension);
    names.insert(output.names().final_name());
    output
}
