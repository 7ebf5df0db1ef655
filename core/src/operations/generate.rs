//! `generate`: a request in, an accepted job out.

use std::sync::{Arc, OnceLock};

use serde_json::value::RawValue;

use crate::activity::tracker::Tracker;
use crate::client::{Client, default_deadline};
use crate::config::options::Options;
use crate::error::{Billed, unwritable};
use crate::model::operation::Operation;
use crate::operations::result::{End, render};
use crate::request::EncodedRequest;
use crate::results::{AcceptedResult, Made, MadeFailure};
use crate::submission::begin::{Call, Stage};
use crate::submission::lease::Lease;
use crate::submission::receipt::Hearing;
use crate::submission::send::CallContext;

impl Client {
    /// Submits a request and returns once the service has accepted it: `{"job_id", "idempotency_key",
    /// "output_type", "billed", "adopted", "recorded", "unsettled", "note", "answer"}`.
    pub async fn generate(
        self: &Arc<Client>,
        request: Arc<EncodedRequest>,
        options: Arc<Options>,
        tracker: &Tracker,
        hearing: Hearing,
    ) -> End {
        let deadline = self.deadline(options.timeout, default_deadline::GENERATE);
        let slot = OnceLock::new();
        let steps = async {
            let resubmit = options.resubmit;
            let start = {
                // Dropped at the end of this: the ledger has the request then.
                let call = Call {
                    operation: Operation::Generate,
                    request,
                    options,
                    deadline,
                    tracker,
                    lease: &slot,
                };
                self.submitter.begin(&call).await?
            };
            let (job_id, answer) = match &start.stage {
                Stage::Job(job_id) => (job_id.clone(), None),
                Stage::Submit(_) => {
                    let context = CallContext { resubmit, deadline, tracker, lease: slot.get() };
                    let (job_id, answer) = self.submitter.submit(&start, &context).await?;
                    (job_id, Some(answer))
                }
            };
            let result = AcceptedResult {
                job_id: job_id.to_string(),
                idempotency_key: start.key.to_string(),
                output_type: start.output_type.as_str().to_owned(),
                billed: Billed::Unknown,
                adopted: start.adopted,
                recorded: false,
                unsettled: self.unsettled.count().await,
                note: start.note.clone(),
                answer: answer.map(RawValue::from_string).transpose().map_err(unwritable)?,
            };
            Ok::<_, MadeFailure>(Made::Accepted(Box::new(result)))
        };
        let end = self.until(deadline, tracker, steps).await;
        self.finish(slot.get(), end, false, hearing, tracker).await
    }

    /// The end of a call, once the ledger has it.
    pub(crate) async fn finish(
        &self,
        lease: Option<&Lease>,
        end: Result<Made, MadeFailure>,
        settled: bool,
        hearing: Hearing,
        tracker: &Tracker,
    ) -> End {
        let Some(lease) = lease else { return render(end, false).into() };
        let (end, receipt) = Box::pin(lease.finish(end, settled, hearing, tracker.overrun())).await;
        End { outcome: render(end, lease.is_written()), receipt }
    }
}
