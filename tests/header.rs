//! The header: the committed one is the sources', and every compiler takes it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use support::api::{Client, Request};
use support::queue::Queue;
use support::script::{Answer, Server};
use support::{Sandbox, listing, root, succeed};

/// The compilers of C and of C++, each with its standard. This test needs all of them.
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
             perceptis_code f(int n) { switch (n) { case PERCEPTIS_OK: return 1; \
             case PERCEPTIS_INTERNAL: return 2; default: return perceptis_error_code(0); } }\n",
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
    for (declaration, text) in comments(&header) {
        if is_function(declaration) {
            assert!(text.contains("Since 0."), "since when? {text}");
            assert!(text.contains("thread"), "which threads? {text}");
            assert!(text.contains("block"), "does it block? {text}");
        }
    }
}

/// The declarations that have a comment, with the comment's text in one line.
fn comments(header: &str) -> Vec<(&str, String)> {
    let comments = header.split("/**").skip(1).map(|comment| {
        let (text, rest) = comment.split_once("*/").unwrap();
        let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "*").collect();
        (rest.split("/*").next().unwrap().trim(), words.join(" "))
    });
    comments.collect()
}

fn is_function(declaration: &str) -> bool {
    !declaration.starts_with(['#', 't']) && declaration.contains('(')
}

#[test]
fn lines_of_the_headers_have_at_most_100_columns() {
    let include = root().join("include");
    let further = fs::read_dir(include.join("perceptis")).unwrap().map(|entry| entry.unwrap().path());
    let headers = [include.join("perceptis.h"), include.join("perceptis.hpp")];
    for path in headers.into_iter().chain(further) {
        for (at, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            assert!(line.chars().count() <= 100, "{}:{}: {line}", path.display(), at + 1);
        }
    }
}

/// A section of the header: its title, the sentences about it, and its example in C.
struct Section {
    title: String,
    sentences: String,
    example: String,
}

fn sections(header: &str) -> Vec<Section> {
    let sections = header.split("/* ---- ").skip(1).map(|section| {
        let (title, rest) = section.split_once(" ----\n\n").expect("a title");
        let (sentences, rest) = rest.split_once("\n\n   Example:\n\n").expect("an example");
        let (example, _) = rest.split_once("\n */").unwrap();
        let example =
            example.lines().map(|line| line.strip_prefix("       ").unwrap_or(line).to_owned() + "\n");
        Section { title: title.to_owned(), sentences: sentences.to_owned(), example: example.collect() }
    });
    sections.collect()
}

#[test]
fn sections_come_in_reading_order_and_have_two_sentences_each() {
    let header = header();
    let sections = sections(&header);
    let titles: Vec<_> = sections.iter().map(|section| section.title.split(':').next().unwrap()).collect();
    assert_eq!(
        titles,
        [
            "The library",
            "Configuration",
            "Clients",
            "Requests",
            "Options",
            "Calls that block",
            "Calls that end in a queue",
            "Queues and events",
            "The ledger",
            "Errors",
            "JSON",
        ]
    );
    for section in &sections {
        let ends = section.sentences.split_whitespace().filter(|word| word.ends_with('.')).count();
        assert_eq!(ends, 2, "{}: {}", section.title, section.sentences);
    }
    let at = |name: &str| header.find(&format!("{name}(")).unwrap();
    assert!(at("perceptis_code perceptis_client_new") < at("perceptis_code perceptis_client_close"));
    assert!(at("perceptis_code perceptis_client_new") < at("perceptis_code perceptis_run"));
    assert!(at("perceptis_code perceptis_run") < at("perceptis_code perceptis_generate"));
}

/// Calls the examples of all sections. The directory for the files is the program's argument.
const MAIN: &str = r#"
int main(int argc, char **argv)
{
    perceptis_client *client = open_client(configure());
    perceptis_request *request = slide_about("Why teams adopt Rust");
    perceptis_options *options = options_for(argc > 1 ? argv[1] : ".");
    perceptis_error *error = NULL;
    char *text = NULL;
    int good = library_fits() && client != NULL && request != NULL && options != NULL;
    good = good && make(client, request, options) == PERCEPTIS_OK;
    good = good && finish(start(client, request, options, 7)) == PERCEPTIS_OK;
    good = good && settle_earlier_calls(client) == PERCEPTIS_OK;
    good = good && perceptis_get_status(client, "none", NULL, &text, &error) == PERCEPTIS_NOT_FOUND;
    good = good && !can_be_repeated(error);
    perceptis_error_free(error);
    good = good && perceptis_run(client, request, options, &text, NULL) == PERCEPTIS_OK;
    good = good && print_files(text) == 1;
    perceptis_string_free(text);
    perceptis_options_free(options);
    perceptis_request_free(request);
    perceptis_client_free(client);
    return !good;
}
"#;

