"""The sandbox's description of its APIs, the service's and its own, compared with its behaviour."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SANDBOX


@pytest.fixture
def base_url() -> Iterator[str]:
    """A sandbox for this test alone: its requests to the admin API would disturb other tests."""
    process = subprocess.Popen(
        [str(SANDBOX), "serve", "--exit-on-stdin-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    yield json.loads(process.stdout.readline())["base_url"]
    process.stdin.close()
    assert process.wait(timeout=30) == 0


def conforms(base_url: str, key: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs schemathesis with a fixed seed."""
    program = Path(sys.executable).parent / "schemathesis"
    return subprocess.run(
        [
            str(program), "--config-file", str(Path(__file__).parent / "schemathesis.toml"),
            "run", f"{base_url}/openapi.json", "--header", f"Authorization: Bearer {key}",
            "--max-examples", "40", "--seed", "1", "--no-color", *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=1200,
        cwd=directory,  # schemathesis keeps its findings in its working directory
        env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
    )  # fmt: skip


def test_the_sandbox_does_what_its_description_says(base_url: str, tmp_path: Path) -> None:
    # These jobs are in the default namespace of the admin API, so it is asked about jobs that exist.
    done = conforms(base_url, "sk-openapi", tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Tested: 21" in done.stdout, done.stdout[-6000:]


def test_a_service_that_does_otherwise_is_found_out(base_url: str, tmp_path: Path) -> None:
    done = conforms(
        base_url, "sk-sandbox-openapi-broken--numbers_for_text", tmp_path,
        "--phases", "coverage,stateful", "--include-path-regex", "^/api/",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout[-6000:]
    assert '7 is not one of "single_slide" or "deck"' in done.stdout, done.stdout[-6000:]
