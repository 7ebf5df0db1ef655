//! What threads share things by. `tests/loom` puts loom's in their place and tries every order of events.

pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

pub(crate) use perceptis_core::sync::{lock, wait};
