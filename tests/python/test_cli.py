"""``python -m perceptis``, used by a person and by a script."""

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
from conftest import SPEED, Namespace, Script, run_python


def cli(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    if arguments[0] == "status":
        # The caller's deadline is a minute: here a minute of the wall's clock.
        options["env"] = {**options.get("env", os.environ), "PERCEPTIS_TIME_SCALE": "1"}
    return run_python("-m", "perceptis", *arguments, **options)


def left_in_work(namespace: Namespace, count: int, *line: str) -> subprocess.CompletedProcess[str]:
    """A command whose deadline ended it while its job went on: see ``conftest.left_in_work``."""
    for timeout in ("10", "40", "160", "640"):
        done = cli(*line, "--timeout", timeout, env=namespace.environment)
        if done.returncode == 124 and len(namespace.jobs()) == count:
            return done
    raise AssertionError("no job before any deadline")


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
    assert re.search(
        r"^(waiting|pending|processing|submitting|downloading|completed).* \d+:\d\d$",
        done.stderr,
        re.MULTILINE,
    )
    assert "\x1b" not in done.stderr, "plain lines where there is no terminal"
    again = cli("run", "Why teams adopt Rust", "-o", str(out), "--name", "rust")
    assert again.returncode == 12 and "exists" in again.stderr


@pytest.mark.usefixtures("environment")
def test_the_steps_and_their_json(tmp_path: Path) -> None:
    first = cli(
        "run", "-", "--type", "single_slide", "--variants", "2", "--json", cwd=tmp_path, input="A prompt"
    )
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
        except OSError:  # the other end of the terminal is closed
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
    scripted.on(
        "/api/v1/status/failed", 200, {"status": "failed", "error": {"code": "bad", "message": "luck"}}
    )
    scripted.on("/api/v1/status/slow", 200, {"status": "processing"})
    scripted.on("/api/v1/status/html", 200, b"<html>", "text/html")
    for arguments, code, says in [
        (("status", "none"), 5, "NOT_FOUND"),
        (("status", "key"), 4, "UNAUTHENTICATED"),
        (("status", "plan"), 4, "NOT_ELIGIBLE"),
        (("wait", "failed"), 10, "bad: luck"),
        (("wait", "slow", "--timeout", "10"), 124, "slow"),
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


def test_the_ledger_is_listed_settled_and_forgotten(namespace: Namespace, tmp_path: Path) -> None:
    def asked(*arguments: str) -> subprocess.CompletedProcess[str]:
        return cli(*arguments, env=namespace.environment)

    line = ("run", "Why teams adopt Rust", "-o", str(tmp_path), "--name", "rust")
    assert (asked("jobs").stdout, asked("recover").stdout) == ("", "")
    namespace.freeze(True)
    left_in_work(namespace, 1, *line, "--idempotency-key", "order-1")
    (job,) = namespace.jobs()
    listed = asked("jobs", "--unsettled").stdout
    assert re.fullmatch(
        rf"accepted {job['job_id']} order-1 [-0-9T:]+Z {tmp_path}/rust \(.*TIMEOUT\)\n", listed
    ), listed
    history = asked("jobs", "order-1", "--history").stdout.splitlines()
    assert history[0] + "\n" == listed and any(event.endswith(" recorded") for event in history[1:])

    # The next run says so before it costs anything.
    other_line = ("run", "Other", "--type", "single_slide", "-o", str(tmp_path), "--name", "other")
    other = left_in_work(namespace, 2, *other_line)
    first, shown = other.stderr.splitlines()[:2]
    assert first.startswith("1 submission of an earlier call is unsettled; python -m perceptis recover ")
    assert shown.strip() + "\n" == listed
    told = asked("run", "", "--json").stderr.splitlines()
    assert [entry["state"] for entry in json.loads(told[0])["unsettled"]] == ["accepted", "accepted"]

    waits = asked("recover", "--timeout", "10")
    assert waits.returncode == 14 and waits.stdout.startswith(f"unsettled {job['job_id']} order-1\n")
    assert f"{job['job_id']}: TIMEOUT: " in waits.stderr
    namespace.freeze(False)
    one = asked("recover", "order-1")
    assert (one.returncode, one.stdout) == (0, f"delivered {job['job_id']} order-1 {tmp_path}/rust.pptx\n"), (
        one.stderr
    )
    rest = json.loads(asked("recover", "--json").stdout)
    assert [entry["outcome"] for entry in rest["jobs"]] == ["delivered"] and rest["unsettled"] == 0
    assert sorted(os.listdir(tmp_path)) == ["other.pptx", "rust.pptx"] and len(namespace.jobs()) == 2

    assert asked("forget").returncode == 2
    assert asked("forget", "order-2").returncode == 5
    assert (asked("forget", "order-1").returncode, len(asked("jobs").stdout.splitlines())) == (0, 1)
    assert (asked("forget", "--settled").returncode, json.loads(asked("jobs", "--json").stdout)) == (
        0,
        {"jobs": []},
    )
    assert asked(*line, "--idempotency-key", "order-1", "--overwrite").returncode == 6, (
        "it is not bought again in silence"
    )
    damaged = {**namespace.environment, "PERCEPTIS_LEDGER": str(tmp_path)}
    for arguments in (line, ("jobs",), ("recover",)):
        refused = cli(*arguments, env=damaged)
        assert (
            refused.returncode == 13 and "LEDGER" in refused.stderr and "PERCEPTIS_LEDGER" in refused.stderr
        )


@pytest.mark.parametrize("command", ["run", "recover"])
def test_ctrl_c_costs_nothing(namespace: Namespace, tmp_path: Path, command: str) -> None:
    """An interrupted run goes on with the same command, or is settled."""
    namespace.freeze(True)
    line = ["run", "Why teams adopt Rust", "-o", str(tmp_path), "--name", "rust"]
    if command == "recover":
        left_in_work(namespace, 1, *line)
    process = subprocess.Popen(
        [sys.executable, "-m", "perceptis", *(line if command == "run" else ["recover"])],
        env=namespace.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while not re.match(r"recovering|(pending|processing) job_", said := process.stderr.readline()):
        assert said, "it ended early"
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert ("the same line again" if command == "run" else "the next recover") in rest
    namespace.freeze(False)
    done = cli(*line, env=namespace.environment)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/rust.pptx\n"), done.stderr
    assert len(namespace.jobs()) == 1


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
