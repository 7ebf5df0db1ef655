//! Handles: pointers that C holds, each to a block whose first word says what kind of handle it is.
//!
//! C can pass a handle of another kind, a freed handle, or any other pointer. Each kind has a word of its
//! own. A function reads the word before anything else, and the free overwrites it. A freed block stays
//! readable until 256 other handles of its kind have been freed. Until then the library recognizes a use
//! after the free and a second free, and valgrind and the sanitizers see a read of valid memory. Later the
//! memory is the allocator's, and the use of such a handle is undefined.
//!
//! Nothing here takes a lock, since a fork can happen at any moment and its child would inherit a locked
//! lock.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use perceptis_core::Error;

/// The number of freed blocks that are kept of each kind.
const MAX_KEPT: usize = 256;

/// The kinds of handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Client,
    Config,
    Request,
    Options,
    Queue,
    Event,
    Error,
    /// An event's error: a program reads it as any other error, and frees it with the event.
    EventError,
}

const KINDS: [Kind; 8] = [
    Kind::Client,
    Kind::Config,
    Kind::Request,
    Kind::Options,
    Kind::Queue,
    Kind::Event,
    Kind::Error,
    Kind::EventError,
];

/// The word of a freed handle. The words of the kinds follow it. No address of a process has this value.
const FREED: u64 = 0x7065_7263_6570_7400;

impl Kind {
    const fn word(self) -> u64 {
        FREED + 1 + self as u64
    }

    /// The kind as a message names it.
    fn noun(self) -> &'static str {
        match self {
            Kind::Client => "a client",
            Kind::Config => "a configuration",
            Kind::Request => "a request",
            Kind::Options => "an options handle",
            Kind::Queue => "a queue",
            Kind::Event => "an event",
            Kind::Error | Kind::EventError => "an error",
        }
    }
}

/// A type that C knows by a handle.
pub(crate) trait Handle: Sized + 'static {
    /// The kind of its handles.
    const KIND: Kind;

    /// Whether a handle of this kind can be read as a handle of this type.
    fn reads(kind: Kind) -> bool {
        kind == Self::KIND
    }
}

/// The block that C's pointer points to. C's type for it has no members.
#[repr(C)]
struct Block {
    word: AtomicU64,
    thing: *mut c_void,
}

/// Why a pointer is not the handle that a function needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Null,
    Freed,
    Other(Kind),
    Foreign,
}

impl Wrong {
    /// The error of an argument with this fault.
    pub(crate) fn argument<T: Handle>(&self, name: &str) -> Error {
        let accepted = T::KIND.noun();
        Error::invalid(match self {
            Wrong::Null => format!("argument {name} is NULL"),
            Wrong::Freed => format!("argument {name} has been freed"),
            Wrong::Other(kind) => format!("argument {name} is {}; accepted is {accepted}", kind.noun()),
            Wrong::Foreign => format!("argument {name} is no handle of this library; accepted is {accepted}"),
        })
    }
}

/// Makes a handle, which the program owns and frees.
pub(crate) fn new<T: Handle>(thing: T) -> *mut T {
    new_as(T::KIND, thing)
}

fn new_as<T: Handle>(kind: Kind, thing: T) -> *mut T {
    let thing = Box::into_raw(Box::new(thing)).cast();
    Box::into_raw(Box::new(Block { word: AtomicU64::new(kind.word()), thing })).cast()
}

/// The object of a handle.
pub(crate) fn find<T: Handle>(handle: *const T) -> Result<NonNull<T>, Wrong> {
    let block = block_of(handle)?;
    // SAFETY: aligned and not NULL, so the program says that a handle was made there. If it is none, or was
    // freed long ago, this is a read of eight bytes that can be anything, which is why it is volatile;
    // it can't cross into another page than the pointer's own.
    let word = unsafe { (&raw const (*block.as_ptr()).word).cast::<u64>().read_volatile() };
    match KINDS.into_iter().find(|kind| kind.word() == word) {
        Some(kind) if T::reads(kind) => {
            // SAFETY: it has the word of a live handle of this type, which has a thing.
            let thing = unsafe { (*block.as_ptr()).thing };
            NonNull::new(thing.cast()).ok_or(Wrong::Foreign)
        }
        Some(kind) => Err(Wrong::Other(kind)),
        None if word == FREED => Err(Wrong::Freed),
        None => Err(Wrong::Foreign),
    }
}

