"""The asyncio client, on asyncio's own loop and on uvloop's."""

from __future__ import annotations

import asyncio
import gc
import threading
import uuid
import warnings
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from conftest import ROOT, SPEED, Namespace, Sandbox, Script, run_python

import perceptis

Run = Callable[[Coroutine[Any, Any, Any]], Any]

PROCESSING = {"job_id": "j1", "status": "processing"}


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    chosen: Run = request.param
    return chosen


def of(sandbox: Sandbox) -> perceptis.AsyncClient:
    return perceptis.AsyncClient(api_key=sandbox.api_key, api_base_url=sandbox.base_url, time_scale=SPEED)


def scripted(script: Script) -> perceptis.AsyncClient:
    return perceptis.AsyncClient(api_key="sk-test", api_base_url=script.base_url, time_scale=SPEED)


async def waiting(client: perceptis.AsyncClient, count: int = 1) -> None:
    """Waits until so many calls know their job's state."""
    while sum(activity.status is not None for activity in client.activity()) < count:
        await asyncio.sleep(0.001)


def test_the_steps_and_a_run(run: Run, namespace: Namespace, tmp_path: Path) -> None:
    async def main() -> None:
        async with perceptis.AsyncClient(**namespace.config) as client:
            seen: list[perceptis.Progress] = []
            threads: set[int] = set()
            # The job goes on once the program has seen its progress.
            namespace.strike("never_ends")

            def on_progress(progress: perceptis.Progress) -> None:
                if progress.status == "processing":
                    namespace.clear()
                seen.append(progress)
                threads.add(threading.get_ident())

            result = await client.run(
                "A slide", output_type="single_slide", directory=tmp_path, name="a", on_progress=on_progress
            )
            assert result.files[0].path == tmp_path / "a.pptx"
            assert threads == {threading.get_ident()}
            assert {"processing"} <= {progress.status for progress in seen}
            assert seen[-1].job_id == result.job_id
            accepted = await client.generate("A slide", output_type="single_slide", idempotency_key="async-1")
            again = await client.generate("A slide", output_type="single_slide", idempotency_key="async-1")
            assert accepted.job_id == again.job_id
            assert (await client.wait(accepted.job_id)).status == "completed"
            assert (await client.get_status(accepted.job_id)).status == "completed"
            assert (await client.download(accepted.job_id, directory=tmp_path)).files[0].size > 0
            with pytest.raises(perceptis.NotFoundError):
                await client.get_status("job_none")
            with pytest.raises(perceptis.InvalidArgumentError):
                await client.get_status("a/b")
            assert client.activity() == () and await client.unsettled() == ()

    run(main())


@pytest.mark.usefixtures("environment")
def test_many_slides_come_on_one_thread(tmp_path: Path) -> None:
    made = run_python(str(ROOT / "tests" / "callers" / "many.py"), "50", str(tmp_path))
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    paths = [line.split()[1] for line in made.stdout.splitlines()]
    assert sorted(paths) == sorted(str(tmp_path / f"slide-{number}.pptx") for number in range(1, 51))
    assert len(list(tmp_path.iterdir())) == 50


