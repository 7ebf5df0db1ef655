//! Everything that touches the disk of the user: destinations, reserved names, files on their way, checks. No
//! network.
//!
//! Nothing in here imports the client, the ledger, the transport or the tracker. Every function that is not
//! `async` blocks on the disk.
//!
//! A call has a [`destination`]: an open [`directory`] that a [`rehearsal`] has found fit, and in it a
//! [`reservation`] of the final [`names`]. A file comes as a [`partial`], gets its sums ([`checksum`],
//! [`crc`]), is checked ([`verify`]) and gets its final name ([`persist`], by the ways of [`rename`]).

mod abilities;
pub(crate) mod canonical;
mod checksum;
pub(crate) mod crc;
pub(crate) mod destination;
mod directory;
pub(crate) mod failure;
mod locked_names;
mod names;
pub(crate) mod output_file;
pub(crate) mod partial;
pub(crate) mod persist;
pub(crate) mod recorded;
mod rehearsal;
mod rename;
mod replaceable;
mod reservation;
mod sync;
pub(crate) mod verify;

pub(crate) use directory::is_out_of_descriptors;
