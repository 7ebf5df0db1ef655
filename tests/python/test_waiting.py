"""Blocking calls: progress, Ctrl-C, forks, threads, the interpreter's end."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import SPEED, Namespace, Sandbox, Script, run_python

import perceptis

PROCESSING = {"job_id": "j1", "status": "processing"}


def of(sandbox: Sandbox) -> perceptis.Client:
    return perceptis.Client(api_key=sandbox.api_key, api_base_url=sandbox.base_url, time_scale=SPEED)


@pytest.fixture
def endless(script: Script, monkeypatch: pytest.MonkeyPatch) -> Script:
    """A job that never ends, for programs of the tests."""
    script.on("/api/v1/status/j1", 200, PROCESSING).on("/api/v1/generate", 202, {"job_id": "j1"})
    monkeypatch.setenv("PERCEPTIS_API_BASE_URL", script.base_url)
    monkeypatch.setenv("PERCEPTIS_API_KEY", "sk-1")
    monkeypatch.setenv("PERCEPTIS_TIME_SCALE", str(SPEED))
    return script


def test_progress_comes_on_the_callers_thread(namespace: Namespace, tmp_path: Path) -> None:
    seen: list[perceptis.Progress] = []
    threads: set[int] = set()
    # The job goes on once the program has seen its progress.
    namespace.strike("never_ends")

    def on_progress(progress: perceptis.Progress) -> None:
        if progress.status == "processing":
            namespace.clear()
        seen.append(progress)
        threads.add(threading.get_ident())

    with perceptis.Client(**namespace.config) as client:
        result = client.run("p", output_type="single_slide", directory=tmp_path, on_progress=on_progress)
        assert threads == {threading.get_ident()}
        assert all(progress.status for progress in seen)
        assert "processing" in [progress.status for progress in seen]
        assert (seen[-1].job_id, seen[-1].idempotency_key) == (result.job_id, result.idempotency_key)
        # A later call has progress of its own.
        waited: list[perceptis.Progress] = []
        client.wait(result.job_id, on_progress=waited.append)
        assert all(progress.job_id == result.job_id for progress in waited)


def test_an_exception_in_on_progress_is_raised_when_the_call_ends(sandbox: Sandbox, tmp_path: Path) -> None:
    def on_progress(progress: perceptis.Progress) -> None:
        raise LookupError(progress.phase)

    with of(sandbox) as client:
        with pytest.raises(LookupError) as caught:
            client.run("p", output_type="single_slide", directory=tmp_path, name="a", on_progress=on_progress)
        assert (tmp_path / "a.pptx").is_file(), "the job is not lost"
        assert caught.value.__cause__ is None
        with pytest.raises(LookupError) as caught:
            client.run(
                "p", output_type="single_slide", directory=tmp_path, timeout=10, on_progress=on_progress
            )
        assert isinstance(caught.value.__cause__, perceptis.TimeoutError), "nor is what else went wrong"


INTERRUPTED = """
import signal, sys, time, perceptis
client = perceptis.Client()
print("ready", flush=True)
try:
    if sys.argv[1] == "run":
        client.run(
            "p",
            output_type="deck",
            idempotency_key="order-1",
            on_progress=lambda progress: print(progress.status, flush=True),
        )
    else:
        client.wait("j1", on_progress=lambda progress: print(progress.status, flush=True))
except KeyboardInterrupt as interrupted:
    error = interrupted.__cause__
    assert isinstance(error, perceptis.CancelledError)
    print(time.monotonic(), error.job_id, error.idempotency_key, client.unsettled()[0].job_id, flush=True)
    client.close()
    raise
