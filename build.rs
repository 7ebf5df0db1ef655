//! Writes the C header from the sources, and the linker's settings of the shared library.
//!
//! The header is written to cargo's output directory; `include/perceptis.h` is its committed copy, which
//! `make header` renews and a test holds against it. A build never changes the source tree.
//!
//! cbindgen writes each item of the header, a declaration with its comment. It groups items by their kind,
//! which is no order to read in. So this script puts them into sections, and each section begins with a text
//! of `src/header`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use keys::Key;

/// The keys of configurations and options, from which the header's lists of them come.
#[path = "core/src/config/keys.rs"]
#[allow(dead_code, missing_docs)]
mod keys;

/// The functions whose comments have a list of keys, and the list.
const KEYS: [(&str, &[Key]); 2] =
    [("perceptis_config_set", &keys::CONFIGURATION), ("perceptis_options_set", &keys::OPTIONS)];
/// The longest line of the header, in columns.
const MAX_COLUMNS: usize = 100;

/// The sections of the header in reading order: the name of the section's text, and the source files of its
/// items.
const SECTIONS: [(&str, &[&str]); 11] = [
    ("library", &["api/library.rs"]),
    ("configuration", &["events/log_callback.rs", "api/config.rs"]),
    ("client", &["api/client.rs"]),
    ("requests", &["builders/request.rs"]),
    ("options", &["builders/options.rs"]),
    ("blocking", &["api/blocking.rs"]),
    ("nonblocking", &["api/nonblocking.rs"]),
    ("queue", &["events/wakeup.rs", "api/queue.rs", "api/event.rs"]),
    ("ledger", &["api/ledger.rs"]),
    ("errors", &["boundary/code.rs", "boundary/error.rs"]),
    ("json", &["api/json.rs"]),
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let header = PathBuf::from(env::var("OUT_DIR")?).join("perceptis.h");
    fs::write(&header, header_of(&root)?)?;

    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=core/src/config/keys.rs");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rustc-env=PERCEPTIS_GENERATED_HEADER={}", header.display());
    if env::var("CARGO_CFG_TARGET_OS")? == "linux" {
        // The name by which programs ask for it until 1.0; and it stays loaded, since its threads may.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libperceptis.so.0");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    Ok(())
}

fn header_of(root: &Path) -> Result<String, Box<dyn Error>> {
    let mut items = items(root)?;
    let read = |path: String| -> Result<String, Box<dyn Error>> {
        fs::read_to_string(root.join("src").join(&path))
            .map_err(|error| format!("src/{path}: {error}").into())
    };
    let mut sections: Vec<(String, Vec<Name>)> = Vec::new();
    for (section, sources) in SECTIONS {
        let mut names = Vec::new();
        for source in sources {
            names.extend(exported(&read((*source).to_owned())?));
        }
        sections.push((read(format!("header/{section}.txt"))?, names));
    }
    // C wants a type before its use, and the functions of nearly all sections use these.
    let mut types: Vec<Name> = Vec::new();
    for (_, names) in &mut sections {
        types.extend(names.extract_if(.., |name| name.is_for_all));
    }
    types.sort_by_key(|name| !name.name.ends_with("_code"));
    if let Some((_, first)) = sections.first_mut() {
        first.extend(types);
    }

    let mut header = format!(
        "{}\n\n#ifndef PERCEPTIS_H\n#define PERCEPTIS_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n",
        comment("", read("header/preamble.txt".to_owned())?.trim_end()),
    );
    for (at, (text, names)) in sections.iter().enumerate() {
        let (title, text) = text.split_once("\n\n").ok_or("a section's text is a title and sentences")?;
        header += &format!("{}\n\n", comment(title, text.trim_end()));
        if at == 0 {
            header += &format!("{}\n\n", version()?);
        }
        for name in names {
            let item = items.remove(&name.name).ok_or_else(|| format!("no item is called {}", name.name))?;
            let item = with_keys(&name.name, item)?;
            header += &format!("{item}\n\n");
        }
    }
    if !items.is_empty() {
        return Err(format!("these items have no section: {:?}", items.keys()).into());
    }
    header += "#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
    Ok(header)
}

