//! The public operations, one file each.

pub(crate) mod generate;
pub(crate) mod jobs;
pub(crate) mod recover;
pub(crate) mod result;
pub(crate) mod run;
