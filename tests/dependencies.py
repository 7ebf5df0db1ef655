"""Checks the crates that the workspace depends on, by `cargo metadata` and deny.toml.

Licences, sources and bans are what deny.toml allows; no crate needs a newer Rust than Cargo.toml promises;
and the sources of each crate of the workspace name its dependencies. `cargo deny` checks the first three as
well, but it takes minutes to build, so `make lint` runs this program.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
Package = dict[str, Any]


def metadata() -> tuple[list[Package], list[Package]]:
    """All packages that are built on this machine, and those of the workspace."""
    version = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    host = re.search(r"^host: (\S+)$", version, re.MULTILINE)
    assert host is not None
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", host[1]]
    read = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout)
    used = {node["id"] for node in read["resolve"]["nodes"]}
    packages = [package for package in read["packages"] if package["id"] in used]
    return packages, [package for package in packages if package["source"] is None]


def allows(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression can be met with these licences. AND binds more than OR."""
    tokens = re.findall(r"[()]|[^\s()/]+|/", expression)

    def either() -> bool:
        met = both()
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            met = both() or met
        return met

    def both() -> bool:
        met = single()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = single() and met
        return met

    def single() -> bool:
        name = tokens.pop(0)
        if name == "(":
            met = either()
            tokens.pop(0)
            return met
        if tokens and tokens[0] == "WITH":
            tokens.pop(0)
            name += f" WITH {tokens.pop(0)}"
        return name in allowed

    return either()


def names(entry: dict[str, str], package: Package) -> bool:
    """Whether an entry of deny.toml, `NAME` or `NAME@VERSION`, names this package."""
    name, _, version = entry["crate"].partition("@")
    return package["name"] == name and f"{package['version']}.".startswith(f"{version}." if version else "")


def denied(packages: list[Package], rules: dict[str, Any]) -> Iterator[str]:
    """What deny.toml does not allow."""
    for package in packages:
        crate = f"{package['name']} {package['version']}"
        allowed = set(rules["licenses"]["allow"])
        for exception in rules["licenses"]["exceptions"]:
            allowed |= set(exception["allow"]) if names(exception, package) else set()
        if not allows(package["license"] or "none", allowed):
            yield f"{crate} has a licence that deny.toml does not allow: {package['license']}"
        source = package["source"]
        if source is not None and not re.fullmatch(r"registry\+.*/crates\.io-index", source):
            yield f"{crate} comes from a place that deny.toml does not allow: {source}"
        if any(names(entry, package) for entry in rules["bans"]["deny"]):
            yield f"{crate} is banned by deny.toml"
        for dependency in package["dependencies"] if source is None else ():
            if dependency["req"] == "*" and dependency.get("path") is None:
                yield f"{crate} depends on any version of {dependency['name']}"
    skipped = rules["bans"]["skip"]
    kept = [each for each in packages if not any(names(entry, each) for entry in skipped)]
    for name, count in Counter(package["name"] for package in kept).items():
        if count > 1:
            yield f"{name} is there in {count} versions: `cargo tree --invert {name}@VERSION` says why"
    for entry in skipped:
        if not any(names(entry, package) for package in packages):
            yield f"deny.toml skips {entry['crate']}, which no crate needs any more"


def too_new(packages: list[Package], own: list[Package]) -> Iterator[str]:
    """Crates that need a newer Rust than Cargo.toml promises."""
    promised = min(release(package["rust_version"]) for package in own)
    for package in packages:
        if release(package["rust_version"] or "1") > promised:
            yield f"{package['name']} {package['version']} needs Rust {package['rust_version']}"


def release(version: str) -> tuple[int, ...]:
    """A version of Rust, of which the third number does not matter."""
    return tuple(int(number) for number in version.split(".")[:2])


def unused(package: Package, libraries: dict[str, str]) -> Iterator[str]:
    """Dependencies that the sources of a package do not name."""
    places: dict[str, set[Path]] = {"build": set(), "dev": set(), "normal": set()}
    for target in package["targets"]:
        source = Path(target["src_path"])
        if target["kind"] == ["custom-build"]:
            places["build"].add(source)
            continue
        files = set(source.parent.rglob("*.rs"))
        places["dev"] |= files
        if set(target["kind"]) & {"bin", "cdylib", "lib", "staticlib"}:
            places["normal"] |= files
    texts = {kind: "\n".join(map(Path.read_text, sorted(files))) for kind, files in places.items()}
    metadata = package["metadata"] or {}
    ignored = metadata.get("cargo-machete", {}).get("ignored", [])
    for dependency in package["dependencies"]:
        name = dependency["name"]
        library = dependency["rename"] or libraries.get(name, name)
        kind = dependency["kind"] or "normal"
        if name not in ignored and not re.search(rf"\b{library.replace('-', '_')}\b", texts[kind]):
            yield f"{package['name']} does not use its dependency {name} ({kind})"


def main() -> int:
    """Prints each fault as a line."""
    packages, own = metadata()
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    libraries = {
        package["name"]: target["name"]
        for package in packages
        for target in package["targets"]
        if set(target["kind"]) & {"lib", "proc-macro", "rlib"}
    }
    faults = [*denied(packages, rules), *too_new(packages, own)]
    for package in own:
        faults += unused(package, libraries)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