/// The item, with the table's keys in the place of the line that stands for them.
fn with_keys(name: &str, item: String) -> Result<String, Box<dyn Error>> {
    let Some((_, keys)) = KEYS.iter().find(|(function, _)| *function == name) else { return Ok(item) };
    let is_marker = |line: &&str| line.starts_with(" * - (the table `");
    let marker = item.lines().find(is_marker).ok_or_else(|| format!("{name} has no line for its keys"))?;
    let list: Vec<String> = keys.iter().map(|key| wrapped(" * - ", " *   ", &key.paragraph())).collect();
    Ok(item.replace(marker, &list.join("\n")))
}

/// A paragraph in lines that begin like this.
fn wrapped(first: &str, next: &str, text: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), first.to_owned());
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 && line.len() + 1 + word.len() > MAX_COLUMNS {
            lines.push(std::mem::replace(&mut line, next.to_owned()));
        } else if at > 0 {
            line.push(' ');
        }
        line += word;
    }
    lines.push(line);
    lines.join("\n")
}

/// A comment of C, with a title in its first line where there is one.
fn comment(title: &str, text: &str) -> String {
    let mut comment =
        if title.is_empty() { String::from("/* ") } else { format!("/* ---- {title} ----\n\n") };
    for (at, line) in text.lines().enumerate() {
        let indent = if line.is_empty() || (at == 0 && title.is_empty()) { "" } else { "   " };
        comment += &format!("{indent}{line}\n");
    }
    comment += if title.is_empty() { "*/" } else { " */" };
    comment
}

/// The version of the package, as constants of C.
fn version() -> Result<String, env::VarError> {
    let part = |part: &str| env::var(format!("CARGO_PKG_VERSION_{part}"));
    Ok(format!(
        "/* The version of the library that this header came with. */\n\
         #define PERCEPTIS_VERSION_MAJOR {}\n#define PERCEPTIS_VERSION_MINOR {}\n\
         #define PERCEPTIS_VERSION_PATCH {}\n#define PERCEPTIS_VERSION \"{}\"",
        part("MAJOR")?,
        part("MINOR")?,
        part("PATCH")?,
        env::var("CARGO_PKG_VERSION")?,
    ))
}

/// What cbindgen writes of all sections' sources: each item with its comment, by its name.
fn items(root: &Path) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SECTIONS.iter().flat_map(|(_, sources)| *sources) {
        builder = builder.with_src(root.join("src").join(source));
    }
    let mut written = Vec::new();
    builder.generate()?.write(&mut written);
    let written = String::from_utf8(written)?;
    let items = written.split("\n\n").map(str::trim).filter(|item| !item.is_empty());
    items
        .map(|item| Ok((declared(item).ok_or_else(|| format!("whose name? {item}"))?, item.to_owned())))
        .collect()
}

/// The name that an item of C declares.
fn declared(item: &str) -> Option<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (_, declaration) = item.split_once("*/")?;
    let declaration = declaration.trim_start();
    if let Some(constant) = declaration.strip_prefix("#define ") {
        return Some(constant.split(' ').next()?.to_owned());
    }
    let before = match declaration.split_once("(*") {
        Some((_, function)) => function.split(')').next()?,
        None => declaration.split(['(', ';']).next()?,
    };
    Some(before.trim_end().rsplit(|c| !is_name(c)).next()?.to_owned())
}

/// An exported item of a source file.
struct Name {
    name: String,
    /// Whether the functions of nearly all sections use it: a handle, or the type of codes.
    is_for_all: bool,
}

/// The exported items of a source file, in their order there.
fn exported(source: &str) -> Vec<Name> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for line in source.lines() {
        for start in ["pub struct ", "pub type ", "pub const ", "pub extern \"C\" fn "] {
            let Some(rest) = line.strip_prefix(start) else { continue };
            let name = rest.split(|c| !is_name(c)).next().unwrap_or_default().to_owned();
            let is_for_all = start == "pub struct " || name == "perceptis_code";
            found.push(Name { name, is_for_all });
        }
    }
    found
}
