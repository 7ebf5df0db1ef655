"""Programs that are killed and started again, and processes that share a ledger, pay once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pptx
import pytest
from conftest import ROOT, Namespace, run_python, until

import perceptis
from orders import make

CALLER = str(ROOT / "tests" / "callers" / "restart.py")

Moment = Callable[[Namespace, Path, "subprocess.Popen[str]"], None]
"""Waits until a program has reached this point."""


def killed(namespace: Namespace, arguments: list[str], moment: Moment, out: Path) -> None:
    """Starts a program and kills it at this moment."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=namespace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    moment(namespace, out, process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was at work still"


def before_the_answer(namespace: Namespace, out: Path, process: subprocess.Popen[str]) -> None:
    until(lambda: len(namespace.jobs()) == 1, process)


def while_the_job_runs(namespace: Namespace, out: Path, process: subprocess.Popen[str]) -> None:
    polls = namespace.jobs()[0]["polls"] if namespace.jobs() else 0
    until(lambda: namespace.jobs() and namespace.jobs()[0]["polls"] > polls, process)


def while_it_downloads(namespace: Namespace, out: Path, process: subprocess.Popen[str]) -> None:
    namespace.freeze(False)
    until(lambda: [part for part in out.glob("*.part") if part.stat().st_size], process)


MOMENTS: list[tuple[str, Moment, str]] = [
    ("before the answer", before_the_answer, "no_answer@generate*1"),
    ("while the job runs", while_the_job_runs, ""),
    ("while it downloads", while_it_downloads, "stall_body@download*1"),
]


@pytest.mark.parametrize(
    "moments", [MOMENTS[:1], MOMENTS[1:2], MOMENTS[2:], MOMENTS], ids=["answer", "job", "file", "all"]
)
def test_restart_pays_once(
    namespace: Namespace, tmp_path: Path, moments: list[tuple[str, Moment, str]]
) -> None:
    line = [CALLER, namespace.name, str(tmp_path)]
    namespace.freeze(True)
    for _, moment, scenario in moments:
        if scenario:
            namespace.strike(scenario)
        killed(namespace, line, moment, tmp_path)
    namespace.freeze(False)
    done = run_python(*line, env=namespace.environment)
    assert done.returncode == 0, done.stderr
    job_id, path = done.stdout.split()
    (job,) = namespace.jobs()
    assert (job["job_id"], job["idempotency_key"]) == (job_id, f"order-{namespace.name}")
    assert namespace.credits() == job["slides"] > 1
    assert os.listdir(tmp_path) == [Path(path).name], "one file, and nothing beside it"
    assert len(pptx.Presentation(path).slides) == job["slides"]

    # The next run sends no request.
    sent = len(namespace.requests("/"))
    again = run_python(*line, env=namespace.environment)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert len(namespace.requests("/")) == sent


def test_the_command_line_goes_on_without_a_key(namespace: Namespace, tmp_path: Path) -> None:
    line = ["-m", "perceptis", "run", "Why teams adopt Rust", "-o", str(tmp_path), "--name", "rust"]
    namespace.freeze(True)
    for _ in range(2):
        killed(namespace, line, while_the_job_runs, tmp_path)
    namespace.freeze(False)
    done = run_python(*line, env=namespace.environment)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/rust.pptx\n"), done.stderr
    (job,) = namespace.jobs()
    assert "1 submission of an earlier call is unsettled" in done.stderr and job["job_id"] in done.stderr
    assert namespace.credits() == job["slides"]
    assert os.listdir(tmp_path) == ["rust.pptx"]


ORDERS = [f"order-{number}" for number in range(6)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_a_ledger(namespace: Namespace, tmp_path: Path, method: str) -> None:
    with multiprocessing.get_context(method).Pool(4) as pool:
        # Each worker begins with another order, and meets orders that other workers work on.
        shares = [ORDERS[number:] + ORDERS[:number] for number in range(4)]
        made = pool.starmap(make, [(namespace.config, str(tmp_path), share) for share in shares], chunksize=1)
        pool.close()
        pool.join()
    assert len({frozenset(results) for results in made}) == 1 and len(made) == 4, "all have the same"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{order}.pptx" for order in ORDERS]
    assert sorted(job["idempotency_key"] for job in namespace.jobs()) == ORDERS
    assert namespace.credits() == len(ORDERS)


def fork_worker(namespace: Namespace, directory: Path, orders: list[str], inherited: perceptis.Client) -> int:
    """A worker of a forking server: it inherits its parent's client, and makes its own."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        try:
            inherited.jobs()
        except perceptis.ForkedError:
            inherited.close()
            code = 0 if len(make(namespace.config, str(directory), orders)) == len(orders) else 2
    finally:
        os._exit(code)


def test_a_server_that_forks_its_workers_and_replaces_them(namespace: Namespace, tmp_path: Path) -> None:
    with perceptis.Client(**namespace.config) as parent:
        # The server has the ledger open, and threads, when it forks.
        parent.generate("First", output_type="single_slide", idempotency_key="first")
        namespace.freeze(True)
        shares = [ORDERS[number::3] for number in range(3)]
        workers = {fork_worker(namespace, tmp_path, share, parent): share for share in shares}
        until(lambda: len(namespace.jobs()) == 1 + len(workers))
        # One worker dies in the middle of its work, and the server starts another one.
        lost = next(iter(workers))
        os.kill(lost, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(lost, 0)[1]) == -signal.SIGKILL
        (orphan,) = (left for left in parent.unsettled() if left.idempotency_key != "first")
        share = workers.pop(lost)
        assert orphan.idempotency_key == share[0], "the others are at work"
        workers[fork_worker(namespace, tmp_path, share, parent)] = share
        namespace.freeze(False)
        for worker in workers:
            assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0
        (first,) = parent.recover().jobs
        assert (first.idempotency_key, first.outcome) == ("first", "settled")
        known = parent.jobs()
    assert {job.state for job in known} == {"settled"}
    assert sorted(job.idempotency_key for job in known) == ["first", *ORDERS]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{order}.pptx" for order in ORDERS]
    assert len(namespace.jobs()) == namespace.credits() == 1 + len(ORDERS)
