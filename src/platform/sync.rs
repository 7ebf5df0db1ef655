//! The locks and pointers that threads share, in one place, so that `tests/loom` can replace them by loom's.

pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

pub(crate) use perceptis_core::sync::{lock, wait};
