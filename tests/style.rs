//! The style of the sources, as far as a test can tell it: which folder may import which, and words.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of `core/src`, from the lowest floor to the highest, and what each may import.
const CORE: [(&str, &[&str]); 17] = [
    ("error", &[]),
    ("common", &["error"]),
    ("model", &["common", "error"]),
    ("config", &["common", "error", "model"]),
    ("transport", &["common", "config", "error", "model"]),
    ("activity", &["common", "config", "error", "model", "transport"]),
    ("api", &["activity", "common", "config", "error", "model", "transport"]),
    ("files", &["common", "config", "error", "model"]),
    ("request", &["common", "error", "model"]),
    ("ledger", &["common", "config", "error", "model", "request"]),
    ("retry", &["activity", "common", "error", "transport"]),
    ("polling", &["activity", "api", "common", "config", "error", "ledger", "model", "retry", "transport"]),
    ("results", &["api", "error", "files", "model"]),
    (
        "submission",
        &[
            "activity",
            "api",
            "common",
            "config",
            "error",
            "files",
            "ledger",
            "model",
            "polling",
            "request",
            "retry",
            "transport",
        ],
    ),
    (
        "download",
        &[
            "activity",
            "api",
            "common",
            "config",
            "error",
            "files",
            "ledger",
            "model",
            "polling",
            "results",
            "retry",
            "submission",
            "transport",
        ],
    ),
    (
        "client",
        &[
            "activity",
            "api",
            "common",
            "config",
            "download",
            "error",
            "ledger",
            "model",
            "polling",
            "retry",
            "submission",
            "transport",
        ],
    ),
    (
        "operations",
        &[
            "activity",
            "client",
            "common",
            "config",
            "download",
            "error",
            "files",
            "ledger",
            "model",
            "polling",
            "request",
            "results",
            "retry",
            "submission",
        ],
    ),
];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
    found
}

/// The folders of the crate that this code names, without what only its tests name.
fn imports(code: &str) -> BTreeSet<&str> {
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    let named = code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| {
        line.split("crate::").skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            &rest[..end]
        })
    });
    named.filter(|name| name.starts_with(|c: char| c.is_lowercase())).collect()
}

/// What a folder imports that is not for it.
fn trespasses<'a>(folder: &str, code: &'a str) -> Vec<&'a str> {
    let (_, allowed) =
        CORE.iter().find(|(name, _)| *name == folder).unwrap_or_else(|| panic!("{folder} has no floor"));
    imports(code).into_iter().filter(|name| *name != folder && !allowed.contains(name)).collect()
}

#[test]
fn floors_are_listed_from_the_lowest_to_the_highest() {
    for (at, (folder, allowed)) in CORE.iter().enumerate() {
        let below: Vec<_> = CORE[..at].iter().map(|(name, _)| *name).collect();
        assert!(allowed.iter().all(|name| below.contains(name)), "{folder} may import a higher floor");
    }
}

#[test]
fn folders_import_lower_floors_only() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("core/src");
    for path in sources(&top) {
        let inside = path.strip_prefix(&top).unwrap();
        let folder = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        // The fuzz targets reach every floor.
        if folder == "lib" || folder == "fuzzing" || inside.iter().any(|part| part == "tests") {
            continue;
        }
        let code = fs::read_to_string(&path).unwrap();
        assert_eq!(trespasses(folder, &code), [""; 0], "{}", path.display());
    }
}

/// Words that hide the subject of a sentence.
const HIDING: [&str; 5] = ["anybody", "everybody", "nobody", "somebody", "whoever"];

/// The words of a text that hide a subject.
fn hiding(text: &str) -> Vec<&'static str> {
    let text = text.to_lowercase();
    let words: BTreeSet<_> = text.split(|c: char| !c.is_alphabetic()).collect();
    HIDING.into_iter().filter(|word| words.contains(word)).collect()
}

#[test]
fn sentences_name_their_subject() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["core/src", "src"] {
        for path in sources(&top.join(folder)) {
            if path.iter().any(|part| part == "tests") {
                continue;
            }
            let code = fs::read_to_string(&path).unwrap();
            assert_eq!(hiding(&code), [""; 0], "{}", path.display());
        }
    }
    assert_eq!(hiding("// Whoever reads it: nobody's \"bodywork\""), ["nobody", "whoever"]);
}

/// Constants of a largest number that are called otherwise than `MAX_*`.
fn misnamed(code: &str) -> Vec<&str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| name.starts_with("MOST")).collect()
}

#[test]
fn largest_numbers_are_called_max() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["core", "src", "sandbox", "benches"] {
        for path in sources(&top.join(folder)) {
            let code = fs::read_to_string(&path).unwrap();
            assert_eq!(misnamed(&code), [""; 0], "{}", path.display());
        }
    }
    assert_eq!(misnamed("const MOST_BYTES: u8 = 1; const MAX_MOST: u8 = 2;"), ["MOST_BYTES"]);
}

#[test]
fn floors_test_finds_a_planted_import() {
    assert_eq!(trespasses("retry", "use crate::client::Client;\nuse crate::error::Error;"), ["client"]);
    assert_eq!(trespasses("retry", "fn f(c: &crate::polling::Poller) {}"), ["polling"]);
    assert_eq!(trespasses("retry", "// crate::client\n#[cfg(test)]\nuse crate::client::Client;"), [""; 0]);
}
