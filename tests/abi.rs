//! The ABI only grows: every declaration of the baseline header is in today's header, unchanged.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;

use support::root;

/// The header that later ones are compared with. A release replaces it by its own.
const BASELINE: &str = "tests/abi/perceptis-0.2.h";

/// What may differ between two headers: the version of the ABI grows.
const MAY_CHANGE: [&str; 2] = ["PERCEPTIS_ABI_MINOR", "PERCEPTIS_VERSION"];

/// The declarations of a header, each in one line without comments. A structure has no members, so that all of them end
/// with a semicolon or are one `#define`.
fn declarations(header: &str) -> BTreeSet<String> {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, after)) = rest.split_once("/*") {
        code += before;
        rest = after.split_once("*/").unwrap().1;
    }
    code += rest;
    let (mut found, mut open) = (BTreeSet::new(), String::new());
    for line in code.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(constant) = line.strip_prefix("#define ") {
            found.insert(format!("#define {}", words(constant)));
        } else if !line.starts_with('#') && !line.contains(['{', '}']) {
            open += line;
            open.push(' ');
            if line.ends_with(';') {
                found.insert(words(&std::mem::take(&mut open)));
            }
        }
    }
    found
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn abi_has_every_declaration_of_the_baseline() {
    let read = |path: &str| declarations(&fs::read_to_string(root().join(path)).unwrap());
    let (before, now) = (read(BASELINE), read("include/perceptis.h"));
    assert!(before.len() > 100 && before.iter().any(|line| line.contains("perceptis_run(")), "{before:#?}");
    let lost: Vec<&String> = before
        .difference(&now)
        .filter(|line| !MAY_CHANGE.iter().any(|name| line.starts_with(&format!("#define {name}"))))
        .collect();
    assert!(lost.is_empty(), "these declarations changed or are gone: {lost:#?}");
}

/// The name that a declaration gives: of a macro, a type or a function.
fn name_of(declaration: &str) -> &str {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(constant) = declaration.strip_prefix("#define ") {
        return constant.split(|c| !is_name(c)).next().unwrap();
    }
    let before = match declaration.split_once("(*") {
        Some((_, function)) => function.split(')').next().unwrap(),
        None => declaration.split(['(', ';']).next().unwrap(),
    };
    before.trim_end().rsplit(|c| !is_name(c)).next().unwrap()
}

#[test]
fn abi_has_no_names_but_its_own() {
    let header = fs::read_to_string(root().join("include/perceptis.h")).unwrap();
    let all = declarations(&header);
    let functions = all.iter().filter(|line| line.contains("perceptis_error **error);")).count();
    assert!(functions > 20, "{all:#?}");
    let foreign: Vec<_> = all
        .iter()
        .filter(|line| !name_of(line).to_ascii_lowercase().starts_with("perceptis_"))
        .filter(|line| *line != "#define PERCEPTIS_H")
        .collect();
    assert!(foreign.is_empty(), "the header declares names that are not the library's: {foreign:#?}");
}

#[test]
fn abi_names_are_found_in_every_kind_of_declaration() {
    for (declaration, name) in [
        ("#define PERCEPTIS_OK 0", "PERCEPTIS_OK"),
        ("#define F(a) a", "F"),
        ("typedef struct perceptis_client perceptis_client;", "perceptis_client"),
        (
            "typedef void (*perceptis_log_function)(void *user, const char *record_json);",
            "perceptis_log_function",
        ),
        ("char *perceptis_json_get(const char *json, const char *pointer);", "perceptis_json_get"),
        ("extern int pthread_setcancelstate(int state, int *before);", "pthread_setcancelstate"),
    ] {
        assert_eq!(name_of(declaration), name);
    }
}

#[test]
fn abi_comparison_sees_a_changed_argument_and_a_changed_constant() {
    let header = "#define PERCEPTIS_OK 0\n/* c */\nint perceptis_f(int a,\n                int b);\n";
    assert_eq!(
        declarations(header).into_iter().collect::<Vec<_>>(),
        ["#define PERCEPTIS_OK 0", "int perceptis_f(int a, int b);"]
    );
    assert_ne!(declarations(header), declarations(&header.replace("int b", "long b")));
    assert_ne!(declarations(header), declarations(&header.replace("OK 0", "OK 1")));
}
