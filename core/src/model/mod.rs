//! The nouns of the service: ids, keys and origins.

pub(crate) mod api_key;
pub mod figure;
pub(crate) mod file_url;
pub(crate) mod idempotency_key;
pub(crate) mod job_id;
pub(crate) mod job_status;
pub(crate) mod limits;
pub mod operation;
pub(crate) mod origin;
pub(crate) mod output_type;
pub(crate) mod submission_state;
