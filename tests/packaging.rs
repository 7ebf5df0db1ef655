//! `make install`: programs outside the tree find the library, by pkg-config and by CMake, wherever it is.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Sandbox, root, succeed};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn install(action: &str, prefix: &Path, variables: &[(&str, &str)]) {
    succeed(
        Command::new("sh")
            .arg(root().join("bindings/c/install.sh"))
            .arg(action)
            .arg(support::library())
            .arg(VERSION)
            .env_remove("DESTDIR")
            .env_remove("LIBDIR")
            .env("PREFIX", prefix)
            .envs(variables.iter().copied()),
    );
}

fn files(below: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![below.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.push(path.strip_prefix(below).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// A program's text outside the tree.
fn program(directory: &Path) -> PathBuf {
    let source = directory.join("program.c");
    fs::copy(root().join("tests/callers/status.c"), &source).unwrap();
    source
}

fn said(command: &mut Command) -> Vec<String> {
    let output = String::from_utf8(succeed(command).stdout).unwrap();
    output.split_whitespace().map(str::to_owned).collect()
}

/// The program asks a sandbox about a job that is not there: it has found the library and used it.
fn works(program: &Path, library: Option<&Path>) {
    let sandbox = Sandbox::start(1);
    let mut command = Command::new(program);
    sandbox.environment(&mut command);
    if let Some(library) = library {
        command.env("LD_LIBRARY_PATH", library);
    }
    let output = command.arg("job_none").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("404 not_found"), "{said}");
}

#[test]
fn an_installation_is_whole_and_can_be_undone() {
    let work = tempfile::tempdir().unwrap();
    let prefix = work.path().join("a prefix");
    for _ in 0..2 {
        install("install", &prefix, &[]);
    }
    let mut expected = vec![
        "include/perceptis.h".to_owned(),
        "include/perceptis.hpp".to_owned(),
        "lib/cmake/perceptis/perceptisConfig.cmake".to_owned(),
        "lib/cmake/perceptis/perceptisConfigVersion.cmake".to_owned(),
        "lib/libperceptis.so".to_owned(),
        "lib/libperceptis.so.0".to_owned(),
        format!("lib/libperceptis.so.{VERSION}"),
        "lib/pkgconfig/perceptis.pc".to_owned(),
    ];
    let parts = support::listing(&root().join("include/perceptis"));
    expected.extend(parts.iter().map(|part| format!("include/perceptis/{part}")));
    expected.sort();
    assert_eq!(files(&prefix), expected);
    let library = prefix.join("lib").join(format!("libperceptis.so.{VERSION}"));
    assert_eq!(fs::read(&library).unwrap(), fs::read(support::library()).unwrap());
    assert_eq!(fs::metadata(&library).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_link(prefix.join("lib/libperceptis.so")).unwrap(), Path::new("libperceptis.so.0"));
    for file in expected.iter().filter(|file| !file.contains(".so")) {
        let text = fs::read_to_string(prefix.join(file)).unwrap();
        assert!(!text.contains('@') && !text.contains("a prefix"), "{file}: {text}");
    }
    install("uninstall", &prefix, &[]);
    assert!(files(&prefix).is_empty());
}

#[test]
fn destdir_and_libdir_are_honoured() {
    let work = tempfile::tempdir().unwrap();
    let stage = work.path().join("stage");
    install(
        "install",
        Path::new("/opt/perceptis"),
        &[("DESTDIR", stage.to_str().unwrap()), ("LIBDIR", "lib/x86_64-linux-gnu")],
    );
    let lib = stage.join("opt/perceptis/lib/x86_64-linux-gnu");
    assert!(lib.join("libperceptis.so.0").is_file());
    let flags = said(
        Command::new("pkg-config")
            .args(["--cflags", "--libs", "perceptis"])
            .env("PKG_CONFIG_PATH", lib.join("pkgconfig")),
    );
    let include = flags[0].strip_prefix("-I").unwrap();
    assert!(Path::new(include).join("perceptis.h").is_file(), "{flags:?}");
    let found = flags[1].strip_prefix("-L").unwrap();
    assert!(Path::new(found).join("libperceptis.so").is_file(), "{flags:?}");
}

#[test]
fn pkg_config_builds_a_program_also_from_a_moved_prefix() {
    let work = tempfile::tempdir().unwrap();
    let (first, prefix) = (work.path().join("first"), work.path().join("moved/second"));
    install("install", &first, &[]);
    fs::create_dir(prefix.parent().unwrap()).unwrap();
    fs::rename(&first, &prefix).unwrap();
    let (source, built) = (program(work.path()), work.path().join("program"));
    let pkg_config = || {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
        command
    };
    assert_eq!(said(pkg_config().args(["--modversion", "perceptis"])), [VERSION]);
    let flags = said(pkg_config().args(["--cflags", "--libs", "perceptis"]));
    succeed(Command::new("cc").arg(&source).args(flags).arg("-o").arg(&built));
    works(&built, Some(&prefix.join("lib")));
}

#[test]
fn cmake_builds_a_program_also_from_a_moved_prefix() {
    let work = tempfile::tempdir().unwrap();
    let (first, prefix) = (work.path().join("first"), work.path().join("second"));
    install("install", &first, &[]);
    fs::rename(&first, &prefix).unwrap();
    program(work.path());
    fs::write(
        work.path().join("CMakeLists.txt"),
        format!(
            "cmake_minimum_required(VERSION 3.16)\nproject(outside C)\nfind_package(perceptis {VERSION} REQUIRED)\n\
             add_executable(program program.c)\ntarget_link_libraries(program PRIVATE perceptis::perceptis)\n"
        ),
    )
    .unwrap();
    let build = work.path().join("build");
    let configure = |source: &Path| {
        let mut command = Command::new("cmake");
        command
            .arg("-S")
            .arg(source)
            .arg("-B")
            .arg(&build)
            .arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
        command
    };
    succeed(&mut configure(work.path()));
    succeed(Command::new("cmake").arg("--build").arg(&build));
    works(&build.join("program"), None);

    // Another version is not taken for this one.
    let newer = work.path().join("newer");
    fs::create_dir(&newer).unwrap();
    fs::write(
        newer.join("CMakeLists.txt"),
        "cmake_minimum_required(VERSION 3.16)\nproject(newer C)\nfind_package(perceptis 0.99 REQUIRED)\n",
    )
    .unwrap();
    fs::remove_dir_all(&build).unwrap();
    assert!(!configure(&newer).output().unwrap().status.success());

    // The examples build, too.
    fs::remove_dir_all(&build).unwrap();
    succeed(&mut configure(&root().join("bindings/c")));
    succeed(Command::new("cmake").arg("--build").arg(&build));
    for example in ["one_deck", "one_deck_cpp", "many", "status", "deck"] {
        assert!(build.join(example).is_file(), "{example}");
    }
}
