//! Whether a file is a presentation, whole: a zip whose every checksum holds, with a presentation in it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

use super::crc::Blocks;

/// More than this, unpacked, is no deck but a zip bomb.
const MOST_UNPACKED_BYTES: u64 = 4 << 30;
const TOO_LARGE: &str = "unpacks to more than 4 GiB";
const MOST_CONTENT_TYPES_BYTES: u64 = 4 << 20;
const BUFFER: usize = 128 << 10;

/// Checks a `.pptx`, or says what is wrong with it; the blocks are those that this very file consists of. Blocks on the
/// disk and the processor.
pub(crate) fn verify_pptx(path: &Path, blocks: &Blocks) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!("can't be read: {error}"))?;
    let mut archive =
        ZipArchive::new(io::BufReader::new(&file)).map_err(|error| format!("is not a whole zip: {error}"))?;
    let mut unpacked = 0;
    let mut presentation = false;
    let mut buffer = vec![0; BUFFER];
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).map_err(|error| format!("is a damaged zip: {error}"))?;
        let name = entry.name().map_err(|error| format!("is a damaged zip: {error}"))?.into_owned();
        let wrong = |error: io::Error| format!("is damaged in {name:?}: {error}");
        if name == "[Content_Types].xml" {
            let mut types = Vec::new();
            (&mut entry).take(MOST_CONTENT_TYPES_BYTES).read_to_end(&mut types).map_err(wrong)?;
            unpacked += types.len() as u64;
            presentation |= String::from_utf8_lossy(&types).contains("presentation.main+xml");
        }
        presentation |= name == "ppt/presentation.xml";
        if is_summed_up(&entry, &file, blocks) {
            unpacked += entry.size();
            if unpacked > MOST_UNPACKED_BYTES {
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
            if unpacked > MOST_UNPACKED_BYTES {
                return Err(TOO_LARGE.into());
            }
        }
    }
    if presentation { Ok(()) } else { Err("is a zip without a presentation".into()) }
}

/// Whether an entry is known to be what its checksum says, without reading it: it lies in the file as it is, and was
/// summed up when it came.
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
        let judged = verify_pptx(file.path(), &blocks);
        assert_eq!(judged, verify_pptx(file.path(), &Blocks::default()), "all of it is read");
        judged
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
        for end in 0..whole.len() {
            assert!(judged(&whole[..end]).is_err(), "cut at {end}");
        }
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
        assert_eq!(verify_pptx(file.path(), &blocks), Err(TOO_LARGE.into()));
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
