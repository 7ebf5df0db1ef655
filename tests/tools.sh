#!/bin/sh
# Installs the tools that `make` needs (with apt, as root), or says in one line which are missing.
# Usage: tools.sh [benches]   everything for the tests, or what the benches are compiled with alone
set -eu

missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
header() { printf '#include <%s>\n' "$1" | ${CC:-cc} -E - >/dev/null 2>&1 || missing="$missing $2"; }
need gcc gcc
# The tests compile nothing with these, but clang-tidy reads the benches.
header curl/curl.h libcurl4-openssl-dev
header openssl/evp.h libssl-dev
header sqlite3.h libsqlite3-dev
if [ "${1:-}" != benches ]; then
    need g++ g++
    need clang clang
    need clang++ clang
    need nm binutils
    need valgrind valgrind
    need cmake cmake
    need pkg-config pkg-config
    need openssl openssl
    need soffice libreoffice-impress
    need pdftotext poppler-utils
    need curl curl
    need chromium chromium
    need python3 python3
    python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
    # clang has the sanitizers in a package of their own.
    echo 'int main(void) { return 0; }' | clang -fsanitize=address -x c - -o /dev/null 2>/dev/null \
        || missing="$missing libclang-rt-dev"
    pkg-config --exists libuv 2>/dev/null || missing="$missing libuv1-dev"
fi
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi
echo "these packages are needed, please install them:$missing" >&2
exit 1
