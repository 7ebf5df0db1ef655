"""The client against the sandbox and against odd answers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pptx
import pytest
from conftest import ROOT, SPEED, Namespace, Sandbox, Script, run_python

import perceptis

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 32
KEY = "sk-test-very-secret"


@pytest.fixture
def client(sandbox: Sandbox) -> perceptis.Client:
    return perceptis.Client(api_key=sandbox.api_key, api_base_url=sandbox.base_url, time_scale=SPEED)


def scripted(script: Script, **config: Any) -> perceptis.Client:
    return perceptis.Client(api_key=KEY, api_base_url=script.base_url, time_scale=SPEED, **config)


def test_a_deck_is_made_and_opens(client: perceptis.Client, tmp_path: Path) -> None:
    result = client.run(
        "Why teams adopt Rust\n- It is fast\n- It is safe",
        output_type="deck",
        use_web_search=True,
        extra={"tone": "dry"},
        directory=tmp_path,
        name="rust",
    )
    (file,) = result.files
    assert file.path == tmp_path / "rust.pptx"
    assert (file.variant, file.format, file.size) == (1, "pptx", file.path.stat().st_size)
    assert file.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()
    assert (result.status, result.output_type, result.billed) == ("completed", "deck", "yes")
    assert result.raw["job"]["job_id"] == result.job_id
    titles = [slide.shapes.title.text for slide in pptx.Presentation(str(file.path)).slides]
    # The rest of a deck is decided by the service.
    assert titles[0] == "Why teams adopt Rust"
    assert [title for title in titles if title.startswith("It is")] == ["It is fast", "It is safe"]
    assert os.listdir(tmp_path) == ["rust.pptx"]


def test_slides_with_images_come_in_variants(client: perceptis.Client, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(PNG)
    out = tmp_path / "out"
    out.mkdir()
    result = client.run(
        "One slide",
        output_type="single_slide",
        variant_count=3,
        images=[image, str(image), PNG, perceptis.Image(PNG, "image/png")],
        directory=str(out),
        name="s",
    )
    assert sorted(os.listdir(out)) == ["s-1.pptx", "s-2.pptx", "s-3.pptx"]
    assert [file.variant for file in result.files] == [1, 2, 3]


def test_the_steps_of_a_run(client: perceptis.Client, sandbox: Sandbox, tmp_path: Path) -> None:
    accepted = client.generate("Steps", output_type="single_slide", idempotency_key="steps-1")
    assert accepted.idempotency_key == "steps-1"
    assert (
        client.generate("Steps", output_type="single_slide", idempotency_key="steps-1").job_id
        == accepted.job_id
    )
    with pytest.raises(perceptis.ConflictError) as conflict:
        client.generate("Other steps", output_type="single_slide", idempotency_key="steps-1")
    assert (conflict.value.job_id, conflict.value.billed) == (accepted.job_id, "no"), "the ledger knows it"
    with perceptis.Client(
        api_key=sandbox.api_key, api_base_url=sandbox.base_url, time_scale=SPEED, ledger="off"
    ) as stranger:
        with pytest.raises(perceptis.ConflictError) as conflict:
            stranger.generate("Other steps", output_type="single_slide", idempotency_key="steps-1")
    assert conflict.value.api_code == "idempotency_conflict", "and so does the service"
    assert client.get_status(accepted.job_id).status in ("pending", "processing", "completed")
    status = client.wait(accepted.job_id)
    assert status.status == "completed"
    assert [download.variant for download in status.downloads] == [1]
    assert "signature" not in repr(status)
    result = client.download(accepted.job_id, directory=tmp_path)
    assert result.files[0].path.name == f"{accepted.job_id}.pptx"


def test_activity_shows_what_runs(script: Script) -> None:
    script.on("/api/v1/status/j1", 200, {"job_id": "j1", "status": "processing"})
    client = scripted(script)
    assert client.activity() == ()
    waiting = threading.Thread(target=lambda: pytest.raises(perceptis.ClosedError, client.wait, "j1"))
    waiting.start()
    while not (shown := client.activity()) or shown[0].status is None:
        pass
    assert (shown[0].operation, shown[0].phase, shown[0].job_id, shown[0].status) == (
        "wait",
        "waiting",
        "j1",
        "processing",
    )
    assert shown[0].eta is None and shown[0].eta_jobs is None, "another client's job"
    client.close()
    waiting.join()


def test_activity_says_on_how_many_jobs_an_estimate_stands(script: Script) -> None:
    script.on("/api/v1/generate", 202, {"job_id": "j1"})
    script.on("/api/v1/status/j1", 200, {"job_id": "j1", "status": "processing"})
    client = scripted(script)
    client.generate("x", output_type="deck")
    waiting = threading.Thread(target=lambda: pytest.raises(perceptis.ClosedError, client.wait, "j1"))
    waiting.start()
    while not (shown := client.activity()) or shown[0].eta is None:
        pass
    assert shown[0].eta_jobs == 0, "on the documentation"
    client.close()
    waiting.join()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n"}, "prompt"),
        ({"prompt": "a\0b"}, "prompt"),
        ({"prompt": "\ud800"}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"output_type": "video"}, "single_slide or deck"),
        ({"variant_count": 2}, "variant_count"),
        ({"output_type": "single_slide", "variant_count": 0}, "variant_count"),
        ({"output_type": "single_slide", "images": [b"hello"]}, "no image"),
        ({"output_type": "single_slide", "images": ["/nonexistent.png"]}, "nonexistent.png"),
        ({"output_type": "single_slide", "images": [PNG + b"0" * 20_000_000]}, "20 MB"),
        ({"output_type": "single_slide", "images": [perceptis.Image(PNG, "image/gif")]}, "image/png"),
        ({"output_type": "single_slide", "images": PNG}, "images"),
        ({"images": [PNG]}, "reference_images"),
        ({"extra": {"x": {1, 2}}}, "extra"),
        ({"directory": "/nonexistent"}, "does not exist"),
        ({"name": "a/b"}, "name"),
        ({"name": ".."}, "name"),
        ({"idempotency_key": "ü"}, "idempotency_key"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": 1e9}, "timeout_ms"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    script: Script, arguments: dict[str, Any], says: str
) -> None:
    values: dict[str, Any] = {"prompt": "p", "output_type": "deck", **arguments}
    with pytest.raises((perceptis.InvalidArgumentError, perceptis.FileError), match=says) as caught:
        scripted(script).run(values.pop("prompt"), **values)
    assert caught.value.billed == "no"
    assert script.seen == []


def test_a_file_that_exists_is_found_before_anything_is_sent(script: Script, tmp_path: Path) -> None:
    (tmp_path / "q3.pptx").write_text("mine")
    with pytest.raises(OSError, match="exists"):
        scripted(script).run("p", output_type="deck", directory=tmp_path, name="q3")
    assert script.seen == []


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "PERCEPTIS_API_KEY"),
        ({"api_key": "a b"}, "api_key"),
        ({"api_key": KEY, "api_base_url": "https://a.test/api"}, "path"),
        ({"api_key": KEY, "api_base_url": "https://a.test/?q"}, "query"),
        ({"api_key": KEY, "api_base_url": "https://me@a.test"}, "user info"),
        ({"api_key": KEY, "api_base_url": "ftp://a.test"}, "scheme"),
        ({"api_key": KEY, "api_base_url": "http://a.test"}, "allow_http"),
        ({"api_key": KEY, "ca_file": "/nonexistent"}, "ca_file"),
        ({"api_key": KEY, "ca_file": __file__}, "ca_file"),
        ({"api_key": KEY, "poll_max_ms": 999}, "poll_max_ms"),
        ({"api_key": KEY, "time_scale": 10}, "loopback"),
        ({"api_key": KEY, "jitter_seed": 10}, "loopback"),
        ({"api_key": KEY, "allow_http": "maybe"}, "allow_http"),
        ({"api_key": KEY, "nonsense": 1}, "status_timeout_ms"),
    ],
)
def test_bad_configuration_is_refused(config: dict[str, Any], says: str) -> None:
    with pytest.raises((perceptis.ConfigurationError, perceptis.InvalidArgumentError), match=says) as caught:
        perceptis.Client(**config)
    assert isinstance(caught.value, ValueError)
    assert KEY not in repr(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "builtin"),
    [
        (401, perceptis.UnauthenticatedError, PermissionError),
        (403, perceptis.NotEligibleError, PermissionError),
        (404, perceptis.NotFoundError, LookupError),
        (400, perceptis.RejectedError, perceptis.Error),
    ],
)
def test_refusals_are_exceptions(script: Script, status: int, kind: type, builtin: type) -> None:
    script.on("/api/v1/status/j1", status, {"error": {"code": "why", "message": f"because {KEY}"}})
    with pytest.raises(kind, match="because") as caught:
        scripted(script).get_status("j1")
    error = caught.value
    assert isinstance(error, builtin)
    assert (error.http_status, error.api_code, error.job_id) == (status, "why", "j1")
    assert KEY not in repr(error) + str(error) + str(error.details)


def test_a_page_instead_of_json(script: Script) -> None:
    script.on("/api/v1/status/j1", 200, b"<html>Sign in</html>", "text/html")
    with pytest.raises(perceptis.ProtocolError, match=r"text/html.*Sign in"):
        scripted(script).get_status("j1")


def test_odd_fields_do_not_fail_a_status(script: Script) -> None:
    body = {"job_id": "j1", "status": 7, "downloads": [{"variant": "x"}, None, {"url": "u", "variant": "2"}]}
    script.on("/api/v1/status/j1", 200, body).on(
        "/api/v1/status/j1", 200, {"status": "s", "downloads": None, "n": 1.0}
    )
    client = scripted(script)
    first = client.get_status("j1")
    assert (first.status, [download.variant for download in first.downloads]) == ("7", [None, 2])
    second = client.get_status("j1")
    assert (second.downloads, second.job_id, second.raw["n"]) == ((), "", 1.0)
    assert '"n": 1.0' in second.json


def test_an_incomplete_job_hands_out_what_came(script: Script, tmp_path: Path) -> None:
    script.on("/api/v1/generate", 202, {"job_id": "j1"})
    download = {"url": f"{script.base_url}/f", "format": "pptx", "variant": 1}
    script.on("/api/v1/status/j1", 200, {"status": "completed", "downloads": [download]})
    script.on("/f", 200, b"not a zip", "text/html")
    with pytest.raises(perceptis.IncompleteError) as caught:
        scripted(script).run("p", output_type="deck", directory=tmp_path, name="n")
    assert caught.value.billed == "yes"
    assert caught.value.result.files == ()
    assert caught.value.result.unverified[0].path == tmp_path / "n.unverified"


def test_a_deadline_is_a_builtin_timeout(script: Script) -> None:
    script.on("/api/v1/status/j1", 200, {"status": "processing"})
    with pytest.raises(TimeoutError) as caught:
        scripted(script).wait("j1", timeout=10)
    assert isinstance(caught.value, perceptis.TimeoutError)
    assert caught.value.job_id == "j1"


def test_many_threads_share_a_client(client: perceptis.Client, tmp_path: Path) -> None:
    def one(number: int) -> Path:
        result = client.run(
            f"Slide {number}", output_type="single_slide", directory=tmp_path, name=f"s{number}"
        )
        return result.files[0].path

    with ThreadPoolExecutor(16) as pool:
        paths = list(pool.map(one, range(32)))
    assert sorted(paths) == sorted(tmp_path / f"s{number}.pptx" for number in range(32))


def test_closing_ends_what_runs_and_nothing_runs_after(script: Script) -> None:
    script.on("/api/v1/status/j1", 200, {"status": "processing"})
    client = scripted(script)
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            client.wait("j1")
        except perceptis.ClosedError as error:
            caught.append(error)

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(client.activity()) < 8:
        pass
    client.close()
    for thread in threads:
        thread.join()
    assert len(caught) == 8
    client.close()
    with pytest.raises(perceptis.ClosedError):
        client.wait("j1")
    with pytest.raises(perceptis.ClosedError):
        client.activity()
    assert "closed" in repr(client)


def test_a_fork_belongs_to_the_parent(client: perceptis.Client, sandbox: Sandbox, tmp_path: Path) -> None:
    accepted = client.generate("Fork", output_type="single_slide")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            try:
                client.get_status(accepted.job_id)
            except perceptis.ForkedError:
                client.close()
                with perceptis.Client(
                    api_key=sandbox.api_key, api_base_url=sandbox.base_url, time_scale=SPEED
                ) as new:
                    code = 0 if new.get_status(accepted.job_id).job_id == accepted.job_id else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.wait(accepted.job_id).status == "completed"


@pytest.mark.usefixtures("environment")
def test_the_callers_run(client: perceptis.Client, namespace: Namespace, tmp_path: Path) -> None:
    callers = ROOT / "tests" / "callers"
    job_id = client.generate("Caller", output_type="single_slide").job_id
    client.wait(job_id)
    # The caller's deadline is a minute: here a minute of the wall's clock.
    status = run_python(str(callers / "status.py"), job_id, env={**os.environ, "PERCEPTIS_TIME_SCALE": "1"})
    assert status.returncode == 0, status.stderr
    assert status.stdout.splitlines()[0] == "completed [1]"
    assert client.get_status(job_id).job_id in status.stdout.splitlines()[1]

    # The job goes on once the program has shown its progress.
    namespace.strike("never_ends")
    deck = subprocess.Popen(
        [sys.executable, str(callers / "one_deck.py"), "Why teams adopt Rust", str(tmp_path)],
        env=namespace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert deck.stdout is not None and deck.stderr is not None
    while (line := deck.stderr.readline()) != "processing\n":
        assert line, "it ended early"
    namespace.clear()
    path, size = deck.communicate()[0].split()
    assert deck.returncode == 0
    assert Path(path).stat().st_size == int(size)
