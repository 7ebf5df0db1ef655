//! The smallest file that counts as a presentation, and damaged ones.

use std::fs;
use std::io::{Read as _, Write as _, copy, sink};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// A zip with a presentation part; `salt` makes two decks differ.
pub fn deck(salt: &str) -> Vec<u8> {
    zip(&[("[Content_Types].xml", b"<Types/>"), ("ppt/presentation.xml", salt.as_bytes())])
}

/// A deck that has another one in it, as it is; and where in it that one ends.
pub fn deck_in_deck() -> (Vec<u8>, usize) {
    let inner = deck("the inner deck");
    let bytes = zip(&[("ppt/embeddings/inner.pptx", &*inner), ("ppt/presentation.xml", b"the outer deck")]);
    let at = bytes.windows(inner.len()).position(|window| window == inner).unwrap();
    (bytes, at + inner.len())
}

/// A whole zip that is no presentation.
pub fn other_zip() -> Vec<u8> {
    zip(&[("readme.txt", b"hello")])
}

/// A deck in which one byte of a part is another, so that its CRC no longer holds.
pub fn damaged(salt: &str) -> Vec<u8> {
    let mut bytes = deck(salt);
    let at = bytes.windows(salt.len()).position(|window| window == salt.as_bytes()).unwrap();
    bytes[at] ^= 1;
    bytes
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    // Stored, so that a text is found again in the bytes.
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        writer.start_file(*name, stored).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Whether a file that is called a presentation is one, whole. What has another ending nobody can judge.
pub fn presentation(path: &Path) -> Result<(), String> {
    if path.extension().is_none_or(|ending| ending != "pptx") {
        return Ok(());
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let broken = |error: &dyn std::fmt::Display| format!("are broken ({}): {error}", path.display());
    let mut archive = ZipArchive::new(std::io::Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let mut found = false;
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).map_err(|error| broken(&error))?;
        found |= entry.name().is_ok_and(|name| name == "ppt/presentation.xml");
        // The reader checks the CRC at an entry's end.
        copy(&mut entry.by_ref(), &mut sink()).map_err(|error| broken(&error))?;
    }
    if found { Ok(()) } else { Err(broken(&"there is no presentation in it")) }
}
