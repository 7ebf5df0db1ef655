//! The public operations, one file each.

pub(crate) mod download;
pub(crate) mod generate;
pub(crate) mod get_status;
pub(crate) mod jobs;
pub(crate) mod recover;
pub(crate) mod result;
pub(crate) mod run;
pub(crate) mod wait;
