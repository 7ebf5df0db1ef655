"""The library's log in ``logging``: which records, with which fields, when, on which thread."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import SPEED, Namespace, Script, run_python

import perceptis

LOGGER = logging.getLogger("perceptis")
KEY = "sk-test-very-secret"


class Heard(logging.Handler):
    """A handler that keeps records, with the thread on which each came."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.threads: set[int] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.threads.add(threading.get_ident())

    def events(self) -> list[str]:
        return [fields_of(record)["event"] for record in self.records]


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = record.__dict__["perceptis"]
    return fields


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Keeps all records from DEBUG on."""
    handler = Heard()
    before = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG)
    yield handler
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(before)


@pytest.fixture
def scripted(script: Script, tmp_path: Path) -> dict[str, Any]:
    """A client's arguments; its submission is refused once, and so is the first poll of its job j1."""
    script.on("/api/v1/generate", 503, {"error": {"code": "down", "message": f"because of {KEY}"}})
    script.on("/api/v1/generate", 202, {"job_id": "j1"})
    script.on("/api/v1/status/j1", 502, b"<html>", "text/html").on(
        "/api/v1/status/j1", 200, {"status": "failed"}
    )
    return {"api_key": KEY, "api_base_url": script.base_url, "time_scale": SPEED}


RUN = [
    "started",
    "request",
    "outcome unknown",
    "retrying",
    "request",
    "request",
    "poll failed",
    "request",
    "status",
]


def test_records_have_their_time_level_and_fields(
    heard: Heard, scripted: dict[str, Any], tmp_path: Path
) -> None:
    began = time.time()
    with perceptis.Client(**scripted) as client:
        with pytest.raises(perceptis.JobFailedError):
            client.run("p", output_type="deck", directory=tmp_path, idempotency_key="order-1")
        ended = time.time()
        assert heard.events() == [*RUN, "failed"], "all is told when the call ends"
        assert heard.threads == {threading.get_ident()}
    assert heard.events() == [*RUN, "failed"]
    levels = [record.levelno for record in heard.records]
    debug, info, warning, error = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR
    assert levels == [info, debug, warning, warning, debug, debug, warning, debug, info, error]
    times = [record.created for record in heard.records]
    assert began - 0.1 <= times[0] <= times[-1] <= ended + 0.1, "when it happened, not when it was told"
    for record in heard.records:
        fields = fields_of(record)
        assert (record.created, record.msecs) == (fields["unix_ms"] / 1000, fields["unix_ms"] % 1000)
        assert record.name == "perceptis" and record.args == fields
        passed = (record.relativeCreated - heard.records[0].relativeCreated) / 1000
        assert abs(passed - (record.created - times[0])) < 0.01
    retrying = heard.records[3]
    assert fields_of(retrying)["idempotency_key"] == "order-1" and fields_of(retrying)["http_status"] == 503
    line = retrying.getMessage()
    assert line.startswith("retrying operation=run idempotency_key=order-1 ") and "http_status=503" in line
    failed = heard.records[-1]
    assert fields_of(failed)["job_id"] == "j1" and failed.getMessage().endswith(
        f": {fields_of(failed)['message']}"
    )
    # Records of the same kind have one template, by which collectors group them.
    assert heard.records[4].msg == heard.records[-3].msg and "j1" not in str(heard.records[4].msg)
    assert KEY not in "".join(f"{record.__dict__}{record.getMessage()}" for record in heard.records)


