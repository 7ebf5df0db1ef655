//! The command line: its arguments, and the commands `serve` and `exec`.

pub mod arguments;
pub mod exec;
pub mod serve;
