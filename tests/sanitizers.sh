#!/bin/sh
# The C programs under ThreadSanitizer and AddressSanitizer, with the library built for them. Needs no other toolchain:
# the compiler's own sanitizers are asked for by RUSTC_BOOTSTRAP. Usage: sanitizers.sh SEEDS
set -eu
cd "$(dirname "$0")/.."
seeds=$1
target=${CARGO_TARGET_DIR:-target}
host=$(rustc -vV | sed -n 's/^host: //p')
runtimes=$(rustc --print sysroot)/lib/rustlib/$host/lib
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # sanitizer, further flags of the compiler
    echo "building the library for $1"
    CARGO_TARGET_DIR=$target/$1 RUSTC_BOOTSTRAP=1 \
        RUSTFLAGS="-Zsanitizer=$1 -Cunsafe-allow-abi-mismatch=sanitizer $2" \
        cargo build --locked --quiet --package perceptis --target "$host"
    mkdir -p "$work/$1"
    ln -s "$(cd "$target/$1/$host/debug" && pwd)/libperceptis.so" "$work/$1/libperceptis.so.0"
    ln -s libperceptis.so.0 "$work/$1/libperceptis.so"
}

run() { # sanitizer, program, arguments
    sanitizer=$1 program=$2
    shift 2
    case $sanitizer in thread) short=t ;; address) short=a ;; esac
    if [ ! -x "$work/$program-$sanitizer" ]; then
        clang -std=c11 -g -fsanitize="$sanitizer" -pthread -Iinclude -c "tests/programs/$program.c" -o "$work/$program.o"
        # The runtime of the Rust compiler's own version: clang's may be older.
        clang "$work/$program.o" -pthread -rdynamic \
            -Wl,--whole-archive "$runtimes"/librustc-*_rt."$short"san.a -Wl,--no-whole-archive \
            -L"$work/$sanitizer" -lperceptis -ldl -lm -lrt -lstdc++ -o "$work/$program-$sanitizer"
    fi
    echo "$sanitizer: $program $*"
    TSAN_OPTIONS="suppressions=tests/tsan.supp halt_on_error=1 exitcode=66" ASAN_OPTIONS=detect_leaks=${leaks:-1} \
        LD_LIBRARY_PATH=$work/$sanitizer \
        "$target/debug/perceptis-sandbox" exec --speed 1 -- "$work/$program-$sanitizer" "$@"
}

cargo build --locked --quiet --package perceptis-sandbox
build thread "--cfg perceptis_tsan"
build address ""
for sanitizer in thread address; do
    for program in loops doorbell lifetimes main_loop log_thread; do run $sanitizer $program; done
    seed=1
    while [ "$seed" -le "$seeds" ]; do
        run $sanitizer storm "$seed" 1000
        seed=$((seed + 1))
    done
done
# ThreadSanitizer does not support a fork of a process with threads. In the child, memory of the parent's other threads
# looks leaked.
leaks=0
run address fork_queue
