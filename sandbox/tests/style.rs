//! The style of the sandbox's sources: who may import whom, and the length of lines, functions and files.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod rust_text;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rust_text::{blanked, imports, longest_function, test_names};

/// The floors: the folders and files at the top of `src`, from the lowest to the highest, and what each may
/// import.
const FLOORS: [(&str, &[&str]); 12] = [
    ("clock", &[]),
    ("hash", &[]),
    ("temporary", &[]),
    ("http", &["clock"]),
    ("tls", &["clock", "temporary"]),
    ("deck", &["hash"]),
    ("ooxml", &["clock", "deck"]),
    ("page", &["deck", "http", "ooxml"]),
    ("service", &["clock", "deck", "hash", "http", "ooxml", "page", "tls"]),
    ("server", &["clock", "http", "service", "tls"]),
    ("lib", &["server", "service", "temporary", "tls"]),
    ("cli", &["lib"]),
];

const MAX_COLUMNS: usize = 110;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_FILE_LINES: usize = 500;
const MAX_TEST_NAME_CHARS: usize = 60;
/// Words that hide the subject of a sentence, in prose and in names.
const HIDING_WORDS: [&str; 5] = ["anybody", "everybody", "nobody", "somebody", "whoever"];
/// Words that a test name must not begin with: they are not its subject.
const NO_SUBJECTS: [&str; 8] = ["a", "all", "an", "it", "that", "the", "those", "what"];

fn sandbox() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder with one of these endings.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// All Rust sources of the sandbox, by their path, with their text.
fn sources() -> Vec<(String, String)> {
    let folders = ["src", "tests", "benches"].map(|folder| files(&sandbox().join(folder), &["rs"]));
    let named = |path: PathBuf| {
        let name = path.strip_prefix(sandbox()).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    folders.into_iter().flatten().map(named).collect()
}

/// The sources in `src` by module: `service::admin` for `src/service/admin/mod.rs`, "lib" for the root.
fn modules() -> BTreeMap<String, String> {
    let module_of = |name: &str| {
        let inside = name.strip_prefix("src/")?.strip_suffix(".rs")?;
        Some(inside.strip_suffix("/mod").unwrap_or(inside).replace('/', "::"))
    };
    sources().into_iter().filter_map(|(name, text)| Some((module_of(&name)?, text))).collect()
}

/// The modules that each module imports.
fn arrows(modules: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let known = |path: &str| modules.contains_key(path);
    modules.iter().map(|(module, text)| (module.clone(), imports(module, text, known))).collect()
}

/// The modules that reach themselves over their imports.
fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let reaches_itself = |module: &&String| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&String> = arrows[*module].iter().collect();
        while let Some(one) = next.pop() {
            if seen.insert(one) {
                next.extend(arrows.get(one).into_iter().flatten());
            }
        }
        seen.contains(module)
    };
    arrows.keys().filter(reaches_itself).cloned().collect()
}

/// The imports that run from a floor to one that it may not import.
fn trespasses(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let floor = |module: &str| module.split("::").next().unwrap().to_owned();
    let mut found = Vec::new();
    for (module, imported) in arrows.iter().filter(|(module, _)| *module != "main") {
        let from = floor(module);
        let allowed = FLOORS.iter().find(|(name, _)| *name == from).map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("{from} has no floor"));
        for other in imported.iter().filter(|other| floor(other) != from) {
            if !allowed.contains(&floor(other).as_str()) {
                found.push(format!("{module} -> {other}"));
            }
        }
    }
    found
}

/// A planted tree: three modules of which two import each other, and one that imports a higher floor.
fn planted() -> BTreeMap<String, BTreeSet<String>> {
    let texts = [
        ("http", "mod read;\npub use read::Reader;"),
        ("http::read", "use super::Reader;\nuse crate::service::Service;"),
        ("service", "// use crate::server::Sandbox;\nconst TEXT: &str = \"crate::server\";"),
        ("server", "use crate::{http::read, service::{self, Service}};"),
    ];
    arrows(&texts.map(|(module, text)| (module.to_owned(), text.to_owned())).into())
}

#[test]
fn floors_are_listed_from_the_lowest_to_the_highest() {
    for (at, (floor, allowed)) in FLOORS.iter().enumerate() {
        let below: Vec<_> = FLOORS[..at].iter().map(|(name, _)| *name).collect();
        assert!(allowed.iter().all(|name| below.contains(name)), "{floor} may import a higher floor");
    }
}

