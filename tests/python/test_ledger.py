"""The ledger in Python: submissions that are listed, recovered, adopted, forgotten, or wait."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Callable

import pytest
from conftest import SPEED, Namespace, Script, left_in_work, until

import perceptis


@pytest.fixture
def client(namespace: Namespace) -> perceptis.Client:
    return perceptis.Client(**namespace.config)


@pytest.fixture
def line(tmp_path: Path) -> dict[str, Any]:
    """A call that costs money."""
    return {"prompt": "A slide", "output_type": "single_slide", "directory": tmp_path, "name": "q3"}


def test_what_was_run_is_listed_with_its_history(client: perceptis.Client, line: dict[str, Any]) -> None:
    began = datetime.now(UTC)
    result = client.run(**line, idempotency_key="order-1")
    assert (result.adopted, result.recorded, result.unsettled) == (False, True, 0)
    (job,) = client.jobs(history=True)
    assert (job.job_id, job.idempotency_key, job.state) == (result.job_id, "order-1", "settled")
    assert (job.unsettled, job.live, job.own_key, job.told) == (False, False, True, "OK")
    assert (job.operation, job.output_type, job.variants) == ("run", "single_slide", 1)
    assert (job.directory, job.name) == (line["directory"].resolve(), "q3")
    assert timedelta(seconds=-1) < job.recorded - began < timedelta(minutes=5) and job.changed >= job.recorded
    (file,), (fetched,) = job.files, result.files
    assert (file.path, file.sha256, file.size, file.delivered) == (
        fetched.path,
        fetched.sha256,
        fetched.size,
        True,
    )
    assert job.history is not None and {"recorded", "settled"} <= {event.event for event in job.history}
    assert all(event.time >= job.recorded for event in job.history)
    assert job.raw["request_hash"] == job.request_hash
    assert client.jobs()[0].history is None
    for narrowed, count in [
        ({"job": "order-1"}, 1),
        ({"job": result.job_id}, 1),
        ({"state": "settled"}, 1),
        ({"state": "accepted"}, 0),
        ({"unsettled": True}, 0),
        ({"unsettled": False}, 1),
        ({"max_age": 3600.0}, 1),
        ({"limit": 1}, 1),
    ]:
        assert len(client.jobs(**narrowed)) == count, narrowed
    with pytest.raises(perceptis.NotFoundError, match="no submission"):
        client.jobs(job="order-2")
    with pytest.raises(perceptis.InvalidArgumentError, match="submitting, accepted"):
        client.jobs(state="lost")
    with pytest.raises(perceptis.InvalidArgumentError, match="max_age"):
        client.jobs(max_age=-1)


def test_the_same_line_goes_on_and_the_file_that_is_there_needs_no_request(
    client: perceptis.Client, namespace: Namespace, line: dict[str, Any]
) -> None:
    namespace.freeze(True)
    left = left_in_work(lambda timeout: client.run(**line, timeout=timeout))
    assert left.attempts and left.attempts_omitted == 0
    assert all(attempt.at >= 0 and attempt.http_status is None for attempt in left.attempts)
    namespace.freeze(False)
    result = client.run(**line)
    assert (result.adopted, result.job_id) == (True, left.job_id)
    sent = len(namespace.requests("/"))
    again = client.run(**line, idempotency_key=result.idempotency_key)
    assert (again.adopted, again.raw["job"], again.files[0].sha256) == (False, None, result.files[0].sha256)
    assert len(namespace.requests("/")) == sent and len(namespace.jobs()) == 1


def test_buying_anew_is_asked_for(
    client: perceptis.Client, namespace: Namespace, line: dict[str, Any]
) -> None:
    namespace.freeze(True)
    left_in_work(lambda timeout: client.run(**line, timeout=timeout))
    with perceptis.Client(**namespace.config) as anew, ThreadPoolExecutor(1) as thread:
        call = thread.submit(anew.run, **line, adopt=False)
        until(lambda: len(namespace.jobs()) == 2)
        anew.close()
        assert isinstance(call.exception(), perceptis.ClosedError)
    assert len(namespace.jobs()) == 2
    client.generate("Of one key", output_type="single_slide", idempotency_key="order-1")
    other = perceptis.Client(**{**namespace.config, "api_key": f"{namespace.api_key}--user=2"})
    with pytest.raises(perceptis.ConflictError, match="on_other_key"):
        other.generate("Of one key", output_type="single_slide", idempotency_key="order-1")
    assert len(namespace.jobs()) == 3 and other.unsettled() == (), (
        "another key's are not this one's to settle"
    )
    other.generate("Of one key", output_type="single_slide", idempotency_key="order-1", on_other_key="submit")
    assert len(namespace.jobs()) == 4
    assert {job.own_key for job in other.jobs(job="order-1")} == {True, False}


def test_recover_settles_what_was_left(namespace: Namespace, line: dict[str, Any], tmp_path: Path) -> None:
    with perceptis.Client(**namespace.config) as first:
        namespace.freeze(True)
        left = left_in_work(lambda timeout: first.run(**line, timeout=timeout))
        first.generate("No files", output_type="single_slide")
        first.generate("Files", output_type="single_slide", directory=tmp_path, name="later")
        fourth_line: dict[str, Any] = {"output_type": "single_slide", "directory": tmp_path, "name": "q4"}
        fourth = left_in_work(lambda timeout: first.run("Fourth", **fourth_line, timeout=timeout))
    namespace.freeze(False)
    with perceptis.Client(**namespace.config) as second:
        waits = second.unsettled()
        assert [left.operation for left in waits] == ["run", "generate", "generate", "run"], (
            "the oldest first"
        )
        assert waits[0].job is not None and waits[0].job.told == "TIMEOUT"
        assert (waits[0].job_id, waits[0].billed) == (left.job_id, "unknown")
        assert all(left.job_id is not None and left.job_id in left.message for left in waits)
        one = second.recover(job=fourth.job_id)
        assert [(job.outcome, job.job_id) for job in one.jobs] == [("delivered", fourth.job_id)]
        assert one.unsettled == 3
        recovery = second.recover()
        assert [job.outcome for job in recovery.jobs] == ["delivered", "settled", "delivered"]
        assert (recovery.unsettled, second.unsettled()) == (0, ())
        assert {job.billed for job in recovery.jobs} == {"yes"} and recovery.jobs[0].code is None
        fetched = recovery.jobs[0].result
        assert fetched is not None and fetched.files[0].path == tmp_path / "q3.pptx"
        assert second.recover().jobs == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["later.pptx", "q3.pptx", "q4.pptx"]
    assert len(namespace.jobs()) == namespace.credits() == 4


def test_a_submission_in_doubt_is_sent_again_within_its_window(
    namespace: Namespace, line: dict[str, Any]
) -> None:
    config = {**namespace.config, "resubmit_window_ms": 1}
    with perceptis.Client(**config) as client:
        namespace.strike("made_then_500@generate*1")
        with pytest.raises(perceptis.OutcomeUnknownError) as caught:
            client.run(**line)
        assert caught.value.attempts[-1].http_status == 500
        (left,) = client.unsettled()
        assert (
            left.job_id is None and left.idempotency_key is not None and left.idempotency_key in left.message
        )
        (told,) = client.recover().jobs
        assert (told.outcome, told.code, told.billed, told.result) == (
            "unknown",
            "OUTCOME_UNKNOWN",
            "unknown",
            None,
        )
        assert told.message is not None and "resubmit" in told.message
        assert len(namespace.requests("/api/v1/generate")) == 1
        (told,) = client.recover(resubmit=True).jobs
        assert told.outcome == "delivered"
    assert len(namespace.jobs()) == 1


def test_forgetting_names_what_it_forgets(client: perceptis.Client, line: dict[str, Any]) -> None:
    settled = client.run(**line, idempotency_key="order-1")
    client.generate("Goes on", output_type="single_slide", idempotency_key="order-2")
    for wrong in ({}, {"job": "order-1", "settled": True}):
        with pytest.raises(perceptis.InvalidArgumentError, match="settled=True"):
            client.forget(**wrong)
    with pytest.raises(perceptis.NotFoundError):
        client.forget("order-3")
    assert len(client.jobs()) == 2
    client.forget(settled=True)
    assert [job.idempotency_key for job in client.jobs()] == ["order-2"]
    client.forget("order-2")
    assert client.jobs() == ()
    with pytest.raises(perceptis.ConflictError) as caught:
        client.run(**line, idempotency_key="order-1")
    assert caught.value.job_id == settled.job_id and settled.files[0].path.is_file()


def test_a_ledger_that_can_not_be_used_is_an_os_error(script: Script, tmp_path: Path) -> None:
    script.on("/api/v1/status/j1", 200, {"job_id": "j1", "status": "processing"})
    config = {"api_key": "sk-1", "api_base_url": script.base_url, "time_scale": SPEED}
    with perceptis.Client(**config, ledger=tmp_path) as client:
        calls: list[tuple[Callable[[], Any], str]] = [
            (lambda: client.generate("p", output_type="deck"), "no"),
            (client.jobs, "no"),
            (client.unsettled, "no"),
            # The job that it would have settled may be billed.
            (client.recover, "unknown"),
            (lambda: client.forget(settled=True), "no"),
        ]
        for call, billed in calls:
            with pytest.raises(OSError, match="PERCEPTIS_LEDGER") as caught:
                call()
            assert isinstance(caught.value, perceptis.LedgerError) and caught.value.billed == billed
        assert script.seen == []
        assert client.get_status("j1").status == "processing", "what costs nothing needs none"
    path = tmp_path / "of its own" / "ledger.db"
    with perceptis.Client(**config, ledger=path) as client:
        assert client.jobs() == () and path.is_file()
    with perceptis.Client(**config, ledger="off") as client:
        assert client.jobs() == ()


def test_what_a_cancelled_wait_leaves_is_listed_until_it_is_settled(script: Script) -> None:
    """The ledger does not know jobs that another program has submitted."""
    script.on("/api/v1/status/j1", 200, {"job_id": "j1", "status": "processing"})
    script.on("/api/v1/status/j2", 200, {"job_id": "j2", "status": "processing"})

    def interrupt(progress: perceptis.Progress) -> None:
        raise KeyboardInterrupt

    with perceptis.Client(api_key="sk-1", api_base_url=script.base_url, time_scale=SPEED) as client:
        for job_id in ("j1", "j2", "j1"):
            with pytest.raises(KeyboardInterrupt):
                client.wait(job_id, on_progress=interrupt)
        left = client.unsettled()
        assert [(entry.operation, entry.job_id, entry.job) for entry in left] == [
            ("wait", "j1", None),
            ("wait", "j2", None),
        ]
        script.answers["/api/v1/status/j1"].clear()
        script.on("/api/v1/status/j1", 200, {"job_id": "j1", "status": "failed", "error": {"code": "no"}})
        with pytest.raises(perceptis.JobFailedError):
            client.wait("j1")
        assert [entry.job_id for entry in client.unsettled()] == ["j2"]


def test_the_asyncio_client_asks_without_blocking_its_loop(
    namespace: Namespace, line: dict[str, Any], tmp_path: Path
) -> None:
    async def main() -> None:
        async with perceptis.AsyncClient(**namespace.config) as client:
            namespace.freeze(True)
            with perceptis.Client(**namespace.config) as other:
                left_in_work(lambda timeout: other.run(**line, timeout=timeout))
            (job,) = await client.jobs(unsettled=True, history=True)
            (left,) = await client.unsettled()
            assert left.job is not None and left.job.job_id == job.job_id and job.history
            namespace.freeze(False)
            (told,) = (await client.recover()).jobs
            assert told.outcome == "delivered" and (tmp_path / "q3.pptx").is_file()
            await client.forget(job.job_id)
            assert await client.jobs() == ()
            with pytest.raises(perceptis.InvalidArgumentError):
                await client.forget()
            # Many at once; for some of them no task waits any more.
            asked = [asyncio.ensure_future(client.jobs()) for _ in range(50)]
            await asyncio.sleep(0)
            for task in asked[::2]:
                task.cancel()
            ends = await asyncio.gather(*asked, return_exceptions=True)
            assert ends[1::2] == [()] * 25
        with pytest.raises(perceptis.ClosedError):
            await client.jobs()

        # A client that is closed while a thread is in it.
        client = perceptis.AsyncClient(**namespace.config)
        asked = [asyncio.ensure_future(client.jobs()) for _ in range(50)]
        await asyncio.sleep(0)
        await client.close()
        for end in await asyncio.gather(*asked, return_exceptions=True):
            assert end == () or isinstance(end, perceptis.ClosedError), end

    asyncio.run(main())


def test_a_call_is_told_once_the_program_has_its_end(
    client: perceptis.Client, namespace: Namespace, line: dict[str, Any]
) -> None:
    class Stop(Exception):
        pass

    def interrupts(_: perceptis.Progress) -> None:
        raise Stop

    with pytest.raises(Stop):
        client.run(**line, on_progress=interrupts)
    assert client.jobs()[0].told is None, "the program got no result"
    result = client.run(**line)
    assert (result.adopted, client.jobs()[0].told, len(namespace.jobs())) == (True, "OK", 1)
    with pytest.raises(perceptis.FileError, match=result.idempotency_key):
        client.run(**line)


def test_a_result_of_a_cancelled_task_is_not_told(namespace: Namespace, line: dict[str, Any]) -> None:
    async def story() -> None:
        async with perceptis.AsyncClient(**namespace.config) as client:
            task = asyncio.ensure_future(client.run(**line))
            while not client.activity():
                await asyncio.sleep(0)
            # The loop stands still until the call has ended, and the task is cancelled before it sees the
            # end.
            while client.activity():
                time.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await client.jobs())[0].told is None
            result = await client.run(**line)
            # The library is told one turn of the loop after a task that awaits this one has the result.
            for _ in range(3):
                await asyncio.sleep(0)
            (job,) = await client.jobs()
            assert (result.adopted, job.told, len(namespace.jobs())) == (True, "OK", 1)

    asyncio.run(story())
