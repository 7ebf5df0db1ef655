"""``python -m perceptis``, as a person and as a script use it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import SPEED, Script, run_python


def cli(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return run_python("-m", "perceptis", *arguments, **options)


@pytest.fixture
def scripted(script: Script, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setenv("PERCEPTIS_API_BASE_URL", script.base_url)
    monkeypatch.setenv("PERCEPTIS_API_KEY", "sk-1")
    monkeypatch.setenv("PERCEPTIS_TIME_SCALE", str(SPEED))
    return script


@pytest.mark.usefixtures("environment")
def test_run_prints_the_path_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = cli("run", "Why teams adopt Rust", "--type", "deck", "-o", str(out), "--name", "rust")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}/rust.pptx\n"
    assert re.search(r"^(waiting|pending|processing|submitting|downloading|completed).* \d+:\d\d$", done.stderr, re.M)
    assert "\x1b" not in done.stderr, "plain lines where there is no terminal"
    again = cli("run", "Why teams adopt Rust", "-o", str(out), "--name", "rust")
    assert again.returncode == 12 and "exists" in again.stderr


@pytest.mark.usefixtures("environment")
def test_the_steps_and_their_json(tmp_path: Path) -> None:
    first = cli("run", "-", "--type", "single_slide", "--variants", "2", "--json", cwd=tmp_path, input="A prompt")
    result = json.loads(first.stdout)
    assert first.returncode == 0 and len(result["files"]) == 2
    job = result["job_id"]
    assert cli("status", job).stdout == "completed\n"
    assert json.loads(cli("status", job, "--json").stdout)["job_id"] == job
    assert cli("wait", job).stdout == "completed\n"
    fetched = cli("download", job, "-o", str(tmp_path / "again"))
    assert fetched.stdout.split() == [f"{tmp_path}/again/{job}-{n}.pptx" for n in (1, 2)]


@pytest.mark.usefixtures("environment")
def test_a_terminal_gets_one_changing_line(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "perceptis", "run", "Terminal", "-o", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 1024)
        except OSError:  # the terminal's other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert process.stdout is not None and process.stdout.read().startswith(str(tmp_path))
    assert process.wait() == 0
    assert shown.count(b"\n") == 0 and shown.count(b"\r\x1b[K") >= 2, shown


def test_exit_codes_tell_what_happened(scripted: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"/api/v1/status/none": 404, "/api/v1/status/key": 401, "/api/v1/status/plan": 403}
    for path, status in answers.items():
        scripted.on(path, status, {"error": {"code": "c", "message": "m"}})
    scripted.on("/api/v1/status/failed", 200, {"status": "failed", "error": {"code": "bad", "message": "luck"}})
    scripted.on("/api/v1/status/slow", 200, {"status": "processing"})
    scripted.on("/api/v1/status/html", 200, b"<html>", "text/html")
    for arguments, code, says in [
        (("status", "none"), 5, "NOT_FOUND"),
        (("status", "key"), 4, "UNAUTHENTICATED"),
        (("status", "plan"), 4, "NOT_ELIGIBLE"),
        (("wait", "failed"), 10, "bad: luck"),
        (("wait", "slow", "--timeout", "60"), 124, "slow"),
        (("status", "html"), 8, "PROTOCOL"),
        (("status", "a/b"), 2, "job_id"),
        (("run", "", "-o", "/tmp"), 2, "prompt"),
        (("run", "p", "-o", "/proc/nowhere"), 12, "/proc/nowhere"),
        (("run", "p", "--variants", "2"), 2, "variant_count"),
    ]:
        done = cli(*arguments)
        assert done.returncode == code, (arguments, done.stderr)
        assert says in done.stderr, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
    as_json = json.loads(cli("status", "none", "--json").stderr)
    assert (as_json["code"], as_json["http_status"], as_json["billed"]) == ("NOT_FOUND", 404, "unknown")
    monkeypatch.delenv("PERCEPTIS_API_KEY")
    assert cli("status", "j").returncode == 3
    assert cli("nonsense").returncode == 2
    assert "exit codes" in cli("--help").stdout


def test_ctrl_c_says_how_to_go_on(scripted: Script) -> None:
    scripted.on("/api/v1/status/j1", 200, {"status": "processing"})
    process = subprocess.Popen(
        [sys.executable, "-m", "perceptis", "wait", "j1"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "j1" not in (line := process.stderr.readline()):
        assert line, "it ended early"
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "python -m perceptis wait j1" in rest
