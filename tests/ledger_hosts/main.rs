//! `promise.md`, 16, 17, 19 and 20: a ledger among other programs. They open and copy its files, lock it, mount, link and
//! move it, and fork. Each test uses the shared library in real processes on real files.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../files/workshop.rs"]
#[allow(dead_code)]
mod workshop;

mod forks;
mod home;
mod locked;
mod names;
mod sharing;

/// The library that `programs/slow_system.c` is, built once.
fn shim() -> &'static std::path::Path {
    static SHIM: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
    SHIM.get_or_init(|| {
        let place = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("ledger_hosts");
        std::fs::create_dir_all(&place).unwrap();
        // Made aside and put in place: another test process may be using the one that is there.
        let made = place.join(format!("slow_system-{}.so", std::process::id()));
        let mut build = std::process::Command::new("gcc");
        build.args(["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
        build.arg(&made).arg(support::root().join("tests/programs/slow_system.c")).arg("-ldl");
        support::succeed(&mut build);
        let shim = place.join("slow_system.so");
        std::fs::rename(made, &shim).unwrap();
        shim
    })
}
