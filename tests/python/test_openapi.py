"""The sandbox's description of the API, held against what it does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import Sandbox


def conforms(sandbox: Sandbox, key: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs schemathesis with a fixed seed."""
    program = Path(sys.executable).parent / "schemathesis"
    return subprocess.run(
        [
            str(program), "run", f"{sandbox.base_url}/openapi.json", "--header", f"Authorization: Bearer {key}",
            "--max-examples", "40", "--seed", "1", "--no-color", *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=directory,  # it keeps what it found beside it
        env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
    )  # fmt: skip


def test_the_service_does_what_its_description_says(sandbox: Sandbox, tmp_path: Path) -> None:
    done = conforms(sandbox, "sk-sandbox-openapi", tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]


def test_a_service_that_does_otherwise_is_found_out(sandbox: Sandbox, tmp_path: Path) -> None:
    done = conforms(
        sandbox, "sk-sandbox-openapi-broken--numbers_for_text", tmp_path, "--phases", "coverage,stateful"
    )
    assert done.returncode == 1, done.stdout[-6000:]
