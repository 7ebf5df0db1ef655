//! perceptis.hpp with every compiler and standard, every warning an error, and run under the sanitizers.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Sandbox, library_directory, listing, root, succeed};

const WARNINGS: [&str; 7] =
    ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wnon-virtual-dtor", "-Werror"];
/// "2b" is what older compilers call C++23.
const STANDARDS: [&str; 3] = ["c++17", "c++20", "c++2b"];

fn compile(compiler: &str, standard: &str, further: &[&str], source: &str, program: &Path, library: &Path) {
    succeed(
        Command::new(compiler)
            .arg(format!("-std={standard}"))
            .args(WARNINGS)
            .args(["-g", "-pthread"])
            .args(further)
            .arg("-I")
            .arg(root().join("include"))
            .arg(root().join(source))
            .arg("-L")
            .arg(library)
            .args(["-lperceptis", "-o"])
            .arg(program),
    );
}

#[test]
fn the_caller_compiles_unchanged_and_makes_its_deck() {
    let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
    let sandbox = Sandbox::start(20);
    for compiler in ["g++", "clang++"] {
        let program = work.path().join(compiler);
        compile(compiler, "c++17", &[], "tests/callers/one_deck.cpp", &program, library.path());
        let out = tempfile::tempdir().unwrap();
        let run = |directory: &Path| {
            let mut command = Command::new(&program);
            sandbox.quickly(&mut command);
            command.env("LD_LIBRARY_PATH", library.path()).arg("Why teams adopt Rust").arg(directory);
            command.output().unwrap()
        };
        let made = run(out.path());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let path = out.path().join(&listing(out.path())[0]);
        let size = path.metadata().unwrap().len();
        assert_eq!(String::from_utf8(made.stdout).unwrap(), format!("{} {size}\n", path.display()));
        let failed = run(Path::new("/nonexistent"));
        assert_eq!(failed.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&failed.stderr).starts_with("/nonexistent does not exist"));
    }
}

#[test]
fn all_of_it_works_in_every_standard_under_the_sanitizers() {
    let (library, work) = (library_directory(), tempfile::tempdir().unwrap());
    let sandbox = Sandbox::start(10);
    std::thread::scope(|scope| {
        for compiler in ["g++", "clang++"] {
            let (sandbox, library, work) = (&sandbox, library.path(), work.path());
            scope.spawn(move || {
                for standard in STANDARDS {
                    let program = work.join(format!("{compiler}-{standard}"));
                    let sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
                    compile(compiler, standard, &sanitizers, "tests/cpp/face.cpp", &program, library);
                    let out = tempfile::tempdir().unwrap();
                    let mut command = Command::new(&program);
                    sandbox.environment(&mut command);
                    let output = succeed(command.env("LD_LIBRARY_PATH", library).arg(out.path()));
                    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
                    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
                }
            });
        }
    });
}

#[test]
fn each_of_its_files_compiles_alone() {
    let work = tempfile::tempdir().unwrap();
    let folder = root().join("include/perceptis");
    for file in listing(&folder) {
        let source = work.path().join("alone.cpp");
        std::fs::write(
            &source,
            format!("#include <perceptis/{file}>\n#include <perceptis.hpp>\nint main() {{}}\n"),
        )
        .unwrap();
        succeed(
            Command::new("g++")
                .args(["-std=c++17", "-fsyntax-only"])
                .args(WARNINGS)
                .arg("-I")
                .arg(root().join("include"))
                .arg(&source),
        );
    }
}
