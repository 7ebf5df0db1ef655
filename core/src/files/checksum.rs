//! The sums of a file on its way: SHA-256 and the CRCs of its blocks, in one pass.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use bytes::Bytes;

use super::crc::Blocks;
use crate::common::sha256::Hasher;
use crate::common::sync::{lock, wait};

/// What is computed of a file: all of it in one pass.
#[derive(Clone)]
pub(crate) struct Sums {
    pub(crate) sha256: Hasher,
    pub(crate) blocks: Blocks,
}

/// What is in the cache still when the second sum is computed of it.
const AT_ONCE: usize = 64 << 10;

impl Sums {
    pub(crate) fn new() -> Sums {
        Sums { sha256: Hasher::new(), blocks: Blocks::default() }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if cfg!(feature = "unhashed") {
            return;
        }
        for bytes in bytes.chunks(AT_ONCE) {
            self.sha256.update(bytes);
            self.blocks.update(bytes);
        }
    }
}

/// From here on a second thread is worth its start, and from there on the thread that brings more has to
/// wait.
const HELP_ABOVE: usize = 512 << 10;
const MAX_WAITING: usize = 4 << 20;

/// Sums over pieces that may come faster than one thread can both write and hash them: then another one
/// helps, as long as there is something to do. No thread depends on it: where none is free, the thread that
/// brings them hashes.
#[derive(Clone)]
pub(crate) struct Hashing(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// The sums are back.
    back: Condvar,
}

struct State {
    /// Not here while a thread adds to them.
    sums: Option<Sums>,
    pieces: VecDeque<Bytes>,
    waiting: usize,
    helped: bool,
}

impl Hashing {
    pub(crate) fn new(sums: Sums) -> Hashing {
        let state = State { sums: Some(sums), pieces: VecDeque::new(), waiting: 0, helped: false };
        Hashing(Arc::new(Shared { state: Mutex::new(state), back: Condvar::new() }))
    }

    /// Adds a piece, to be hashed when there is time. With much to do, `help` is called, which is to have
    /// another thread call [`Hashing::work_off`] if it can.
    pub(crate) fn add(&self, piece: Bytes, help: impl FnOnce(Hashing)) {
        let mut state = self.lock();
        while state.waiting >= MAX_WAITING {
            state = self.step(state);
        }
        state.waiting += piece.len();
        state.pieces.push_back(piece);
        if state.waiting >= HELP_ABOVE && !state.helped {
            state.helped = true;
            drop(state);
            help(self.clone());
        }
    }

    /// Hashes what waits.
    pub(crate) fn work_off(&self) {
        let mut state = self.lock();
        while !state.pieces.is_empty() {
            state = self.step(state);
        }
        state.helped = false;
    }

    /// The sums of all that was added; more can follow.
    pub(crate) fn so_far(&self) -> Sums {
        let mut state = self.lock();
        loop {
            match &state.sums {
                Some(sums) if state.pieces.is_empty() => return sums.clone(),
                _ => state = self.step(state),
            }
        }
    }

    /// Hashes one piece, or waits until another thread has.
    fn step<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let Some(mut sums) = state.sums.take() else {
            return wait(&self.0.back, &self.0.state, state, None);
        };
        let piece = state.pieces.pop_front().unwrap_or_default();
        drop(state);
        sums.update(&piece);
        let mut state = self.lock();
        state.waiting -= piece.len();
        state.sums = Some(sums);
        self.0.back.notify_all();
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::sha256::{hex, of};

    #[test]
    fn who_hashes_changes_nothing() {
        // Together above what may wait: without help, the thread that brings the pieces has to hash some on
        // the way.
        let pieces: Vec<Bytes> = (0..60).map(|at| vec![at; 300_000 + at as usize].into()).collect();
        let whole = hex(&of(&pieces.concat()));
        for helpers in [0, 1, 2] {
            let hashing = Hashing::new(Sums::new());
            std::thread::scope(|scope| {
                for piece in &pieces {
                    hashing.add(piece.clone(), |hashing| {
                        for _ in 0..helpers {
                            let hashing = hashing.clone();
                            scope.spawn(move || hashing.work_off());
                        }
                    });
                }
                hashing.work_off();
                assert_eq!(hashing.so_far().sha256.hex_so_far(), whole, "{helpers} helpers");
            });
            hashing.add(Bytes::from_static(b"more"), |_| {});
            let more = [pieces.concat(), b"more".into()].concat();
            assert_eq!(hashing.so_far().sha256.hex_so_far(), hex(&of(&more)), "more can follow");
        }
    }
}
