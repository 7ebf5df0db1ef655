//! Limits of the service.

/// The largest body: 64 MiB.
pub(crate) const MAX_BODY_BYTES: usize = 64 << 20;
