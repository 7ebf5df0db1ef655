//! Everything that touches the disk of the user: destinations, reserved names, files on their way, checks. No network.
//!
//! Nothing in here imports the client, the ledger, the transport or the tracker. Every function that is not `async` blocks
//! on the disk.

pub(crate) mod checksum;
mod crc;
pub(crate) mod destination;
pub(crate) mod partial;
pub(crate) mod persist;
pub(crate) mod verify;
