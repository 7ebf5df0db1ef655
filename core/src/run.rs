//! A request in, files out.

use std::sync::Arc;

use crate::client::{Client, Outcome, blocking, default_deadline};
use crate::download::Order;
use crate::job::JobId;
use crate::options::Options;
use crate::request::Request;
use crate::target::Target;
use crate::tracker::{Phase, Tracker};
use crate::wait::Seen;

impl Client {
    /// Submits a request, waits for its job and fetches the files. Whatever can be wrong with the call or
    /// the target is found before anything is submitted.
    pub async fn run(self: &Arc<Client>, request: &Request, options: &Options, tracker: &Tracker) -> Outcome {
        let single = request.output_type() == "single_slide";
        let default = if single { default_deadline::SLIDE } else { default_deadline::DECK };
        let deadline = self.deadline(options.timeout, default);
        self.until(deadline, tracker, async {
            request.body()?;
            let variants = request.variants();
            let given = options.clone();
            let target = blocking(move || Target::prepare(&given, variants)).await?;
            // In boxes of their own: a call waits for minutes between these two, and should be small then.
            let accepted = Box::pin(self.submit(request, options, deadline, tracker)).await?;
            let job_id = accepted.job_id;
            let target = hold(target, &job_id, variants).await?;
            tracker.phase(Phase::Waiting);
            let job = self.watch(&job_id, variants, Seen::Not, tracker).await?;
            let output_type = request.output_type();
            let order = Order {
                job_id: &job_id,
                variants,
                key: Some(&accepted.key),
                output_type: Some(&output_type),
                target,
                deadline,
                tracker,
            };
            Box::pin(self.fetch_all(job, order)).await
        })
        .await
    }
}

/// Without a name the job's id is one, and it is known only now.
async fn hold(mut target: Target, job_id: &JobId, variants: u32) -> Result<Target, crate::error::Error> {
    let job_id = job_id.clone();
    blocking(move || {
        target.hold_for(&job_id, variants)?;
        Ok(target)
    })
    .await
}
