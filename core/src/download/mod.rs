//! Downloads: the files of a job, one file's way to the disk, and the transfer.

mod all_files;
pub(crate) mod downloader;
pub(crate) mod file;
pub(crate) mod found;
pub(crate) mod order;
pub(crate) mod resume;
pub(crate) mod transfer;
