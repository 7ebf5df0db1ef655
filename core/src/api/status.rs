//! The status of a job, as one poll brings it.

use std::sync::Arc;

use crate::api::response::Job;
use crate::transport::failure::Miss;

/// What one poll brought.
pub(crate) type Polled = Result<Arc<Job>, Miss>;
