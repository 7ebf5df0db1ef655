//! Whether a file is a presentation, whole: a zip whose every checksum holds, with a presentation in it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;

use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

use super::crc::Blocks;

/// More than this, unpacked, is no deck but a zip bomb.
const MAX_UNPACKED_BYTES: u64 = 4 << 30;
const TOO_LARGE: &str = "unpacks to more than 4 GiB";
const MAX_CONTENT_TYPES_BYTES: u64 = 4 << 20;
const BUFFER: usize = 128 << 10;
/// The end of a zip: its record, by this signature, and a comment whose length is the record's last field.
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const MAX_COMMENT_BYTES: usize = 0xffff;

/// A file's bytes from a place of this reader's own: the descriptor's place stays where the next byte is to
/// be written.
struct At<'a> {
    file: &'a File,
    place: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.place)?;
        self.place += count as u64;
        Ok(count)
    }
}

impl Seek for At<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(step) => self.place.checked_add_signed(step),
            SeekFrom::End(step) => self.file.metadata()?.len().checked_add_signed(step),
        };
        self.place = place.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.place)
    }
}

/// Whether a file of this length ends as a zip does: a quick look, which most cuts do not pass.
pub(super) fn ends_like_a_zip(file: &File, length: u64) -> bool {
    let count = length.min((END_BYTES + MAX_COMMENT_BYTES) as u64);
    let mut tail = vec![0; count as usize];
    if file.read_exact_at(&mut tail, length - count).is_err() {
        return false;
    }
    let is_end = |(at, window): (usize, &[u8])| {
        let comment = usize::from(u16::from_le_bytes([window[END_BYTES - 2], window[END_BYTES - 1]]));
        window.starts_with(END_SIGNATURE) && at + END_BYTES + comment == tail.len()
    };
    tail.windows(END_BYTES).enumerate().rev().any(is_end)
}

/// Checks a `.pptx`, or says what is wrong with it: where in the file its zip begins. The blocks are those
/// that this very file consists of.
pub(crate) fn verify_pptx(file: &File, blocks: &Blocks) -> Result<u64, String> {
    let mut archive = ZipArchive::new(io::BufReader::new(At { file, place: 0 }))
        .map_err(|error| format!("is not a whole zip: {error}"))?;
    let mut unpacked = 0;
    let mut presentation = false;
    let mut buffer = vec![0; BUFFER];
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).map_err(|error| format!("is a damaged zip: {error}"))?;
        let name = entry.name().map_err(|error| format!("is a damaged zip: {error}"))?.into_owned();
        let wrong = |error: io::Error| format!("is damaged in {name:?}: {error}");
        if name == "[Content_Types].xml" {
            let mut types = Vec::new();
            (&mut entry).take(MAX_CONTENT_TYPES_BYTES).read_to_end(&mut types).map_err(wrong)?;
            unpacked += types.len() as u64;
            presentation |= String::from_utf8_lossy(&types).contains("presentation.main+xml");
        }
        presentation |= name == "ppt/presentation.xml";
        if is_summed_up(&entry, file, blocks) {
            unpacked += entry.size();
            if unpacked > MAX_UNPACKED_BYTES {
                return Err(TOO_LARGE.into());
            }
            continue;
        }
        // The reader checks the CRC at an entry's end, so every entry is read to its end.
        loop {
            match entry.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => unpacked += count as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(wrong(error)),
            }
            if unpacked > MAX_UNPACKED_BYTES {
                return Err(TOO_LARGE.into());
            }
        }
    }
    if presentation { Ok(archive.offset()) } else { Err("is a zip without a presentation".into()) }
}

