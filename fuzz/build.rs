//! Links `json_get` with the shared library, and lets that one report its coverage to the target.

fn main() {
    println!("cargo::rerun-if-env-changed=PERCEPTIS_LIBRARY_DIRECTORY");
    let Ok(directory) = std::env::var("PERCEPTIS_LIBRARY_DIRECTORY") else { return };
    println!("cargo::rustc-link-search=native={directory}");
    for argument in ["--export-dynamic", "-rpath", &directory] {
        println!("cargo::rustc-link-arg-bin=json_get=-Wl,{argument}");
    }
}
