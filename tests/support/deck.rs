//! The smallest file that counts as a presentation, and damaged ones.

use std::io::Write as _;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A zip with a presentation part; `salt` makes two decks differ.
pub fn deck(salt: &str) -> Vec<u8> {
    zip(&[("[Content_Types].xml", "<Types/>"), ("ppt/presentation.xml", salt)])
}

/// A whole zip that is no presentation.
pub fn other_zip() -> Vec<u8> {
    zip(&[("readme.txt", "hello")])
}

/// A deck in which one byte of a part is another, so that its CRC no longer holds.
pub fn damaged(salt: &str) -> Vec<u8> {
    let mut bytes = deck(salt);
    let at = bytes.windows(salt.len()).position(|window| window == salt.as_bytes()).unwrap();
    bytes[at] ^= 1;
    bytes
}

fn zip(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    // Stored, so that a text is found again in the bytes.
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, text) in entries {
        writer.start_file(*name, stored).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
