//! Whether a file is a presentation, whole: a zip whose every checksum holds, with a presentation in it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zip::ZipArchive;

/// More than this, unpacked, is no deck but a zip bomb.
const MOST_UNPACKED_BYTES: u64 = 4 << 30;
const MOST_CONTENT_TYPES_BYTES: u64 = 4 << 20;
const BUFFER: usize = 128 << 10;

/// Checks a `.pptx`, or says what is wrong with it. Blocks on the disk and the processor.
pub(crate) fn verify_pptx(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!("can't be read: {error}"))?;
    let mut archive =
        ZipArchive::new(io::BufReader::new(file)).map_err(|error| format!("is not a whole zip: {error}"))?;
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
        // The reader checks the CRC at an entry's end, so every entry is read to its end.
        loop {
            match entry.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => unpacked += count as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(wrong(error)),
            }
            if unpacked > MOST_UNPACKED_BYTES {
                return Err("unpacks to more than 4 GiB".into());
            }
        }
    }
    if presentation { Ok(()) } else { Err("is a zip without a presentation".into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn judged(bytes: &[u8]) -> Result<(), String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        verify_pptx(file.path())
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

    proptest! {
        #[test]
        fn any_file_is_judged(bytes: Vec<u8>, flips in proptest::collection::vec((0_usize..600, any::<u8>()), 1..6)) {
            let _ = judged(&bytes);
            let mut near = sound();
            for (at, byte) in flips {
                let at = at % near.len();
                near[at] = byte;
            }
            let _ = judged(&near);
        }
    }
}
