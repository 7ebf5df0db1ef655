#!/bin/sh
# Installs or uninstalls the library for C programs.
# Usage: install.sh install|uninstall LIBRARY VERSION
# Variables: PREFIX (/usr/local), DESTDIR (none), LIBDIR (lib, below PREFIX)
set -eu

action=$1 library=$2 version=$3
prefix=${PREFIX:-/usr/local} libdir=${LIBDIR:-lib}
case $prefix in /*) ;; *) echo "PREFIX must be absolute, not $prefix" >&2; exit 2 ;; esac
case $libdir in /* | *..*) echo "LIBDIR must be a path below PREFIX, not $libdir" >&2; exit 2 ;; esac

here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}$prefix
lib=$root/$libdir
headers="perceptis.h perceptis.hpp $(cd "$here/../../include" && ls perceptis/*.hpp)"
# One a line: a prefix may hold spaces.
files="$(for header in $headers; do echo "$root/include/$header"; done)
$lib/libperceptis.so.$version
$lib/libperceptis.so.0
$lib/libperceptis.so
$lib/pkgconfig/perceptis.pc
$lib/cmake/perceptis/perceptisConfig.cmake
$lib/cmake/perceptis/perceptisConfigVersion.cmake"

if [ "$action" = uninstall ]; then
    echo "$files" | while IFS= read -r file; do rm -f "$file"; done
    rmdir "$lib/cmake/perceptis" "$root/include/perceptis" 2>/dev/null || true
    exit 0
fi
[ "$action" = install ] || { echo "install or uninstall, not $action" >&2; exit 2; }

# One "../" for each folder between LIBDIR and PREFIX, so that what is installed can be moved.
up=$(echo "$libdir" | sed 's:[^/][^/]*:..:g')
major=${version%%.*} rest=${version#*.}
filled() {
    sed -e "s:@VERSION@:$version:g" -e "s:@LIBDIR@:$libdir:g" -e "s:@UP@:../$up:g" \
        -e "s:@UP_FROM_LIBDIR@:$up:g" -e "s:@MAJOR@:$major:g" -e "s:@MINOR@:${rest%%.*}:g" "$here/$1" >"$2"
    chmod 0644 "$2"
}

umask 022
mkdir -p "$lib/pkgconfig" "$lib/cmake/perceptis" "$root/include/perceptis"
# Renamed into place: a program that runs keeps the library that it has.
cp "$library" "$lib/.libperceptis.new"
chmod 0755 "$lib/.libperceptis.new"
mv -f "$lib/.libperceptis.new" "$lib/libperceptis.so.$version"
ln -sfn "libperceptis.so.$version" "$lib/libperceptis.so.0"
ln -sfn libperceptis.so.0 "$lib/libperceptis.so"
for header in $headers; do
    cp "$here/../../include/$header" "$root/include/$header"
    chmod 0644 "$root/include/$header"
done
filled perceptis.pc.in "$lib/pkgconfig/perceptis.pc"
filled perceptisConfig.cmake.in "$lib/cmake/perceptis/perceptisConfig.cmake"
filled perceptisConfigVersion.cmake.in "$lib/cmake/perceptis/perceptisConfigVersion.cmake"