"""


@pytest.mark.parametrize(("call", "key"), [("run", "order-1"), ("wait", "None")])
def test_ctrl_c_says_the_job_and_how_to_resume(endless: Script, tmp_path: Path, call: str, key: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, call],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    while "processing" not in (line := process.stdout.readline()):
        assert line, "it ended early"
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    answered, *rest = out.split()
    assert rest == ["j1", key, "j1"], out
    assert process.returncode == -signal.SIGINT, "as the shell expects of a program that Ctrl-C has ended"
    assert "job j1 goes on" in said.splitlines()[-1] and "perceptis_wait" in said
    # A fifth of a second is expected; even a busy machine does not take twenty times as long.
    assert float(answered) - pressed < 4
    assert len(list(tmp_path.iterdir())) == 0, "the name is given back"


def test_ctrl_c_in_on_progress_is_ctrl_c(endless: Script) -> None:
    def on_progress(progress: perceptis.Progress) -> None:
        raise KeyboardInterrupt

    with perceptis.Client() as client:
        with pytest.raises(KeyboardInterrupt, match="job j1 goes on") as caught:
            client.wait("j1", on_progress=on_progress)
        assert isinstance(caught.value.__cause__, perceptis.CancelledError)
        assert [left.job_id for left in client.unsettled()] == ["j1"]
        # The client still works.
        assert client.get_status("j1").status == "processing"


def test_what_ends_the_thread_cancels_the_call(endless: Script) -> None:
    def on_progress(progress: perceptis.Progress) -> None:
        raise SystemExit(3)

    with perceptis.Client() as client:
        with pytest.raises(SystemExit):
            client.wait("j1", on_progress=on_progress)
        assert client.activity() == () and [left.operation for left in client.unsettled()] == ["wait"]


EXITS = """
import sys, threading, time, perceptis
client = perceptis.Client()
threads = [threading.Thread(target=client.wait, args=("j1",), daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
while len(client.activity()) < 4:
    pass
if sys.argv[1] == "thread":
    import os
    threading.Thread(target=os._exit, args=(0,)).start()
    threads[0].join()
"""

ASYNC_EXIT = """
import asyncio, sys, perceptis
async def main():
    client = perceptis.AsyncClient()
    tasks = [asyncio.ensure_future(client.wait("j1")) for _ in range(4)]
    while len(client.activity()) < 4:
        await asyncio.sleep(0)
    kept.append(client)
kept = []
asyncio.run(main())
"""


def test_the_interpreter_ends_with_calls_in_flight(endless: Script) -> None:
    for program in ((EXITS, "main"), (EXITS, "thread"), (ASYNC_EXIT, "")):
        for _ in range(5):
            done = run_python("-W", "ignore", "-c", *program)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), program


def in_child(sandbox: Sandbox, job_id: str, inherited: Any) -> str:
    """The work of a worker process."""
    try:
        inherited.get_status(job_id)
        return "the inherited client worked"
    except perceptis.ForkedError:
        inherited.close()
    with of(sandbox) as client:
        return client.get_status(job_id).job_id


def test_workers_that_were_forked_have_clients_of_their_own(sandbox: Sandbox) -> None:
    client = of(sandbox)
    job_id = client.generate("Fork", output_type="single_slide").job_id
    # Threads that hold locks at the moment of the fork.
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            client.activity()
            client.unsettled()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        workers = [
            context.Process(target=lambda: queue.put(in_child(sandbox, job_id, client)), daemon=True)
            for _ in range(8)
        ]
        for worker in workers:
            worker.start()
        assert [queue.get(timeout=60) for _ in workers] == [job_id] * 8
        for worker in workers:
            worker.join(60)
            assert worker.exitcode == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert client.wait(job_id).status == "completed"
    client.close()


def test_an_asyncio_client_does_not_cross_a_fork(sandbox: Sandbox) -> None:
    async def main() -> None:
        async with perceptis.AsyncClient(
            api_key=sandbox.api_key, api_base_url=sandbox.base_url, time_scale=SPEED
        ) as client:
            job_id = (await client.generate("Fork", output_type="single_slide")).job_id
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    try:
                        await client.get_status(job_id)
                    except perceptis.ForkedError:
                        await client.close()
                        code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert (await client.wait(job_id)).status == "completed"

    asyncio.run(main())
