//! The shared library as the system sees it: its symbols, names, needs and size.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use support::{root, succeed};

fn said(command: &mut Command) -> String {
    String::from_utf8(succeed(command).stdout).unwrap()
}

#[test]
fn the_exports_are_the_functions_of_the_header_and_nothing_else() {
    let symbols = said(Command::new("nm").args(["-D", "--defined-only"]).arg(support::library()));
    let exported: BTreeSet<&str> =
        symbols.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let header = fs::read_to_string(root().join("include/perceptis.h")).unwrap();
    // Comments name functions, too; what is left without them is declarations.
    let mut code = String::new();
    let mut rest = header.as_str();
    while let Some((before, after)) = rest.split_once("/*") {
        code += before;
        rest = after.split_once("*/").unwrap().1;
    }
    code += rest;
    let declared: BTreeSet<&str> = code
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '('))
        .filter_map(|word| word.split_once('('))
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("perceptis_"))
        .collect();
    assert_eq!(exported, declared);
    let known: BTreeSet<&str> = support::api::NAMES.iter().copied().collect();
    assert_eq!(declared, known, "the tests know other functions than the header");
}

#[test]
fn it_has_its_name_stays_loaded_and_needs_the_c_library_only() {
    let dynamic = said(Command::new("readelf").arg("-dW").arg(support::library()));
    assert!(dynamic.contains("Library soname: [libperceptis.so.0]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    let needed: BTreeSet<&str> = dynamic
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split_once('[')?.1.strip_suffix(']'))
        .collect();
    // The loader is a part of the C library: thread-local storage asks for it by its own name.
    let allowed =
        ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];
    for name in &needed {
        assert!(allowed.contains(name), "needs {name}");
    }
    assert!(
        !dynamic.contains("TEXTREL") && !dynamic.contains("RPATH") && !dynamic.contains("RUNPATH"),
        "{dynamic}"
    );
}

#[test]
fn the_stripped_library_is_small() {
    // 5 MB are the most, and a ledger on a server is still to come.
    const MAX_BYTES: u64 = 4_400_000;
    let Some(release) = std::env::var_os("PERCEPTIS_TEST_RELEASE_LIBRARY") else {
        assert!(std::env::var_os("CI").is_none(), "CI must name the release build's library");
        println!("SKIPPED: PERCEPTIS_TEST_RELEASE_LIBRARY names no release build; `make test` does");
        return;
    };
    let size = fs::metadata(&release).unwrap().len();
    assert!(size <= MAX_BYTES, "{size} bytes, more than {MAX_BYTES}");
    let sections = said(Command::new("readelf").arg("-SW").arg(&release));
    assert!(!sections.contains(".symtab"), "it is not stripped");
    let dynamic = said(Command::new("readelf").arg("-dW").arg(&release));
    assert!(dynamic.contains("libperceptis.so.0") && dynamic.contains("NODELETE"), "{dynamic}");
    if ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"].iter().any(|flags| std::env::var_os(flags).is_some()) {
        println!("SKIPPED: built with somebody's own flags, it may say where");
        return;
    }
    let bytes = fs::read(&release).unwrap();
    let home = b"/registry/src/";
    assert!(!bytes.windows(home.len()).any(|part| part == home), "it says where it was built");
}
