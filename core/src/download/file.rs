//! One file of a job: fetched until it is whole, verified, and put under its name.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::api::response::{Download, Job};
use crate::common::blocking::blocking;
use crate::common::sync::lock;
use crate::download::downloader::Downloader;
use crate::download::found::{self, Found};
use crate::download::order::DownloadPlan;
use crate::download::transfer::{Fetch, look_at};
use crate::error::{Error, Kind};
use crate::files::failure::file_error;
use crate::files::is_out_of_descriptors;
use crate::files::output_file::OutputFile;
use crate::files::partial::Partial;
use crate::files::persist::{self, Kept, Placed};
use crate::ledger::{KnownFile, Step};
use crate::polling::look::patient;
use crate::results::DeliveredFile;
use crate::retry::policy::Asking;
use crate::retry::{GiveUpReason, RetryError, RetryPlan};

/// How often an expired URL is renewed, or a failing download tried again, without a byte of progress.
const MAX_RENEWALS: u32 = 3;
const MAX_FAILURES: u32 = 20;
/// How often a file that fails verification is fetched whole.
const MAX_FETCHES: u32 = 4;
/// How long to wait before a descriptor is asked for again.
const DESCRIPTOR_WAIT: Duration = Duration::from_secs(1);

/// The newest answer about the job whose files are fetched: a URL that one file finds expired is renewed for
/// all.
pub(crate) struct LatestJob {
    job: Mutex<(u64, Arc<Job>)>,
    renewing: tokio::sync::Mutex<()>,
}

impl LatestJob {
    pub(crate) fn new(job: Arc<Job>) -> LatestJob {
        LatestJob { job: Mutex::new((0, job)), renewing: tokio::sync::Mutex::default() }
    }

    /// The answer, and which it is.
    pub(crate) fn get(&self) -> (u64, Arc<Job>) {
        lock(&self.job).clone()
    }

    fn set(&self, job: Arc<Job>) {
        let mut newest = lock(&self.job);
        *newest = (newest.0 + 1, job);
    }
}

/// One file of the order.
pub(crate) enum File {
    Whole(DeliveredFile),
    /// Kept, though they failed verification, the last one for this reason.
    Damaged {
        files: Vec<DeliveredFile>,
        why: String,
    },
}

/// The damaged files of one download.
#[derive(Default)]
struct Damaged(Vec<(DeliveredFile, Kept)>);

impl Downloader {
    /// Fetches one file until it is whole and verified. Two identical downloads that fail verification are
    /// what the service has: they are kept, and so are those that differ.
    pub(crate) async fn fetch_one(
        &self,
        newest: &LatestJob,
        at: usize,
        entry: &Download,
        output: OutputFile,
        order: &DownloadPlan<'_>,
    ) -> Result<File, Error> {
        let closed = |_| Error::new(Kind::Closed, "the client was closed");
        let _place = self.downloads.acquire().await.map_err(closed)?;
        // In a box of its own: thousands wait for that permit, and should be small then.
        Box::pin(self.fetch_in_place(newest, at, entry, output, order)).await
    }

    async fn fetch_in_place(
        &self,
        newest: &LatestJob,
        at: usize,
        entry: &Download,
        output: OutputFile,
        order: &DownloadPlan<'_>,
    ) -> Result<File, Error> {
        if let Some(there) = self.already_there(entry, &output, order).await? {
            return Ok(File::Whole(there));
        }
        let mut damaged = Damaged::default();
        for fetch in 1.. {
            let part = self.open_part(&output).await?;
            let mut part = match self.fetch_whole(part, newest, at, entry, order).await {
                Ok(part) => part,
                Err(error) => {
                    blocking(move || output.remove_empty_parts()).await?;
                    return Err(error);
                }
            };
            let (part, checked) = blocking(move || {
                let checked = part.check();
                Ok((part, checked))
            })
            .await?;
            let Err(why) = checked else {
                let file = self.deliver(part, entry.variant, &entry.format, order).await?;
                if !damaged.0.is_empty() {
                    blocking(move || damaged.remove_own(&output)).await?;
                }
                return Ok(File::Whole(file));
            };
            let (next, is_known) = blocking(move || damaged.keep(part)).await?;
            damaged = next.with(entry);
            if is_known || fetch == MAX_FETCHES {
                let files = damaged.0.into_iter().map(|(file, _)| file).collect();
                return Ok(File::Damaged { files, why });
            }
        }
        Err(Error::new(Kind::Internal, "a download ended without a result"))
    }

