//! Whether a file is a presentation, whole: a zip whose every checksum holds, with a presentation in it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zip::ZipArchive;

/// More than this, unpacked, is no deck but a zip bomb.
const MOST_UNPACKED_BYTES: u64 = 4 << 30;
const MOST_CONTENT_TYPES_BYTES: u64 = 4 << 20;

/// Checks a `.pptx`, or says what is wrong with it. Blocks on the disk and the processor.
pub(crate) fn verify_pptx(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!("can't be read: {error}"))?;
    let mut archive =
        ZipArchive::new(io::BufReader::new(file)).map_err(|error| format!("is not a whole zip: {error}"))?;
    let mut unpacked = 0;
    let mut presentation = false;
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
        let left = MOST_UNPACKED_BYTES.saturating_sub(unpacked);
        // The reader checks the CRC at an entry's end, so every entry is read to its end.
        let read = io::copy(&mut (&mut entry).take(left + 1), &mut io::sink()).map_err(wrong)?;
        unpacked += read;
        if unpacked > MOST_UNPACKED_BYTES {
            return Err("unpacks to more than 4 GiB".into());
        }
    }
    if presentation { Ok(()) } else { Err("is a zip without a presentation".into()) }
}
