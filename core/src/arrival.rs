//! One file of a job: fetched until it is whole, verified, and put under its name.

use std::sync::{Arc, Mutex};

use crate::answer::{Download, Job};
use crate::attempt::{Course, Ended, Why};
use crate::client::{Client, blocking};
use crate::download::{Arrived, Order};
use crate::error::{Error, Kind};
use crate::fetch::Fetch;
use crate::files::destination::{Names, file_error};
use crate::files::partial::Part;
use crate::files::persist::{self, Kept, Placed};
use crate::files::verify::verify_pptx;
use crate::ledger::{Recorded, Step};
use crate::policy::Asking;
use crate::sync::lock;

/// How often an expired URL is renewed, or a failing download tried again, without a byte of progress.
const MOST_RENEWALS: u32 = 3;
const MOST_FAILURES: u32 = 20;
/// How often a file that fails verification is fetched whole.
const MOST_FETCHES: u32 = 4;

/// The newest answer about the job whose files are fetched: a URL that one file finds expired is renewed for all.
pub(crate) struct Newest {
    job: Mutex<(u64, Arc<Job>)>,
    renewing: tokio::sync::Mutex<()>,
}

impl Newest {
    pub(crate) fn new(job: Arc<Job>) -> Newest {
        Newest { job: Mutex::new((0, job)), renewing: tokio::sync::Mutex::default() }
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
    Whole(Arrived),
    /// Kept, though it failed verification for this reason.
    Damaged {
        file: Arrived,
        why: String,
    },
}

impl Client {
    /// Fetches one file until it is whole and verified. Two identical downloads that fail verification are
    /// what the service has: they are kept.
    pub(crate) async fn fetch_one(
        self: &Arc<Client>,
        newest: &Newest,
        at: usize,
        entry: &Download,
        names: Names,
        order: &Order<'_>,
    ) -> Result<File, Error> {
        let closed = |_| Error::new(Kind::Closed, "the client was closed");
        let _place = self.downloads.acquire().await.map_err(closed)?;
        if let Some(there) = self.already_there(entry, &names, order).await? {
            return Ok(File::Whole(there));
        }
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
            let sums = part.sums();
            let mut file = Arrived {
                path: String::new(),
                variant: entry.variant,
                format: entry.format.clone(),
                size: part.length,
                sha256: sums.sha256.hex_so_far(),
                note: None,
            };
            let (path, checked) = (part.path, names.extension == "pptx");
            let judged =
                blocking(move || Ok(if checked { verify_pptx(&path, &sums.blocks) } else { Ok(()) })).await?;
            let Err(why) = judged else {
                self.put_in_place(&mut file, &names, order).await?;
                if let Some((_, own)) = failed.filter(|(_, kept)| kept.own) {
                    // This call's own damaged copy of what is now there whole.
                    blocking(move || {
                        let _ = std::fs::remove_file(own.path);
                        Ok(())
                    })
                    .await?;
                }
                return Ok(File::Whole(file));
            };
            let (path, sha256) = (names.part(), file.sha256.clone());
            let (kept_under, before) = (names.clone(), failed.as_ref().map(|(_, kept)| kept.clone()));
            let kept =
                blocking(move || persist::keep_unverified(&path, &sha256, &kept_under, before.as_ref()))
                    .await?;
            file.path = kept.path.display().to_string();
            let twice = failed.as_ref().is_some_and(|(before, _)| *before == file.sha256);
            if twice || fetch == MOST_FETCHES {
                return Ok(File::Damaged { file, why });
            }
            failed = Some((file.sha256.clone(), kept));
        }
        Err(Error::new(Kind::Internal, "a download ended without a result"))
    }

    /// Gives a verified part its name: recorded before and after, so that whoever comes after a crash in between finds
    /// its own file and is content.
    async fn put_in_place(&self, file: &mut Arrived, names: &Names, order: &Order<'_>) -> Result<(), Error> {
        let target = names.target();
        for (path, replace) in [(target.clone(), order.target.overwrite), (names.beside(), false)] {
            file.path = path.display().to_string();
            if let Some(record) = order.record {
                let recorded = Recorded {
                    variant: file.variant,
                    format: file.format.clone(),
                    path: file.path.clone(),
                    size: file.size,
                    sha256: file.sha256.clone(),
                    delivered: false,
                };
                record.step(self, Step::Renaming(recorded)).await;
            }
            let (part, sha256, to) = (names.part(), file.sha256.clone(), path.clone());
            let placed = blocking(move || persist::deliver(&part, &sha256, &to, replace)).await?;
            match placed {
                Placed::Here if path == target => {}
                Placed::Here => file.note = Some(format!("{} was taken meanwhile", target.display())),
                // An earlier run was here and got as far as this: its file is this one.
                Placed::Before => file.note = Some("the same file was there already".into()),
                Placed::Taken => continue,
            }
            if let Some(record) = order.record {
                record.step(self, Step::Delivered { path: file.path.clone() }).await;
            }
            return Ok(());
        }
        Err(file_error(
            &names.beside(),
            &format!("can't be made (the file stays at {})", names.part().display()),
            &std::io::ErrorKind::AlreadyExists.into(),
        ))
    }

    /// The file under its name, where the ledger knows it and it is as it was recorded.
    async fn already_there(
        &self,
        entry: &Download,
        names: &Names,
        order: &Order<'_>,
    ) -> Result<Option<Arrived>, Error> {
        let known = order.start.map(|start| start.files.as_slice()).unwrap_or_default();
        let same = |file: &&Recorded| file.variant == entry.variant && file.format == entry.format;
        match known.iter().find(same).cloned() {
            Some(file) => {
                let names = names.clone();
                blocking(move || Ok(find(&file, &names))).await
            }
            None => Ok(None),
        }
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

/// A recorded file, where it is still what was recorded, under its name or beside it. Blocks on the disk.
pub(crate) fn find(file: &Recorded, names: &Names) -> Option<Arrived> {
    let path = [names.target(), names.beside()]
        .into_iter()
        .find(|path| persist::sha256_of(path).is_ok_and(|found| found == file.sha256))?;
    Some(Arrived {
        path: path.display().to_string(),
        variant: file.variant,
        format: file.format.clone(),
        size: file.size,
        sha256: file.sha256.clone(),
        note: Some("it was there already".into()),
    })
}
