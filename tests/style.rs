//! The style of the sources, as far as a test can tell it: which folder may import which, and words.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of `core/src`, from the lowest floor to the highest, and what each may import.
const CORE: [(&str, &[&str]); 18] = [
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
    // For the fuzz targets alone.
    ("fuzzing", &["api", "download", "error", "files", "model", "request", "transport"]),
];

/// The folders of `src`, from the lowest floor to the highest, and what each may import.
const SRC: [(&str, &[&str]); 7] = [
    ("platform", &[]),
    ("boundary", &["platform"]),
    ("builders", &["boundary"]),
    ("call", &["boundary", "builders", "platform"]),
    ("events", &["boundary", "call", "platform"]),
    ("runtime", &["call", "events", "platform"]),
    ("api", &["boundary", "builders", "call", "events", "platform", "runtime"]),
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
fn trespasses<'a>(floors: &[(&str, &[&str])], folder: &str, code: &'a str) -> Vec<&'a str> {
    let (_, allowed) =
        floors.iter().find(|(name, _)| *name == folder).unwrap_or_else(|| panic!("{folder} has no floor"));
    imports(code).into_iter().filter(|name| *name != folder && !allowed.contains(name)).collect()
}

/// Whether each floor imports only floors that stand before it in the table.
fn assert_listed_upward(floors: &[(&str, &[&str])]) {
    for (at, (folder, allowed)) in floors.iter().enumerate() {
        let below: Vec<_> = floors[..at].iter().map(|(name, _)| *name).collect();
        assert!(allowed.iter().all(|name| below.contains(name)), "{folder} may import a higher floor");
    }
}

#[test]
fn floors_are_listed_from_the_lowest_to_the_highest() {
    assert_listed_upward(&CORE);
    assert_listed_upward(&SRC);
}

fn assert_imports_lower_floors(floors: &[(&str, &[&str])], top: &Path) {
    for path in sources(top) {
        let inside = path.strip_prefix(top).unwrap();
        let folder = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        // The fuzz targets reach every floor.
        if folder == "lib" || folder == "fuzzing" || inside.iter().any(|part| part == "tests") {
            continue;
        }
        let code = fs::read_to_string(&path).unwrap();
        assert_eq!(trespasses(floors, folder, &code), [""; 0], "{}", path.display());
    }
}

#[test]
fn folders_import_lower_floors_only() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_imports_lower_floors(&CORE, &top.join("core/src"));
    assert_imports_lower_floors(&SRC, &top.join("src"));
}

/// A crate's files by the path of their module, such as `api::queue`; a folder's own file is `api`.
type Modules = BTreeMap<String, String>;

fn modules(top: &Path) -> Modules {
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(top).unwrap().with_extension("");
        let module = inside.iter().map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("::");
        (module.trim_end_matches("::mod").to_owned(), fs::read_to_string(path).unwrap())
    };
    let is_counted = |module: &str| module != "lib" && !module.split("::").any(|part| part == "tests");
    sources(top).into_iter().map(read).filter(|(module, _)| is_counted(module)).collect()
}

/// The paths that a module's code names, from the top of the crate: those after `crate::`, `self::` and
/// `super::`, and imports of modules inside it. A list in braces gives a path for each entry. What only tests
/// name is left out, and so is what a folder's own file hands on from a module inside it (`pub use`).
fn named_paths(module: &str, code: &str, modules: &Modules) -> Vec<String> {
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    let lines: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = lines.join("\n");
    let above = module.rsplit_once("::").map_or("", |(above, _)| above);
    let mut found = Vec::new();
    for (word, base) in [("crate::", ""), ("self::", module), ("super::", above)] {
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                spread(base, &code[at + word.len()..], &mut found);
            }
        }
    }
    for (at, word) in code.match_indices("use ") {
        let path = &code[at + word.len()..];
        let first = path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let before = code[..at].trim_end();
        let is_handed_on = before.ends_with("pub") || before.ends_with(')');
        if !is_handed_on && modules.contains_key(&format!("{module}::{first}")) {
            spread(module, path, &mut found);
        }
    }
    found
}

/// Adds the paths that begin here, below a base, and says how many bytes they take.
fn spread(base: &str, text: &str, found: &mut Vec<String>) -> usize {
    let mut path: Vec<&str> = base.split("::").filter(|name| !name.is_empty()).collect();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if rest.starts_with('{') {
            at += 1;
            while !text[at..].starts_with('}') && at < text.len() {
                let skipped = text[at..].find(|c: char| c.is_alphanumeric() || "_*{}".contains(c));
                at += skipped.unwrap_or(text.len() - at);
                if !text[at..].starts_with('}') {
                    at += spread(&path.join("::"), &text[at..], found).max(1);
                }
            }
            return (at + 1).min(text.len());
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        path.push(&rest[..end]);
        at += end;
        if !text[at..].starts_with("::") || text[at + 2..].starts_with('<') {
            found.push(path.join("::"));
            return at;
        }
        at += 2;
    }
}

