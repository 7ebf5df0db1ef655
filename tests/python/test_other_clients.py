"""Clients without this library, written against the HTTP API alone: the sandbox serves them, too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SANDBOX, Sandbox

SPEED = 2000  # these clients use the wall's clock only

CLIENTS = {
    "curl": ["sh", str(ROOT / "tests/clients/generate.sh")],
    "requests": [sys.executable, str(ROOT / "tests/clients/generate.py")],
}
PROMPT = 'Plan "B"\n- One\n- Two'  # a deck of three slides
client = pytest.mark.parametrize("name", list(CLIENTS))


class World:
    """A namespace of the sandbox for one test, used by its admin API."""

    def __init__(self, sandbox: Sandbox, namespace: str) -> None:
        self.url, self.namespace = sandbox.base_url, namespace
        self.admin("clock", {"speed": SPEED})

    def admin(self, path: str, body: dict[str, Any] | None = None) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        data = None if body is None else json.dumps(body).encode()
        with opener.open(
            f"{self.url}/_sandbox/{path}?namespace={self.namespace}", data, timeout=30
        ) as answer:
            return json.load(answer)

    def requests(self, path: str) -> list[dict[str, Any]]:
        """The requests to this path, in their order."""
        return [entry for entry in self.admin("journal")["entries"] if entry["path"].startswith(path)]

    def billed_once(self) -> None:
        """One job, one bill: three slides."""
        assert len(self.admin("jobs")["jobs"]) == 1
        assert self.admin("credits")["credits"] == 8

    def run(self, name: str, directory: Path) -> Path:
        """Runs a client and returns its file."""
        done = run(
            [*CLIENTS[name], PROMPT, str(directory)],
            PERCEPTIS_API_BASE_URL=self.url,
            PERCEPTIS_API_KEY=f"sk-sandbox-{self.namespace}",
        )
        return sound(done, directory)


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    # The proxy of the tests does not exist, and both clients would use it even for this machine.
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    environment |= {"POLL_SECONDS": "0.05", **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)


def sound(done: subprocess.CompletedProcess[str], directory: Path) -> Path:
    assert done.returncode == 0, done.stderr
    (file,) = done.stdout.splitlines()
    assert [str(path) for path in directory.iterdir()] == [file]
    assert "sk-sandbox" not in done.stdout + done.stderr
    with zipfile.ZipFile(file) as package:
        slides = [name for name in package.namelist() if name.startswith("ppt/slides/slide")]
    assert len(slides) == 8
    return Path(file)


@client
def test_it_runs_unchanged(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    world = World(sandbox, f"clients-plain-{name}")
    file = world.run(name, tmp_path)
    world.billed_once()
    (job,) = world.admin("jobs")["jobs"]
    assert file.name == f"{job['job_id']}-1.pptx"
    assert job["prompt"] == PROMPT and job["idempotency_key"]
    assert all(entry["key"] is None for entry in world.requests("/files/")), "no key goes to a download"


@client
def test_it_bears_a_service_that_is_away(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    world = World(sandbox, f"clients-503-{name}")
    for endpoint in ("generate", "status"):
        world.admin("rules", {"scenario": f"http_503@{endpoint}", "times": 2})
    world.run(name, tmp_path)
    world.billed_once()
    assert [rule["fired"] for rule in world.admin("rules")["rules"]] == [2, 2]
    assert [entry["status"] for entry in world.requests("/api/v1/generate")] == [503, 503, 202]


@client
def test_it_waits_as_long_as_it_is_told(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    world = World(sandbox, f"clients-429-{name}")
    for endpoint in ("generate", "status"):
        world.admin("rules", {"scenario": f"http_429=1@{endpoint}", "times": 1})
    world.run(name, tmp_path)
    world.billed_once()
    assert [rule["fired"] for rule in world.admin("rules")["rules"]] == [1, 1]
    for path in ("/api/v1/generate", "/api/v1/status/"):
        told, next_one = world.requests(path)[:2]
        assert told["status"] == 429
        assert next_one["real_ms"] - told["real_ms"] >= 1000, "Retry-After: 1"


@client
def test_an_answer_that_is_lost_is_no_second_job(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    world = World(sandbox, f"clients-reset-{name}")
    world.admin("rules", {"scenario": "reset_after@generate", "times": 1})
    world.run(name, tmp_path)
    world.billed_once()
    first, second = world.requests("/api/v1/generate")
    assert first["faults"] and not second["faults"]
    assert first["idempotency_key"] == second["idempotency_key"]
    assert first["job_id"] == second["job_id"]


@client
def test_a_file_that_is_damaged_or_gone_is_fetched_again(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    world = World(sandbox, f"clients-files-{name}")
    for scenario in ("expired=410", "zip_bad_crc"):
        world.admin("rules", {"scenario": scenario, "times": 1})
    world.run(name, tmp_path)
    world.billed_once()
    urls = world.requests("/files/")
    assert [entry["status"] for entry in urls] == [410, 200, 200]


@client
def test_a_refusal_is_told_and_not_repeated(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    world = World(sandbox, f"clients-trial-{name}")
    done = run(
        [*CLIENTS[name], PROMPT, str(tmp_path)],
        PERCEPTIS_API_BASE_URL=world.url,
        PERCEPTIS_API_KEY=f"sk-sandbox-{world.namespace}--trial",
    )
    assert done.returncode == 1 and "403" in done.stderr, done.stderr
    assert len(world.requests("/")) == 1
    assert not list(tmp_path.iterdir())


@client
def test_it_runs_beside_a_sandbox_of_its_own(name: str, tmp_path: Path) -> None:
    command = [str(SANDBOX), "exec", "--speed", str(SPEED), "--", *CLIENTS[name], PROMPT, str(tmp_path)]
    sound(run(command), tmp_path)