#[test]
fn floors_import_lower_floors_only() {
    assert_eq!(trespasses(&arrows(&modules())), [""; 0]);
}

#[test]
fn floors_test_finds_a_planted_import() {
    assert_eq!(trespasses(&planted()), ["http::read -> service"]);
}

#[test]
fn files_import_each_other_in_no_circle() {
    assert_eq!(circles(&arrows(&modules())), [""; 0]);
}

#[test]
fn circle_test_finds_a_planted_circle() {
    let arrows = planted();
    assert_eq!(circles(&arrows), ["http", "http::read"]);
    let of_server: Vec<&str> = arrows["server"].iter().map(String::as_str).collect();
    assert_eq!(of_server, ["http::read", "service"]);
}

/// What is too long in a source: its lines, a function, the file.
fn too_long(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| line.chars().count() > MAX_COLUMNS) {
        found.push(format!("line {} has {} columns", at + 1, line.chars().count()));
    }
    let (name, lines) = longest_function(text);
    if lines > MAX_FUNCTION_LINES {
        found.push(format!("{name} has {lines} lines"));
    }
    let lines = text.lines().count();
    if lines > MAX_FILE_LINES {
        found.push(format!("the file has {lines} lines"));
    }
    found
}

#[test]
fn lines_functions_and_files_are_short() {
    for (name, text) in sources() {
        assert_eq!(too_long(&text), [""; 0], "{name}");
    }
}

#[test]
fn length_test_finds_planted_cases() {
    let body = |lines: usize| "    let a = '{';\n".repeat(lines);
    let short = format!("fn short() {{\n{}}}\n", body(MAX_FUNCTION_LINES - 2));
    assert_eq!(too_long(&short), [""; 0]);
    let long = format!("{short}\nfn long(a: &'a str) -> u8\nwhere\n{{\n{}}}\n", body(MAX_FUNCTION_LINES - 3));
    assert_eq!(too_long(&long), ["long has 71 lines"]);
    assert_eq!(too_long(&format!("// {}\n", "x".repeat(108))), ["line 1 has 111 columns"]);
    assert_eq!(too_long(&"\n".repeat(501)), ["the file has 501 lines"]);
}

/// The words of a text that hide a subject.
fn hiding_words(text: &str) -> Vec<&'static str> {
    let text = text.to_lowercase();
    let words: BTreeSet<_> = text.split(|c: char| !c.is_alphabetic()).collect();
    HIDING_WORDS.into_iter().filter(|word| words.contains(word)).collect()
}

#[test]
fn sentences_name_their_subject() {
    let page = files(&sandbox().join("src/page"), &["js", "html", "css"]);
    let texts = page.into_iter().map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()));
    let documents = ["README.md", "openapi.json"]
        .map(|name| (name.to_owned(), fs::read_to_string(sandbox().join(name)).unwrap()));
    let sources = sources().into_iter().filter(|(name, _)| name != "tests/style.rs");
    for (name, text) in sources.chain(texts).chain(documents) {
        assert_eq!(hiding_words(&text), [""; 0], "{name}");
    }
    assert_eq!(hiding_words("// Whoever reads it: nobody's \"bodywork\""), ["nobody", "whoever"]);
}

/// The names of tests that are too long, or do not begin with their subject.
fn bad_test_names(text: &str) -> Vec<String> {
    let is_bad = |name: &String| {
        name.len() >= MAX_TEST_NAME_CHARS
            || NO_SUBJECTS.iter().any(|word| name.split('_').next() == Some(word))
    };
    test_names(text).into_iter().filter(is_bad).collect()
}

#[test]
fn test_names_begin_with_their_subject() {
    for (name, text) in sources() {
        assert_eq!(bad_test_names(&text), [""; 0], "{name}");
    }
    let planted = "#[test]\nfn it_is_small() {}\n#[test]\nfn size_is_small() {}\nfn it_helps() {}";
    assert_eq!(bad_test_names(planted), ["it_is_small"]);
}

#[test]
fn blanked_text_has_no_strings_and_comments() {
    let text = "let a = \"x{\"; // }\nlet b = r#\"\"{\"\"#; /* { */ let c = '{'; let d: &'static u8;";
    assert_eq!(blanked(text).matches(['{', '}']).count(), 0, "{}", blanked(text));
    assert!(blanked(text).contains("let d: &'static u8;"));
}