/// The other modules that a module imports: of each path the longest beginning that is a module.
fn imported<'a>(module: &str, modules: &'a Modules) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    for path in named_paths(module, &modules[module], modules) {
        let names: Vec<&str> = path.split("::").collect();
        let known = (1..=names.len()).rev().find_map(|end| modules.get_key_value(&names[..end].join("::")));
        found.extend(known.map(|(name, _)| name.as_str()).filter(|name| *name != module));
    }
    found
}

/// The modules that stand in a circle of imports, or that import one that does.
fn in_circles(modules: &Modules) -> Vec<&str> {
    let mut left: BTreeMap<&str, BTreeSet<&str>> =
        modules.keys().map(|module| (module.as_str(), imported(module, modules))).collect();
    loop {
        let free: Vec<&str> =
            left.iter().filter(|(_, into)| into.is_empty()).map(|(name, _)| *name).collect();
        if free.is_empty() {
            return left.into_keys().collect();
        }
        for name in free {
            left.remove(name);
            for into in left.values_mut() {
                into.remove(name);
            }
        }
    }
}

#[test]
fn files_import_no_circle() {
    for (folder, files, arrows) in [("src", 25, 80), ("core/src", 120, 500)] {
        let modules = modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
        let imports = modules.keys().map(|module| imported(module, &modules).len()).sum::<usize>();
        assert!(modules.len() > files && imports > arrows, "{} files, {imports} imports", modules.len());
        assert_eq!(in_circles(&modules), [""; 0], "{folder}");
    }
}

#[test]
fn circle_test_finds_a_planted_circle() {
    let planted = |files: &[(&str, &str)]| -> Modules {
        files.iter().map(|(module, code)| ((*module).to_owned(), (*code).to_owned())).collect()
    };
    let guard = ("boundary::guard", "use crate::boundary::{code, error::{self, Error}};");
    let code = ("boundary::code", "// crate::boundary::guard\n#[cfg(test)]\nuse super::guard;");
    let circle = planted(&[guard, code, ("boundary::error", "fn f() { super::guard::free() }")]);
    assert_eq!(in_circles(&circle), ["boundary::error", "boundary::guard"]);
    let straight = planted(&[guard, code, ("boundary::error", "use crate::boundary::code::OK;")]);
    assert_eq!(in_circles(&straight), [""; 0]);
    let parent = ("runtime", "use worker::Worker;\npub(crate) struct Shared;");
    let child = ("runtime::worker", "use super::Shared;");
    assert_eq!(in_circles(&planted(&[parent, child])), ["runtime", "runtime::worker"]);
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

/// The functions of a file that are longer than so many lines, by their first line. rustfmt puts a function's last brace
/// below the beginning of its first line.
fn long_functions(code: &str, max: usize) -> Vec<&str> {
    let lines: Vec<&str> = code.lines().collect();
    let is_long = |(at, line): (usize, &&str)| {
        let indent = line.len() - line.trim_start().len();
        let end = format!("{}}}", &line[..indent]);
        let is_function =
            line.contains("fn ") && !line.trim_start().starts_with("//") && !line.ends_with(';');
        is_function && lines[at..].iter().position(|later| *later == end).is_some_and(|length| length >= max)
    };
    lines.iter().enumerate().filter(|(at, line)| is_long((*at, line))).map(|(_, line)| line.trim()).collect()
}

#[test]
fn lines_functions_and_files_are_short() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "core"] {
        for path in sources(&top.join(folder)) {
            let code = fs::read_to_string(&path).unwrap();
            let wide: Vec<_> = code.lines().filter(|line| line.chars().count() > 110).collect();
            assert_eq!(wide, [""; 0], "{}", path.display());
            assert_eq!(long_functions(&code, 70), [""; 0], "{}", path.display());
            let lines = code.lines().count();
            assert!(lines <= 500, "{} has {lines} lines", path.display());
        }
    }
    let planted = "mod m {\n    fn f() {\n        g();\n    }\n    fn h() { g() }\n}\n";
    assert_eq!((long_functions(planted, 2), long_functions(planted, 3)), (vec!["fn f() {"], vec![]));
}

#[test]
fn floors_test_finds_a_planted_import() {
    assert_eq!(
        trespasses(&CORE, "retry", "use crate::client::Client;\nuse crate::error::Error;"),
        ["client"]
    );
    assert_eq!(trespasses(&CORE, "retry", "fn f(c: &crate::polling::Poller) {}"), ["polling"]);
    assert_eq!(
        trespasses(&CORE, "retry", "// crate::client\n#[cfg(test)]\nuse crate::client::Client;"),
        [""; 0]
    );
    assert_eq!(trespasses(&SRC, "call", "use crate::api::client::perceptis_client;"), ["api"]);
}