/// Whether an entry is known to be what its checksum says, without reading it: it lies in the file as it is,
/// and was summed up when it came.
fn is_summed_up<R: io::Read>(entry: &ZipFile<'_, R>, file: &File, blocks: &Blocks) -> bool {
    let as_it_is = entry.compression() == CompressionMethod::Stored
        && !entry.encrypted()
        && entry.compressed_size() == entry.size();
    let stretch = entry.data_start().and_then(|start| Some(start..start.checked_add(entry.size())?));
    // Whatever is in doubt is left to the reading, which says what is wrong.
    stretch
        .filter(|_| as_it_is)
        .and_then(|stretch| blocks.of(file, stretch))
        .is_some_and(|crc| crc == entry.crc32())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn judged(bytes: &[u8]) -> Result<(), String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut blocks = Blocks::default();
        blocks.update(bytes);
        let judged = verify_pptx(file.as_file(), &blocks);
        assert_eq!(judged, verify_pptx(file.as_file(), &Blocks::default()), "all of it is read");
        judged.map(drop)
    }

    fn sound() -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let stored =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, options) in
            [("ppt/presentation.xml", stored), ("ppt/slides/slide1.xml", Default::default())]
        {
            zip.start_file(name, options).unwrap();
            zip.write_all(name.repeat(9).as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn every_flipped_byte_of_the_content_is_found() {
        let whole = sound();
        assert_eq!(judged(&whole), Ok(()));
        let content = whole.windows(8).position(|bytes| bytes == b"xmlppt/p").unwrap() + 3;
        for at in content..content + 100 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert!(judged(&bytes).is_err(), "byte {at}");
        }
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&whole, 0).unwrap();
        assert!(ends_like_a_zip(&file, whole.len() as u64));
        for end in 0..whole.len() {
            assert!(judged(&whole[..end]).is_err(), "cut at {end}");
            assert!(!ends_like_a_zip(&file, end as u64), "cut at {end}");
        }
    }

    #[test]
    fn presentation_within_another_file_is_told_by_its_beginning() {
        // As a deck is cut that has another one in it, not compressed.
        let before = b"PK\x03\x04 what came before".as_slice();
        let cut = [before, &sound()].concat();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&cut).unwrap();
        assert!(ends_like_a_zip(file.as_file(), cut.len() as u64));
        assert_eq!(verify_pptx(file.as_file(), &Blocks::default()), Ok(before.len() as u64));
    }

    /// With an entry that is not read again, where it lies in the file as it is.
    fn large(method: zip::CompressionMethod) -> zip::ZipWriter<io::Cursor<Vec<u8>>> {
        let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file("ppt/presentation.xml", options).unwrap();
        zip.write_all(b"<presentation/>").unwrap();
        zip.start_file("ppt/media/image1.png", options).unwrap();
        let picture: Vec<u8> =
            (0_u32..700_000).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        zip.write_all(&picture).unwrap();
        zip
    }

    type Flip = (usize, bool, u8);

    fn flips(places: impl Strategy<Value = usize>) -> impl Strategy<Value = Vec<Flip>> {
        proptest::collection::vec((places, any::<bool>(), any::<u8>()), 1..6)
    }

    fn changed(mut bytes: Vec<u8>, flips: Vec<Flip>) -> Vec<u8> {
        for (at, from_end, byte) in flips {
            let at = at % bytes.len();
            let at = if from_end { bytes.len() - 1 - at } else { at };
            bytes[at] = byte;
        }
        bytes
    }

    #[test]
    fn what_is_not_read_again_counts_as_unpacked() {
        let mut zip = large(CompressionMethod::Stored);
        let stored = zip::write::SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file("ppt/media/image.png", stored).unwrap();
        zip.write_all(&vec![7; 64 << 20]).unwrap();
        for copy in 1..64 {
            zip.shallow_copy_file("ppt/media/image.png", &format!("ppt/media/copy{copy}.png")).unwrap();
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes = zip.finish().unwrap().into_inner();
        file.write_all(&bytes).unwrap();
        let mut blocks = Blocks::default();
        blocks.update(&bytes);
        assert_eq!(verify_pptx(file.as_file(), &blocks), Err(TOO_LARGE.into()));
    }

    proptest! {
        #[test]
        fn any_file_is_judged(bytes: Vec<u8>, flips in flips(0_usize..600)) {
            let _ = judged(&bytes);
            let _ = judged(&changed(sound(), flips));
        }

        #[test]
        fn what_is_not_read_again_is_judged_alike(
            stored: bool,
            flips in flips(prop_oneof![0_usize..300, 0_usize..800_000]),
            untouched: bool,
        ) {
            let method = if stored { CompressionMethod::Stored } else { CompressionMethod::Deflated };
            let whole = large(method).finish().unwrap().into_inner();
            let judged = judged(&if untouched { whole } else { changed(whole, flips) });
            prop_assert!(judged.is_ok() || !untouched, "{judged:?}");
        }
    }
}
