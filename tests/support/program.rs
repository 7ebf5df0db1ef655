//! C programs against the header and the shared library.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{root, succeed};

/// Builds a program with every warning an error.
pub fn build(source: &str, directory: &Path, library: &Path) -> PathBuf {
    build_with(source, directory, library, &[])
}

/// The same with further arguments, which come last.
pub fn build_with(source: &str, directory: &Path, library: &Path, further: &[&str]) -> PathBuf {
    let source = root().join(source);
    let program = directory.join(source.file_stem().unwrap());
    succeed(
        Command::new("gcc")
            .args(["-std=c11", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"])
            .arg("-I")
            .arg(root().join("include"))
            .arg(&source)
            .arg("-L")
            .arg(library)
            .args(["-lperceptis", "-o"])
            .arg(&program)
            .args(further),
    );
    program
}

/// Builds a program that loads the library itself.
pub fn build_alone(source: &str, directory: &Path) -> PathBuf {
    let program = directory.join("alone");
    succeed(
        Command::new("gcc")
            .args(["-std=c11", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
            .arg(root().join("include"))
            .arg(root().join(source))
            .args(["-ldl", "-o"])
            .arg(&program),
    );
    program
}

/// The program under valgrind: any error, and anything definitely lost, is exit code 99.
pub fn valgrind(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite"])
        // A thread that is still there at the end has its stack's block "possibly lost".
        .args(["--errors-for-leak-kinds=definite", "--track-fds=no"])
        .arg(program);
    command
}
