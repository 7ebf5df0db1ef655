"""Puts the shared library into the wheel, built from the sources beside this package.

``PERCEPTIS_LIBRARY_FILE`` names a library that is already built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARY = "libperceptis.so.0"


class LibraryBuildHook(BuildHookInterface[Any]):
    """Builds the library with cargo, or takes the named one, and tags the wheel with its platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        library = self._library()
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        # ctypes needs no Python ABI: one wheel serves every version.
        build_data["tag"] = f"py3-none-{platform}"
        build_data["pure_python"] = False
        build_data["force_include"][str(library)] = f"perceptis/{LIBRARY}"

    def _library(self) -> Path:
        named = os.environ.get("PERCEPTIS_LIBRARY_FILE")
        if named:
            library = Path(named).resolve()
            if not library.is_file():
                raise SystemExit(f"PERCEPTIS_LIBRARY_FILE is {named}, which is not a file")
            return library
        root = Path(self.root).resolve().parent.parent
        if not (root / "src" / "operations.rs").is_file():
            raise SystemExit(
                "the Rust sources are not beside this package: build it from a checkout of libperceptis, "
                "or name a built library with PERCEPTIS_LIBRARY_FILE"
            )
        if shutil.which("cargo") is None:
            raise SystemExit(
                "cargo was not found: install a Rust toolchain, or name a built library with "
                "PERCEPTIS_LIBRARY_FILE"
            )
        environment = dict(os.environ)
        if not environment.get("RUSTFLAGS") and not environment.get("CARGO_ENCODED_RUSTFLAGS"):
            # As in the Makefile: the library does not contain the path of the home directory in which it was
            # built.
            crates = os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
            environment["CARGO_ENCODED_RUSTFLAGS"] = f"--remap-path-prefix={crates}/registry/src/="
        build = ["cargo", "build", "--locked", "--release", "--package", "perceptis"]
        subprocess.run(build, cwd=root, env=environment, check=True)
        target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
        return (root / target / "release" / "libperceptis.so").resolve()
