//! Compiles the one function that Rust can't define: `fcntl` has a variable argument list.

fn main() {
    println!("cargo:rerun-if-changed=src/fcntl.c");
    cc::Build::new().file("src/fcntl.c").warnings_into_errors(true).compile("perceptis_descriptors_fcntl");
}
