#!/bin/sh
# Random input to each fuzz target, under AddressSanitizer. Needs neither cargo-fuzz nor another toolchain: the
# compiler's own coverage is asked for by RUSTC_BOOTSTRAP. An input that fails is kept in fuzz/artifacts; the last
# line of a failure names it. Usage: fuzz.sh SECONDS [TARGET]...
set -eu
cd "$(dirname "$0")/.."
seconds=$1
shift
target=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
programs=$target/$host/release
all=$(sed -n 's/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml | tail -n +2)

# What cargo-fuzz sets: coverage of each edge, and of what is compared.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-trace-compares"
flags="$flags -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags="$flags -Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer -Ccodegen-units=1 --cfg fuzzing"
build() { # arguments of cargo
    CARGO_TARGET_DIR=$target RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" cargo build --locked --quiet --target "$host" "$@"
}
# The shared library has no link-time optimization here: that would drop the coverage.
build --package perceptis --release --config profile.release.lto=false \
    --config profile.release.package.libsqlite3-sys.opt-level=0
ln -sf libperceptis.so "$programs/libperceptis.so.0"
PERCEPTIS_LIBRARY_DIRECTORY=$programs build --manifest-path fuzz/Cargo.toml --release

mkdir -p fuzz/artifacts
for name in ${*:-$all}; do
    mkdir -p "fuzz/grown/$name"
    echo "fuzzing $name for $seconds s"
    "$programs/$name" -max_total_time="$seconds" -max_len=16384 -timeout=25 -rss_limit_mb=4096 -print_final_stats=1 \
        -verbosity=0 -artifact_prefix="fuzz/artifacts/$name-" "fuzz/grown/$name" "fuzz/corpus/$name" \
        2>"$target/$name.log" || { tail -n 40 "$target/$name.log" >&2; exit 1; }
    sed -n 's/^stat::number_of_executed_units: */  runs: /p' "$target/$name.log"
done
