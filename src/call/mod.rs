//! A call: an operation with its arguments. Both forms of a call, the one that blocks and the one that does
//! not, are made from it.

pub(crate) mod operation;
pub(crate) mod task;

use std::ffi::c_char;
use std::sync::{Arc, LazyLock};

use perceptis_core::{Client, EncodedRequest, Error, Hearing, JobId, Operation as Name, Options, Tracker};

use crate::boundary::arguments;
use crate::builders::options::perceptis_options;
use crate::builders::request::perceptis_request;
use crate::call::task::Work;

/// An operation with its arguments. It shares them with the caller's handles until the program changes one of
/// those.
pub(crate) struct Call {
    operation: Operation,
    options: Arc<Options>,
}

/// The options of a call without any.
static NONE: LazyLock<Arc<Options>> = LazyLock::new(Arc::default);

enum Operation {
    GetStatus(JobId),
    Generate(Arc<EncodedRequest>),
    Wait(JobId),
    Download(JobId),
    Run(Arc<EncodedRequest>),
    Recover,
    Jobs,
    Forget(Option<String>),
}

impl Call {
    pub(crate) fn get_status(
        job_id: *const c_char,
        options: *const perceptis_options,
    ) -> Result<Call, Error> {
        Call::new(Operation::GetStatus(job_id_of(job_id)?), options)
    }

    pub(crate) fn generate(
        request: *const perceptis_request,
        options: *const perceptis_options,
    ) -> Result<Call, Error> {
        Call::new(Operation::Generate(request_of(request)?), options)
    }

    pub(crate) fn wait(job_id: *const c_char, options: *const perceptis_options) -> Result<Call, Error> {
        Call::new(Operation::Wait(job_id_of(job_id)?), options)
    }

    pub(crate) fn download(job_id: *const c_char, options: *const perceptis_options) -> Result<Call, Error> {
        Call::new(Operation::Download(job_id_of(job_id)?), options)
    }

    pub(crate) fn run(
        request: *const perceptis_request,
        options: *const perceptis_options,
    ) -> Result<Call, Error> {
        Call::new(Operation::Run(request_of(request)?), options)
    }

    pub(crate) fn recover(options: *const perceptis_options) -> Result<Call, Error> {
        Call::new(Operation::Recover, options)
    }

    pub(crate) fn jobs(options: *const perceptis_options) -> Result<Call, Error> {
        Call::new(Operation::Jobs, options)
    }

    pub(crate) fn forget(name: Option<&str>) -> Result<Call, Error> {
        Call::new(Operation::Forget(name.map(str::to_owned)), std::ptr::null())
    }

    /// Makes a call. NULL in the place of options: none.
    fn new(operation: Operation, options: *const perceptis_options) -> Result<Call, Error> {
        let options = arguments::optional("options", options)?.map_or(&*NONE, |options| &options.options);
        Ok(Call { operation, options: Arc::clone(options) })
    }

    /// The tracker of the operation before its first step.
    pub(crate) fn tracker(&self) -> Tracker {
        match &self.operation {
            Operation::GetStatus(job_id) => Tracker::for_job(Name::GetStatus, job_id),
            Operation::Generate(_) => Tracker::for_submission(Name::Generate, &self.options),
            Operation::Wait(job_id) => Tracker::for_job(Name::Wait, job_id),
            Operation::Download(job_id) => Tracker::for_job(Name::Download, job_id),
            Operation::Run(_) => Tracker::for_submission(Name::Run, &self.options),
            Operation::Recover => Tracker::new(Name::Recover),
            Operation::Jobs => Tracker::new(Name::Jobs),
            Operation::Forget(_) => Tracker::new(Name::Forget),
        }
    }

    /// Whether the operation is one request and its answer, and no more.
    pub(crate) fn is_short(&self) -> bool {
        matches!(self.operation, Operation::GetStatus(_))
    }

    /// Whether the caller wants progress events.
    pub(crate) fn progress(&self) -> bool {
        self.options.progress()
    }

    /// The steps of the operation. Each operation has a boxed future of its own, since one future for all
    /// would have the size of the largest. `hearing`: when the program is given the end.
    pub(crate) fn work(self, client: Arc<Client>, tracker: Tracker, hearing: Hearing) -> Work {
        let options = self.options;
        match self.operation {
            Operation::GetStatus(job_id) => {
                Box::pin(async move { client.get_status(&job_id, &options, &tracker).await.into() })
            }
            Operation::Generate(request) => {
                Box::pin(async move { client.generate(request, options, &tracker, hearing).await })
            }
            Operation::Wait(job_id) => {
                Box::pin(async move { client.wait(job_id, options, tracker).await.into() })
            }
            Operation::Download(job_id) => {
                Box::pin(async move { client.download(&job_id, &options, &tracker).await.into() })
            }
            Operation::Run(request) => Box::pin(client.run(request, options, tracker, hearing)),
            Operation::Recover => Box::pin(async move { client.recover(&options, &tracker).await.into() }),
            Operation::Jobs => Box::pin(async move { client.jobs(&options, &tracker).await.into() }),
            Operation::Forget(name) => Box::pin(async move {
                let forgotten = client.forget(name.as_deref(), &tracker).await;
                forgotten.map(|count| count.to_string()).into()
            }),
        }
    }
}

fn job_id_of(job_id: *const c_char) -> Result<JobId, Error> {
    JobId::from_caller(arguments::text("job_id", job_id, JobId::MAX_BYTES)?)
}

fn request_of(request: *const perceptis_request) -> Result<Arc<EncodedRequest>, Error> {
    Ok(arguments::handle("request", request)?.wanted())
}
