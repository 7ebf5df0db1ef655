//! What a program fills in before a call: a request, and the options of the call.

pub mod options;
pub mod request;
