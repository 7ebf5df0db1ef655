//! The header: the committed one is the sources', and every compiler takes it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use support::{root, succeed};

/// The compilers of C and of C++, each with its standard. CI has them all; so must whoever runs this.
const COMPILERS: [(&str, &str, &str); 4] = [
    ("gcc", "c", "-std=c11"),
    ("g++", "c++", "-std=c++17"),
    ("clang", "c", "-std=c11"),
    ("clang++", "c++", "-std=c++17"),
];

fn header() -> String {
    fs::read_to_string(root().join("include/perceptis.h")).unwrap()
}

#[test]
fn the_committed_header_is_what_the_sources_say() {
    let generated = fs::read_to_string(env!("PERCEPTIS_GENERATED_HEADER")).unwrap();
    assert!(header() == generated, "include/perceptis.h is stale: run `make header` and commit it");
}

#[test]
fn it_compiles_alone_and_twice_without_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    for (compiler, language, standard) in COMPILERS {
        let source = directory.path().join("twice");
        fs::write(
            &source,
            "#include <perceptis.h>\n#include <perceptis.h>\n\
             perceptis_code f(int n);\n\
             perceptis_code f(int n) { switch (n) { case PERCEPTIS_OK: return 1; case PERCEPTIS_INTERNAL: return 2; \
             default: return perceptis_error_code(0); } }\n",
        )
        .unwrap();
        succeed(
            Command::new(compiler)
                .args([
                    standard,
                    "-Wall",
                    "-Wextra",
                    "-Wpedantic",
                    "-Werror",
                    "-fsyntax-only",
                    "-x",
                    language,
                ])
                .arg("-I")
                .arg(root().join("include"))
                .arg(&source),
        );
    }
}

#[test]
fn c_plus_plus_links_against_c_names() {
    let directory = tempfile::tempdir().unwrap();
    let library = support::library_directory();
    let (source, program) = (directory.path().join("version.cpp"), directory.path().join("version"));
    fs::write(
        &source,
        "#include <perceptis.h>\n#include <cstdio>\n#include <cstring>\nint main() {\n\
         std::puts(perceptis_version());\n\
         return std::strcmp(perceptis_version(), PERCEPTIS_VERSION) != 0\n\
         || perceptis_abi_version() != (PERCEPTIS_ABI_MAJOR << 16 | PERCEPTIS_ABI_MINOR); }\n",
    )
    .unwrap();
    succeed(
        Command::new("g++")
            .args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(root().join("include"))
            .arg(&source)
            .arg("-L")
            .arg(library.path())
            .args(["-lperceptis", "-o"])
            .arg(&program),
    );
    let output = succeed(Command::new(&program).env("LD_LIBRARY_PATH", library.path()));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn everything_in_it_is_documented() {
    let header = header();
    let mut declared = BTreeSet::new();
    for line in header.lines() {
        let is_declared = line.starts_with("typedef") || line.starts_with("#define PERCEPTIS_") || {
            line.contains(" perceptis_") && line.contains('(') && !line.starts_with([' ', '/', '*'])
        };
        let exempt = line.contains("PERCEPTIS_H") || line.contains("PERCEPTIS_VERSION");
        if is_declared && !exempt {
            assert!(declared.insert(line), "twice: {line}");
            let before = &header[..header.find(line).unwrap()];
            assert!(before.trim_end().ends_with("*/"), "without a comment: {line}");
        }
    }
    // What design.md asks every function's comment to tell.
    for comment in header.split("/**").skip(1) {
        let (text, declaration) = comment.split_once("*/").unwrap();
        if declaration.trim_start().contains('(')
            && declaration.trim_start().find('(') < declaration.find(';')
        {
            assert!(text.contains("Since 0."), "since when? {text}");
            assert!(text.contains("thread"), "which threads? {text}");
            assert!(text.contains("block"), "does it block? {text}");
        }
    }
}