    /// What is there of a file, or its beginning. Waits while the process has no descriptor for it: the file
    /// is paid for, and nothing tells when the program has closed some.
    async fn open_part(&self, output: &OutputFile) -> Result<Partial, Error> {
        loop {
            let to_open = output.clone();
            let error = match blocking(move || Ok(Partial::open(&to_open))).await? {
                Ok(part) => return Ok(part),
                Err(error) => error,
            };
            if !is_out_of_descriptors(&error) {
                let path = output.path_of(&output.names().part(1));
                let is_busy = error.kind() == std::io::ErrorKind::ResourceBusy;
                let error = file_error(&path, "can't be written", &error);
                return Err(if is_busy { error.retryable() } else { error });
            }
            self.clock.sleep_until(self.clock.now().after(DESCRIPTOR_WAIT)).await;
        }
    }

    /// Gives a verified part its name: recorded before and after, so that the next process after a crash in
    /// between finds this file and is content.
    pub(crate) async fn deliver(
        &self,
        part: Partial,
        variant: u32,
        format: &str,
        order: &DownloadPlan<'_>,
    ) -> Result<DeliveredFile, Error> {
        let (part, mut file, paths) = blocking(move || {
            let names = part.output().names();
            let paths = [names.final_name(), names.beside()]
                .map(|name| (part.output().path_of(&name).display().to_string(), name));
            let file = DeliveredFile::of_part(&part);
            Ok((part, file, paths))
        })
        .await?;
        file.variant = variant;
        format.clone_into(&mut file.format);
        let mut replaceable = part.output().replaceable().cloned();
        let mut part = Some(part);
        let mut taken = None;
        for (at, (path, name)) in paths.into_iter().enumerate() {
            if at == 0 && part.as_ref().is_some_and(|part| part.output().is_reserved()) {
                taken = Some(format!("{path} is reserved by another run"));
                continue;
            }
            let Some(whole) = part.take() else { break };
            let replaceable = replaceable.take();
            file.path.clone_from(&path);
            if let Some(lease) = order.lease {
                let recorded = KnownFile {
                    variant: file.variant,
                    format: file.format.clone(),
                    path: file.path.clone(),
                    size: file.size,
                    sha256: file.sha256.clone(),
                    delivered: false,
                };
                lease.step(Step::Renaming(recorded)).await;
            }
            let sha256 = file.sha256.clone();
            let (whole, placed) = blocking(move || {
                let placed = persist::persist(&whole, &sha256, &name, replaceable.as_ref())?;
                Ok((whole, placed))
            })
            .await?;
            let doubt = match placed {
                Placed::Here { doubt } => doubt,
                // An earlier run was here and got as far as this: its file is this one.
                Placed::Before => Some("the same file was there already".to_owned()),
                Placed::Taken => {
                    part = Some(whole);
                    taken = Some(taken_note(&path, order));
                    continue;
                }
            };
            let notes: Vec<String> = taken.into_iter().chain(doubt).collect();
            file.note = (!notes.is_empty()).then(|| notes.join("; "));
            if let Some(lease) = order.lease {
                lease.step(Step::Delivered { path: file.path.clone() }).await;
            }
            return Ok(file);
        }
        let stays = part.map_or_else(String::new, |part| part.name().to_owned());
        Err(file_error(
            Path::new(&file.path),
            &format!("can't be made (the file stays as {stays})"),
            &std::io::ErrorKind::AlreadyExists.into(),
        ))
    }