/// Ends a handle and returns its object. `None` where the pointer is no live handle that the program may
/// free.
pub(crate) fn take<T: Handle>(handle: *mut T) -> Option<Box<T>> {
    find(handle.cast_const()).ok()?;
    take_as(T::KIND, handle)
}

/// Ends a handle that was found to be of this kind.
fn take_as<T: Handle>(kind: Kind, handle: *mut T) -> Option<Box<T>> {
    let block = block_of(handle).ok()?;
    // SAFETY: it was found to be a block. Of several threads that free it one gets past this.
    let taken = unsafe {
        let word = &(*block.as_ptr()).word;
        word.compare_exchange(kind.word(), FREED, Ordering::AcqRel, Ordering::Relaxed)
    };
    taken.ok()?;
    // SAFETY: as above, and this is the one free; the thing was made by `new_as` of this type.
    let thing = unsafe { Box::from_raw((*block.as_ptr()).thing.cast::<T>()) };
    KEPT[kind as usize].keep(block.as_ptr());
    Some(thing)
}

fn block_of<T>(handle: *const T) -> Result<NonNull<Block>, Wrong> {
    let block = NonNull::new(handle.cast_mut().cast::<Block>()).ok_or(Wrong::Null)?;
    if block.is_aligned() { Ok(block) } else { Err(Wrong::Foreign) }
}

/// A handle that the program borrows. The object that owns this value frees it.
pub(crate) struct Lent<T: Handle> {
    kind: Kind,
    handle: *mut T,
}

impl<T: Handle> Lent<T> {
    pub(crate) fn new(kind: Kind, thing: T) -> Lent<T> {
        Lent { kind, handle: new_as(kind, thing) }
    }

    pub(crate) fn as_ptr(&self) -> *const T {
        self.handle
    }
}

impl<T: Handle> Drop for Lent<T> {
    fn drop(&mut self) {
        drop(take_as(self.kind, self.handle));
    }
}

/// The freed blocks of a kind that stay readable. A new one replaces the oldest.
struct Kept {
    next: AtomicUsize,
    blocks: [AtomicPtr<Block>; MAX_KEPT],
}

static KEPT: [Kept; KINDS.len()] = [const {
    Kept { next: AtomicUsize::new(0), blocks: [const { AtomicPtr::new(ptr::null_mut()) }; MAX_KEPT] }
}; KINDS.len()];

impl Kept {
    fn keep(&self, freed: *mut Block) {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % MAX_KEPT;
        let oldest = self.blocks[at].swap(freed, Ordering::AcqRel);
        if !oldest.is_null() {
            // SAFETY: a block that `take_as` put there, once, and that only this swap took out.
            drop(unsafe { Box::from_raw(oldest) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::options::perceptis_options;
    use crate::builders::request::perceptis_request;

    fn options() -> *mut perceptis_options {
        crate::builders::options::perceptis_options_new()
    }

    #[test]
    fn handles_are_told_apart_and_freed_once() {
        let handle = options();
        assert!(find(handle).is_ok());
        assert_eq!(find(handle.cast::<perceptis_request>()), Err(Wrong::Other(Kind::Options)));
        assert!(take(handle.cast::<perceptis_request>()).is_none());
        assert!(take(handle).is_some() && take(handle).is_none());
        assert_eq!(find(handle), Err(Wrong::Freed));
    }

    #[test]
    fn handles_are_not_what_any_pointer_is() {
        let words = [0_u64, u64::MAX];
        let aligned = words.as_ptr().cast::<perceptis_options>();
        assert_eq!(find(aligned), Err(Wrong::Foreign));
        assert_eq!(find(aligned.wrapping_byte_add(1)), Err(Wrong::Foreign));
        assert_eq!(find(ptr::null::<perceptis_options>()), Err(Wrong::Null));
    }

    #[test]
    fn freed_blocks_are_kept_for_a_bounded_number_of_frees() {
        let kept = Kept { next: AtomicUsize::new(0), blocks: [const { AtomicPtr::new(ptr::null_mut()) }; _] };
        for _ in 0..MAX_KEPT * 2 {
            let block = Block { word: AtomicU64::new(FREED), thing: ptr::null_mut() };
            kept.keep(Box::into_raw(Box::new(block)));
        }
        let left = kept.blocks.iter().filter(|block| !block.load(Ordering::Relaxed).is_null()).count();
        assert_eq!(left, MAX_KEPT);
        for block in kept.blocks {
            // SAFETY: each was kept once.
            drop(unsafe { Box::from_raw(block.into_inner()) });
        }
    }
}
