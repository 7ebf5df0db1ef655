//! Writes the C header from the sources, and the linker's settings of the shared library.
//!
//! The header is written to cargo's output directory; `include/perceptis.h` is its committed copy, which
//! `make header` renews and a test holds against it. A build never changes the source tree.

use std::path::{Path, PathBuf};
use std::{env, error, fs, io};

fn main() -> Result<(), Box<dyn error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let header = PathBuf::from(env::var("OUT_DIR")?).join("perceptis.h");

    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let version = |part: &str| env::var(format!("CARGO_PKG_VERSION_{part}"));
    let number = format!(
        "#define PERCEPTIS_VERSION_MAJOR {}\n#define PERCEPTIS_VERSION_MINOR {}\n\
         #define PERCEPTIS_VERSION_PATCH {}\n#define PERCEPTIS_VERSION \"{}\"",
        version("MAJOR")?,
        version("MINOR")?,
        version("PATCH")?,
        env::var("CARGO_PKG_VERSION")?,
    );
    config.after_includes =
        Some(format!("\n/* The version of the library that this header came with. */\n{number}"));

    let mut sources = rust_files(&root.join("src"))?;
    sources.sort();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in &sources {
        builder = builder.with_src(source);
    }
    builder.generate()?.write_to_file(&header);

    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rustc-env=PERCEPTIS_GENERATED_HEADER={}", header.display());
    if env::var("CARGO_CFG_TARGET_OS")? == "linux" {
        // The name by which programs ask for it until 1.0; and it stays loaded, since its threads may.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libperceptis.so.0");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    Ok(())
}

/// The Rust files of a folder and of those in it, without those that name other files, which would come twice.
fn rust_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(rust_files(&path)?);
        } else if !path.ends_with("lib.rs") && !path.ends_with("mod.rs") {
            found.push(path);
        }
    }
    Ok(found)
}