def test_records_come_while_the_call_runs(heard: Heard, script: Script) -> None:
    """The wait does not end by itself: the test ends it once its first record has come."""
    script.on("/api/v1/status/j1", 200, {"status": "processing"})

    class Ends(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if fields_of(record).get("status") == "processing":
                script.answers["/api/v1/status/j1"].insert(
                    0, (200, "application/json", b'{"status":"failed"}')
                )

    ends = Ends()
    LOGGER.addHandler(ends)
    try:
        with perceptis.Client(api_key=KEY, api_base_url=script.base_url, time_scale=SPEED) as client:
            with ThreadPoolExecutor(1) as thread, pytest.raises(perceptis.JobFailedError):
                thread.submit(client.wait, "j1").result()
    finally:
        LOGGER.removeHandler(ends)


@pytest.mark.parametrize(
    ("level", "config", "environment", "count"),
    [
        (logging.DEBUG, {}, {}, 10),
        (logging.INFO, {}, {}, 6),
        (logging.WARNING, {}, {}, 4),
        (logging.ERROR, {}, {}, 1),
        (logging.CRITICAL, {}, {}, 0),
        (logging.DEBUG, {"log_level": "error"}, {}, 1),
        (logging.DEBUG, {}, {"PERCEPTIS_LOG_LEVEL": "error"}, 1),
        (logging.ERROR, {"log_level": "debug"}, {}, 1),
    ],
)
def test_the_logger_decides_what_is_told(
    heard: Heard,
    scripted: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    level: int,
    config: dict[str, Any],
    environment: dict[str, str],
    count: int,
) -> None:
    LOGGER.setLevel(level)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with perceptis.Client(**scripted, **config) as client:
        with pytest.raises(perceptis.JobFailedError):
            client.run("p", output_type="deck", name="n")
    assert len(heard.records) == count, heard.events()


def test_a_program_without_logging_gets_no_log(heard: Heard, scripted: dict[str, Any]) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    logging.disable(logging.CRITICAL)
    try:
        silent = [perceptis.Client(**scripted), perceptis.AsyncClient(**scripted)]
        assert descriptors() == before
    finally:
        logging.disable(logging.NOTSET)
    told = perceptis.Client(**scripted)
    assert descriptors() > before
    told.close()
    assert descriptors() == before
    for client in silent:
        if isinstance(client, perceptis.Client):
            client.close()
        else:
            asyncio.run(client.close())


def test_a_program_without_logging_prints_nothing(scripted: dict[str, Any]) -> None:
    program = (
        "import perceptis\n"
        f"with perceptis.Client(**{scripted!r}) as client:\n"
        "    try:\n"
        "        client.run('p', output_type='deck')\n"
        "    except perceptis.JobFailedError:\n"
        "        print('failed')\n"
    )
    done = run_python("-c", program)
    assert (done.stdout, done.stderr) == ("failed\n", "")
    shown = run_python("-c", "import logging; logging.basicConfig(level='INFO')\n" + program)
    assert shown.stdout == "failed\n" and "INFO:perceptis:started operation=run " in shown.stderr


def test_a_handler_that_raises_costs_no_job(heard: Heard, namespace: Namespace, tmp_path: Path) -> None:
    class Fails(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise LookupError(fields_of(record)["event"])

    fails = Fails()
    LOGGER.addHandler(fails)
    try:
        with perceptis.Client(**namespace.config) as client:
            with pytest.raises(LookupError, match="started"):
                client.run("p", output_type="single_slide", directory=tmp_path, name="a")
            assert (tmp_path / "a.pptx").is_file()
            LOGGER.removeHandler(fails)
            assert client.jobs()[0].state == "settled"
    finally:
        LOGGER.removeHandler(fails)
    assert heard.events()[-1] == "finished"


def test_many_threads_tell_each_record_once(heard: Heard, namespace: Namespace, tmp_path: Path) -> None:
    with perceptis.Client(**namespace.config) as client:

        def one(number: int) -> str:
            run = client.run(f"{number}", output_type="single_slide", directory=tmp_path, name=f"{number}")
            return run.job_id

        with ThreadPoolExecutor(16) as pool:
            jobs = set(pool.map(one, range(48)))
    for event in ("started", "finished"):
        assert heard.events().count(event) == 48
    finished = {
        fields_of(record)["job_id"] for record in heard.records if fields_of(record)["event"] == "finished"
    }
    assert finished == jobs
    assert "records dropped" not in heard.events()


def test_what_waits_for_recover_is_a_warning(heard: Heard, namespace: Namespace) -> None:
    with perceptis.Client(**namespace.config) as first:
        first.generate("Left", output_type="single_slide")
    with perceptis.Client(**namespace.config) as second:
        second.jobs()
        told = [record for record in heard.records if fields_of(record)["event"] == "unsettled"]
        assert [(record.levelno, fields_of(record)["unsettled"]) for record in told] == [(logging.WARNING, 1)]


def test_the_asyncio_client_tells_from_its_loop(heard: Heard, namespace: Namespace, tmp_path: Path) -> None:
    async def main() -> None:
        async with perceptis.AsyncClient(**namespace.config) as client:
            run = asyncio.ensure_future(
                client.run("p", output_type="single_slide", directory=tmp_path, name="a")
            )
            while "status" not in heard.events():
                await asyncio.sleep(0)
            assert not run.done(), "records come while the call runs"
            job_id = (await run).job_id
        assert heard.events()[0] == "started" and heard.events()[-1] == "finished"
        assert heard.threads == {threading.get_ident()}
        assert fields_of(heard.records[-1])["job_id"] == job_id
        told = len(heard.records)
        await asyncio.sleep(0)
        assert len(heard.records) == told

    asyncio.run(main())


def test_what_a_handler_raises_is_the_loops(heard: Heard, namespace: Namespace, tmp_path: Path) -> None:
    class Fails(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise LookupError(fields_of(record)["event"])

    raised: list[Any] = []
    fails = Fails(logging.INFO)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: raised.append(context["exception"])
        )
        async with perceptis.AsyncClient(**namespace.config) as client:
            LOGGER.addHandler(fails)
            run = asyncio.ensure_future(
                client.run("p", output_type="single_slide", directory=tmp_path, name="a")
            )
            while not raised:
                await asyncio.sleep(0)
            LOGGER.removeHandler(fails)
            assert (await run).files[0].path.is_file()

    try:
        asyncio.run(main())
    finally:
        LOGGER.removeHandler(fails)
    assert all(isinstance(error, LookupError) for error in raised)
    assert heard.events()[-1] == "finished"


def test_a_loop_that_hangs_loses_the_oldest_records_and_says_so(heard: Heard, script: Script) -> None:
    script.on("/api/v1/status/j1", 200, {"status": "processing"})

    async def main() -> None:
        async with perceptis.AsyncClient(
            api_key=KEY, api_base_url=script.base_url, time_scale=10_000
        ) as client:
            # Each call logs the beginning and the end of its wait for the one job.
            tasks = [asyncio.ensure_future(client.wait("j1", timeout=60)) for _ in range(1000)]
            await asyncio.sleep(0)
            while client.activity():
                pass
            await asyncio.gather(*tasks, return_exceptions=True)
        dropped = [record for record in heard.records if fields_of(record)["event"] == "records dropped"]
        assert dropped and dropped[0].levelno == logging.WARNING and fields_of(dropped[0])["dropped"] >= 1
        assert str(fields_of(dropped[0])["dropped"]) in dropped[0].getMessage()
        assert heard.events().count("started") < 1000 and "failed" in heard.events(), "the newest are there"

    asyncio.run(main())