#[test]
fn examples_compile_in_their_order_and_run() {
    let (work, library) = (tempfile::tempdir().unwrap(), support::library_directory());
    let source = work.path().join("examples.c");
    let mut code = String::from("#include <perceptis.h>\n#include <stdio.h>\n#include <string.h>\n\n");
    for section in sections(&header()) {
        code += &section.example;
        code += "\n";
    }
    fs::write(&source, code + MAIN).unwrap();
    let sandbox = Sandbox::start(20);
    for (compiler, _, standard) in COMPILERS.iter().filter(|(_, language, _)| *language == "c") {
        let (program, out) = (work.path().join(compiler), tempfile::tempdir().unwrap());
        succeed(
            Command::new(compiler)
                .args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
                .arg(root().join("include"))
                .arg(&source)
                .arg("-L")
                .arg(library.path())
                .args(["-lperceptis", "-o"])
                .arg(&program),
        );
        let mut run = Command::new(&program);
        sandbox.quickly(&mut run);
        let output = succeed(run.env("LD_LIBRARY_PATH", library.path()).arg(out.path()));
        let said = String::from_utf8(output.stdout).unwrap();
        let files = listing(out.path());
        assert_eq!(files.len(), 3, "{said}");
        for file in &files {
            assert!(said.contains(out.path().join(file).to_str().unwrap()), "{file}: {said}");
        }
        assert!(said.contains("call 7 ended: {") && said.contains("\n0 submissions are left\n"), "{said}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("NOT_FOUND: "));
    }
}

/// The keys that a function's comment gives in its first JSON shape, such as `{"job_id", "files":
/// [{"path"}]}`. Each with the keys that it stands under: `files/path`.
fn keys_told(header: &str, function: &str) -> BTreeSet<String> {
    let is_it = |declaration: &str| is_function(declaration) && declaration.contains(&format!("{function}("));
    let comments = comments(header);
    let (_, text) = comments.iter().find(|(declaration, _)| is_it(declaration)).unwrap();
    let (_, shape) = text.split_once("`{\"").unwrap_or_else(|| panic!("{function} tells no keys"));
    let (shape, _) = shape.split_once("}`").unwrap();
    let (mut told, mut above, mut last) = (BTreeSet::new(), Vec::new(), String::new());
    // Names and braces alternate: what is between quotes is a name.
    for (at, part) in format!("\"{shape}").split('"').skip(1).enumerate() {
        if at % 2 == 0 {
            last = above.iter().map(|key| format!("{key}/")).collect::<String>() + part;
            told.insert(last.clone());
            continue;
        }
        for brace in part.chars() {
            match brace {
                '{' => above.push(last.rsplit('/').next().unwrap().to_owned()),
                '}' => drop(above.pop()),
                _ => {}
            }
        }
    }
    told
}

/// The keys of a JSON value, below those keys under which the header tells further ones.
fn keys_of(value: &Value, above: &str, told: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| keys_of(item, above, told, found)),
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = format!("{above}{key}");
                let further = format!("{path}/");
                // What the header gives no keys of is the service's own.
                if told.iter().any(|key| key.starts_with(&further)) {
                    keys_of(value, &further, told, found);
                }
                found.insert(path);
            }
        }
        _ => {}
    }
}

/// Compares what a function returned, in all these cases, with what the header says that it returns.
fn assert_keys(function: &str, returned: &[&Value]) {
    let (told, mut found) = (keys_told(&header(), function), BTreeSet::new());
    returned.iter().for_each(|value| keys_of(value, "", &told, &mut found));
    assert_eq!(told, found, "{function}: what the header tells, and what came");
}

#[test]
fn keys_of_a_shape_are_read_with_those_that_they_stand_under() {
    let header =
        "/** * Gives `{\"a\", \"b\": [{\"c\", * \"d\": {\"e\"}}], \"f\"}`. */ char *perceptis_f(int a);";
    let told = keys_told(header, "perceptis_f");
    assert_eq!(told.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "b/c", "b/d", "b/d/e", "f"]);
    let value = serde_json::json!({"a": {"own": 1}, "b": [{"c": 1}, {"d": {"e": 2, "new": 3}}]});
    let mut found = BTreeSet::new();
    keys_of(&value, "", &told, &mut found);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b", "b/c", "b/d", "b/d/e", "b/d/new"]);
}

