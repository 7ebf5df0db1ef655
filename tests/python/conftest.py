"""Shared by the tests: a sandbox, a server that plays a script, and an environment without secrets."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import perceptis
from certificates import Certificates
from perceptis import _calls

ROOT = Path(__file__).resolve().parents[2]
SPEED = 20
"""How many times as fast as the wall's clock the clocks of the sandbox and of the clients run. It is low
enough that a loaded machine keeps the library's own deadlines, of which a minute is the shortest."""
QUICK = "--takes=20"
"""The part of an API key that makes the sandbox's jobs quick enough for that."""
PATIENCE = 180 * SPEED
"""The default deadline of a call, in seconds: three minutes of the wall's clock."""


def needed(variable: str) -> Path:
    """A file that the make target names; the tests need it."""
    value = os.environ.get(variable)
    if not value or not Path(value).exists():
        pytest.exit(f"{variable} must name a file: run these tests with `make test-python`", returncode=1)
    return Path(value)


SANDBOX = needed("TEST_SANDBOX")
LIBRARY = needed("TEST_LIBRARY")

# Background jobs of a shell ignore SIGINT, and so do their children: tests of Ctrl-C must not depend on it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Sandbox:
    base_url: str
    api_key: str

    @property
    def config(self) -> dict[str, Any]:
        """A client's arguments."""
        return {"base_url": self.base_url, "api_key": self.api_key}

    @property
    def environment(self) -> dict[str, str]:
        """A program's variables."""
        return {
            "PERCEPTIS_API_BASE_URL": self.base_url,
            "PERCEPTIS_API_KEY": self.api_key,
            "PERCEPTIS_TIME_SCALE": str(SPEED),
        }


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees a variable that it did not set, least of all a real API key or another test's ledger.

    The network's timeouts are set, so that a loaded machine does not look like a fault.
    """
    for name in list(os.environ):
        if name.startswith("PERCEPTIS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("CONNECT", "SUBMIT", "STATUS", "DOWNLOAD_IDLE"):
        monkeypatch.setenv(f"PERCEPTIS_{name}_TIMEOUT_MS", str(PATIENCE * 1000))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call meets its deadline, unless the test sets one."""
    original = _calls.request_options

    def patiently(values: Any, timeout: float | None) -> Any:
        return original(values, PATIENCE if timeout is None else timeout)

    monkeypatch.setattr(_calls, "request_options", patiently)


def left_in_work(call: Callable[[float], Any]) -> perceptis.TimeoutError:
    """The error of a call whose deadline, in seconds, ended it while its job went on.

    How long the machine takes to come so far is not tested: each deadline is longer than the one before.
    """
    for timeout in (10.0, 40.0, 160.0, 640.0):
        with pytest.raises((perceptis.TimeoutError, perceptis.OutcomeUnknownError)) as caught:
            call(timeout)
        if isinstance(caught.value, perceptis.TimeoutError) and caught.value.job_id is not None:
            return caught.value
    raise AssertionError("no job before any deadline")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    process = subprocess.Popen(
        [str(SANDBOX), "serve", "--speed", str(SPEED), "--exit-on-stdin-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    ready = json.loads(process.stdout.readline())
    yield Sandbox(ready["base_url"], ready["api_key"] + QUICK)
    process.stdin.close()
    assert process.wait(timeout=30) == 0


class Namespace:
    """A namespace of one test in the shared sandbox, with its own jobs, clock, rules and bills."""

    _numbers = itertools.count(1)
    _open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def __init__(self, sandbox: Sandbox) -> None:
        self.base_url = sandbox.base_url
        self.name = f"py{next(self._numbers)}"
        self.api_key = f"sk-sandbox-{self.name}{QUICK}"

    @property
    def config(self) -> dict[str, Any]:
        """A client's arguments."""
        return {"api_base_url": self.base_url, "api_key": self.api_key, "time_scale": SPEED}

    @property
    def environment(self) -> dict[str, str]:
        """A program's variables."""
        return {
            **os.environ,
            "PERCEPTIS_API_BASE_URL": self.base_url,
            "PERCEPTIS_API_KEY": self.api_key,
            "PERCEPTIS_TIME_SCALE": str(SPEED),
        }

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Sends a request to the admin API."""
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.base_url}/_sandbox/{path}?namespace={self.name}"
        headers = {"Content-Type": "application/json"}
        with self._open(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
            return json.load(answer)

    def strike(self, scenario: str) -> None:
        """Adds a rule by which requests go wrong."""
        self.ask("rules", {"scenario": scenario})

    def clear(self) -> None:
        """Removes all rules: from now on nothing goes wrong."""
        self.ask("rules", method="DELETE")

    def freeze(self, frozen: bool) -> None:
        """Stops the clock of all jobs, or lets it go on."""
        self.ask("clock", {"frozen": frozen})

    def jobs(self) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = self.ask("jobs")["jobs"]
        return jobs

    def credits(self) -> int:
        billed: int = self.ask("credits")["credits"]
        return billed

    def requests(self, path: str) -> list[dict[str, Any]]:
        """The requests to paths with this beginning."""
        return [entry for entry in self.ask("journal")["entries"] if entry["path"].startswith(path)]


@pytest.fixture
def namespace(sandbox: Sandbox) -> Namespace:
    return Namespace(sandbox)


def until(holds: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> None:
    """Waits until a condition holds."""
    while not holds():
        assert process is None or process.poll() is None, process.communicate()


@pytest.fixture
def environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets the sandbox's variables, in this process and in processes that it starts."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)


@dataclass
class Script:
    """A server that answers the n-th request for a path with the n-th answer, and the last one for ever."""

    base_url: str = ""
    answers: dict[str, list[tuple[int, str, bytes]]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def on(self, path: str, status: int, body: Any, kind: str = "application/json") -> Script:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.setdefault(path, []).append((status, kind, data))
        return self


@pytest.fixture
def script() -> Iterator[Script]:
    played = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            played.seen.append(f"{self.command} {self.path}")
            answers = played.answers.get(self.path) or [(404, "application/json", b"{}")]
            status, kind, data = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    played.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield played
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certification authority for the tests."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


def run_python(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs this interpreter and returns its output as text."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=600, **options
    )