    /// The file, where the ledger knows it and it is on this machine as it was recorded.
    async fn already_there(
        &self,
        entry: &Download,
        output: &OutputFile,
        order: &DownloadPlan<'_>,
    ) -> Result<Option<DeliveredFile>, Error> {
        let same = |file: &&KnownFile| file.variant == entry.variant && file.format == entry.format;
        let records: Vec<_> = order.known.iter().filter(same).cloned().collect();
        let output = output.clone();
        match blocking(move || found::look_for(&records, &output)).await? {
            Some(Found::Delivered(file)) => Ok(Some(file)),
            Some(Found::Whole(part)) => {
                self.deliver(*part, entry.variant, &entry.format, order).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// Fetches until all of the file has arrived.
    async fn fetch_whole(
        &self,
        part: Partial,
        newest: &LatestJob,
        at: usize,
        entry: &Download,
        order: &DownloadPlan<'_>,
    ) -> Result<Partial, Error> {
        let (part, is_whole) = look_at(part).await?;
        if is_whole {
            return Ok(part);
        }
        let resolve = |url: &str| {
            self.settings.origin()?.resolve(url).ok_or_else(|| {
                Error::new(Kind::Protocol, "the service gave a download URL that can't be read")
            })
        };
        let (mut version, job) = newest.get();
        let mut fetch = Fetch::new(self, order.job_id, resolve(url_of(&job, at, entry))?, part);
        let mut plan = RetryPlan::new(Asking::Fetch, order.deadline, order.tracker).at_most(MAX_FAILURES);
        let (mut renewals, mut reached) = (0, fetch.length());
        loop {
            let RetryError { why, error } = match self.retrier.run(&mut plan, &mut fetch).await {
                Ok(()) => break,
                Err(ended) => ended,
            };
            if fetch.length() > reached {
                reached = fetch.length();
                renewals = 0;
            }
            match why {
                GiveUpReason::Renew if renewals < MAX_RENEWALS => renewals += 1,
                GiveUpReason::Often | GiveUpReason::Late(_) => return Err(error.retryable()),
                _ => return Err(error),
            }
            order.tracker.set_last_error(&error, None);
            let job = self.renew(newest, version, order).await?;
            version = job.0;
            fetch.url = resolve(url_of(&job.1, at, entry))?;
        }
        fetch.into_part().ok_or_else(|| Error::new(Kind::Internal, "a download ended without its file"))
    }

    /// A newer answer about the job than this one, asked for once however many files need it.
    async fn renew(
        &self,
        newest: &LatestJob,
        version: u64,
        order: &DownloadPlan<'_>,
    ) -> Result<(u64, Arc<Job>), Error> {
        let _turn = newest.renewing.lock().await;
        let now = newest.get();
        if now.0 != version {
            return Ok(now);
        }
        let plan = patient(order.deadline, order.tracker);
        newest.set(self.poller.look(order.job_id, plan, order.tracker).await?);
        Ok(newest.get())
    }
}

/// The URL of the file that had this position in the first answer.
fn url_of<'a>(job: &'a Job, at: usize, entry: &'a Download) -> &'a str {
    let same = |other: &&Download| other.variant == entry.variant && other.format == entry.format;
    let here = job.downloads.get(at).filter(same);
    here.or_else(|| job.downloads.iter().find(same)).map_or(&entry.url, |found| &found.url)
}

/// What a caller is told whose file does not have the final name.
fn taken_note(path: &str, order: &DownloadPlan<'_>) -> String {
    if order.target.overwrites() {
        format!(
            "{path} was taken by a file that overwrite does not replace: it was not there when the call began"
        )
    } else {
        format!("{path} was taken meanwhile")
    }
}

impl Damaged {
    /// Keeps one more; whether the same bytes have come before.
    fn keep(mut self, part: Partial) -> Result<(Damaged, bool), Error> {
        let mut file = DeliveredFile::of_part(&part);
        let is_known = self.0.iter().any(|(before, _)| before.sha256 == file.sha256);
        let kept = persist::keep_unverified(&part, &file.sha256)?;
        file.path = part.output().path_of(&kept.name).display().to_string();
        if !is_known {
            self.0.push((file, kept));
        }
        Ok((self, is_known))
    }

    /// The last one is of this entry.
    fn with(mut self, entry: &Download) -> Damaged {
        if let Some((file, _)) = self.0.last_mut() {
            file.variant = entry.variant;
            file.format.clone_from(&entry.format);
        }
        self
    }

    /// Removes the damaged copies of what is there whole now. Those of earlier calls stay.
    fn remove_own(self, output: &OutputFile) -> Result<(), Error> {
        self.0.iter().filter(|(_, kept)| kept.own).try_for_each(|(_, kept)| output.remove(&kept.name))
    }
}