/// A directory for files, as an option's value.
fn directory(work: &tempfile::TempDir, name: &str) -> String {
    let path = work.path().join(name);
    fs::create_dir_all(&path).unwrap();
    path.to_str().unwrap().to_owned()
}

fn quick(prompt: &str) -> Request {
    Request::new("single_slide", &format!("{prompt} [[sandbox: takes=1]]")).unwrap()
}

/// An equal call that was left without its end, settled by `recover` and too old to be continued: the `note`
/// of a result names its deck.
fn with_a_note(sandbox: &Sandbox, directory: &str, generate: bool) -> Value {
    let client = sandbox.client_with(&[("adopt_window_ms", "0")]);
    let (request, queue) = (quick("A deck that is left"), Queue::new());
    let options = [("directory", directory), ("name", "left"), ("overwrite", "true")];
    let start = if generate { Queue::generate } else { Queue::run };
    start(&queue, &client, &request, &options, 1).unwrap();
    for held in queue.take_held(1, -1).unwrap() {
        held.discard();
    }
    assert_eq!(client.recover(&[]).unwrap()["unsettled"], 0);
    let again = if generate { Client::generate } else { Client::run };
    again(&client, &request, &options).unwrap()
}

#[test]
fn header_tells_all_keys_that_calls_return() {
    let (sandbox, work) = (Sandbox::start(20), tempfile::tempdir().unwrap());
    let client = sandbox.client();
    let run = with_a_note(&sandbox, &directory(&work, "run"), false);
    let generate = with_a_note(&sandbox, &directory(&work, "generate"), true);

    // Files that come damaged, and a file that is there already.
    let out = directory(&work, "damaged");
    let options = [("directory", out.as_str()), ("name", "one")];
    let damaged = Request::new("single_slide", "Damaged [[sandbox: takes=1, zip_bad_crc]]").unwrap();
    let incomplete = client.run(&damaged, &options).unwrap_err();
    assert_eq!(incomplete.code, "INCOMPLETE", "{incomplete:?}");
    let unverified: Value = serde_json::from_str(incomplete.result.as_ref().unwrap()).unwrap();
    // The deck stays damaged, so that it stays unsettled.
    assert_keys("perceptis_recover", &[&client.recover(&[]).unwrap()]);
    let job_id = run["job_id"].as_str().unwrap();
    let here = directory(&work, "twice");
    let options = [("directory", here.as_str()), ("idempotency_key", "order-1")];
    let once = client.run(&quick("A deck of one key"), &options).unwrap();
    let again = client.run(&quick("A deck of one key"), &options).unwrap();
    assert!(again["files"][0]["note"].is_string(), "{again}");
    let download = client.download(job_id, &[("directory", &here)]).unwrap();
    let results = [&run, &unverified, &once, &again, &download];
    assert_keys("perceptis_run", &results);
    assert_keys("perceptis_download", &results);
    assert_keys("perceptis_generate", &[&generate]);
    assert_keys("perceptis_jobs", &[&client.jobs(&[("history", "true")]).unwrap()]);
}

#[test]
fn header_tells_all_keys_of_activity_and_of_an_errors_details() {
    let (sandbox, queue) = (Sandbox::start(20), Queue::new());
    let client = sandbox.client();
    let request = Request::new("deck", "A deck [[sandbox: never_ends]]").unwrap();
    queue.run(&client, &request, &[("progress", "true")], 1).unwrap();
    assert_keys("perceptis_client_activity", &[&client.activity().unwrap()]);
    queue.cancel(1);

    let unknown = client.get_status("none", &[]).unwrap_err();
    let server = Server::start();
    for _ in 0..15 {
        server.on("/api/v1/status/j1", Answer::error(503, "down"));
    }
    server.on("/api/v1/status/j1", Answer::error(401, "unauthorized"));
    let retried = server.client().wait("j1", &[]).unwrap_err();
    let late = Answer::error(429, "rate_limit_exceeded").with("Retry-After", "720000");
    server.on("/api/v1/generate", late);
    let limited = server.client().generate(&Request::deck(), &[]).unwrap_err();
    assert_keys("perceptis_error_details", &[&unknown.details, &retried.details, &limited.details]);
}
