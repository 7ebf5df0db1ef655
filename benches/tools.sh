#!/bin/sh
# Installs what `make bench` compares with (with apt, as root), or says in one line what is missing.
set -eu

missing=
have() { printf '#include <%s>\n' "$1" | ${CC:-cc} -E - >/dev/null 2>&1 || missing="$missing $2"; }
have curl/curl.h libcurl4-openssl-dev
have openssl/evp.h libssl-dev
have sqlite3.h libsqlite3-dev
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi
echo "the benches need these packages, please install them:$missing" >&2
exit 1
