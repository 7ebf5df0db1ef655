//! CRC-32 of any stretch of a file, from those of its blocks: they are computed while the file arrives, so that what a
//! zip holds as it is need not be read again.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use crc32fast::Hasher;

/// Small beside the reading that it saves, and large beside what combining two checksums costs.
const BLOCK: usize = 256 << 10;

/// The checksums of a file's blocks so far.
#[derive(Clone, Default)]
pub(crate) struct Blocks {
    whole: Vec<u32>,
    current: Hasher,
}

impl Blocks {
    /// Goes on with these bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = BLOCK - self.current.total_len() as usize;
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.current.update(now);
            if now.len() == room {
                self.whole.push(std::mem::take(&mut self.current).finalize());
            }
            bytes = rest;
        }
    }

    /// The CRC-32 of this stretch of the file that the blocks are of; what lies before the first block and behind the
    /// last is read. Nothing where no block is within it, or that can't be read. Blocks on the disk.
    pub(crate) fn of(&self, file: &File, stretch: Range<u64>) -> Option<u32> {
        let (first, last) = (stretch.start.div_ceil(BLOCK as u64), stretch.end / BLOCK as u64);
        let within = self.whole.get(usize::try_from(first).ok()?..usize::try_from(last).ok()?)?;
        if within.is_empty() {
            return None;
        }
        let mut crc = read(file, stretch.start..first * BLOCK as u64).ok()?;
        for block in within {
            crc.combine(&Hasher::new_with_initial_len(*block, BLOCK as u64));
        }
        crc.combine(&read(file, last * BLOCK as u64..stretch.end).ok()?);
        Some(crc.finalize())
    }
}

/// The CRC-32 of less than a block, from the file.
fn read(file: &File, stretch: Range<u64>) -> io::Result<Hasher> {
    let mut bytes = vec![0; (stretch.end - stretch.start) as usize];
    file.read_exact_at(&mut bytes, stretch.start)?;
    let mut crc = Hasher::new();
    crc.update(&bytes);
    Ok(crc)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_stretch_is_what_it_is_by_itself(
            length in 0..5 * BLOCK,
            pieces in proptest::collection::vec(1..2 * BLOCK, 1..8),
            ends in (0.0..1.0_f64, 0.0..1.2_f64),
            aligned: bool,
        ) {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + at / 251) as u8).collect();
            let mut blocks = Blocks::default();
            let (mut rest, mut sizes) = (bytes.as_slice(), pieces.iter().cycle());
            while !rest.is_empty() {
                let (now, then) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                blocks.update(now);
                rest = then;
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let at = |end: f64| {
                let at = (end * length as f64) as u64;
                if aligned { at / BLOCK as u64 * BLOCK as u64 } else { at }
            };
            let stretch = at(ends.0)..at(ends.1);
            let found = blocks.of(&file, stretch.clone());
            if stretch.end > length as u64 {
                prop_assert_eq!(found, None, "beyond the file's end");
            } else if let Some(found) = found {
                let within = &bytes[stretch.start as usize..stretch.end as usize];
                prop_assert_eq!(found, crc32fast::hash(within));
            } else {
                prop_assert!(stretch.end < stretch.start + 2 * BLOCK as u64);
            }
        }
    }
}