@pytest.mark.usefixtures("environment")
def test_it_needs_no_thread_of_pythons(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, threading, perceptis\n"
        "async def main():\n"
        "    async with perceptis.AsyncClient() as client:\n"
        "        runs = [client.run(f'{n}', output_type='single_slide', name=f's{n}') for n in range(100)]\n"
        "        tasks = [asyncio.ensure_future(run) for run in runs]\n"
        "        most = 0\n"
        "        while not all(task.done() for task in tasks):\n"
        "            await asyncio.sleep(0.01)\n"
        "            most = max(most, len(os.listdir('/proc/self/task')))\n"
        "        await asyncio.gather(*tasks)\n"
        "        print(threading.active_count(), most)\n"
        "asyncio.run(main())\n"
    )
    made = run_python("-c", program, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    pythons, all_of_them = map(int, made.stdout.split())
    assert pythons == 1
    assert all_of_them <= 1 + 4, "the library has four at most"


def test_cancelling_a_task_keeps_the_job_and_unsettled_lists_it(
    run: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    async def main() -> None:
        async with of(sandbox) as client:
            options: dict[str, Any] = {"output_type": "single_slide", "directory": tmp_path, "name": "a"}
            key = uuid.uuid4().hex
            task = asyncio.ensure_future(client.run("A slide", idempotency_key=key, **options))
            await waiting(client)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            (left,) = await client.unsettled()
            assert (left.operation, left.idempotency_key, left.billed) == ("run", key, "unknown")
            assert left.job_id is not None and left.job_id in left.message
            assert client.activity() == ()
            # A wait brings no files; a download under the same name settles the job.
            await client.wait(left.job_id)
            assert len(await client.unsettled()) == 1
            await client.download(left.job_id, directory=tmp_path, name="a")
            assert await client.unsettled() == ()

            # A task that is cancelled before its first step has sent nothing.
            task = asyncio.ensure_future(client.run("A slide", **options))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await client.unsettled() == ()

    run(main())


def test_time_outs_of_asyncio_are_cancels(run: Run, script: Script) -> None:
    script.on("/api/v1/status/j1", 200, PROCESSING)

    async def main() -> None:
        async with scripted(script) as client:
            with pytest.raises((TimeoutError, asyncio.TimeoutError)):
                await asyncio.wait_for(client.wait("j1"), 0.1)
            assert [left.job_id for left in await client.unsettled()] == ["j1"]
            with pytest.raises(TimeoutError) as caught:
                await client.wait("j1", timeout=10)
            assert isinstance(caught.value, perceptis.TimeoutError) and caught.value.job_id == "j1"

    run(main())


def test_many_are_cancelled_at_once(run: Run, script: Script) -> None:
    script.on("/api/v1/status/j1", 200, PROCESSING)

    async def main() -> None:
        async with scripted(script) as client:
            tasks = [asyncio.ensure_future(client.wait("j1")) for _ in range(500)]
            await waiting(client)
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ends)
            assert client.activity() == ()

    run(main())


def test_an_exception_in_on_progress_is_raised_when_the_call_ends(
    run: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    calls: list[str] = []

    def on_progress(progress: perceptis.Progress) -> None:
        calls.append(progress.status)
        raise RuntimeError("mine")

    async def main() -> None:
        async with of(sandbox) as client:
            with pytest.raises(RuntimeError, match="mine"):
                await client.run(
                    "A slide",
                    output_type="single_slide",
                    directory=tmp_path,
                    name="a",
                    on_progress=on_progress,
                )

    run(main())
    assert len(calls) == 1 and (tmp_path / "a.pptx").is_file()


def test_closing_ends_what_runs(run: Run, script: Script) -> None:
    script.on("/api/v1/status/j1", 200, PROCESSING)

    async def main() -> None:
        client = scripted(script)
        tasks = [asyncio.ensure_future(client.wait("j1")) for _ in range(20)]
        await waiting(client)
        await client.close()
        for task in tasks:
            with pytest.raises(perceptis.ClosedError) as caught:
                await task
            assert caught.value.job_id == "j1"
        await client.close()
        with pytest.raises(perceptis.ClosedError):
            await client.wait("j1")
        assert "closed" in repr(client)

    run(main())


def test_a_client_belongs_to_one_loop(run: Run, script: Script) -> None:
    script.on("/api/v1/status/j1", 200, PROCESSING)
    client = scripted(script)

    async def ask() -> None:
        await client.get_status("j1")  # noqa: F821 (it is deleted below)

    run(ask())
    with pytest.raises(RuntimeError, match="another event loop"):
        run(ask())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del client
        gc.collect()


def test_a_client_that_is_left_behind_says_so_and_goes(run: Run, script: Script) -> None:
    script.on("/api/v1/status/j1", 200, PROCESSING)

    async def main() -> None:
        for _ in range(3):
            client = scripted(script)
            await client.get_status("j1")
            with pytest.warns(ResourceWarning, match="unclosed"):
                del client
                gc.collect()
            await asyncio.sleep(0)

    run(main())


def test_what_is_wrong_with_the_configuration_is_told() -> None:
    with pytest.raises(perceptis.ConfigurationError, match="PERCEPTIS_API_KEY"):
        perceptis.AsyncClient()
    with pytest.raises(perceptis.InvalidArgumentError, match="status_timeout_ms"):
        perceptis.AsyncClient(api_key="k", nonsense=1)
