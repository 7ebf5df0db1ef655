//! The paths of the service.

use crate::model::job_id::JobId;

/// Where jobs are submitted.
pub(crate) const GENERATE: &str = "/api/v1/generate";

/// Where this job's state is read.
pub(crate) fn status_path(job_id: &JobId) -> String {
    format!("/api/v1/status/{}", job_id.path_segment())
}
