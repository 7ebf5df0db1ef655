"""The sandbox's page, used like a person does: in a real browser, with a mouse and a keyboard."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import SANDBOX, SPEED, Sandbox

from browser import Browser, Page

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


class Space:
    """A namespace of the sandbox, as programs see it."""

    def __init__(self, base_url: str, name: str) -> None:
        self.base_url, self.name = base_url, name
        self.page_url = f"{base_url}/?namespace={name}"

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.base_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer sk-sandbox-{self.name}", "Content-Type": "application/json"},
        )
        # The proxy of the tests does not exist.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        status, told = self.ask(method, f"/_sandbox/{path}?namespace={self.name}", body)
        assert status < 300, told
        return told

    def submit(self, prompt: str, **fields: Any) -> str:
        status, told = self.ask(
            "POST", "/api/v1/generate", {"prompt": prompt, "output_type": "deck", **fields}
        )
        assert status == 202, told
        return told["job_id"]

    def poll(self, job: str) -> int:
        return self.ask("GET", f"/api/v1/status/{job}")[0]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.end()


@pytest.fixture
def space(sandbox: Sandbox, request: pytest.FixtureRequest) -> Space:
    space = Space(sandbox.base_url, request.node.name)
    space.admin("POST", "clock", {"frozen": True})
    return space


@pytest.fixture
def page(browser: Browser, space: Space) -> Iterator[Page]:
    """The page, opened; whatever is done there, it asks no other server and nothing goes wrong in it."""
    page = browser.page()
    page.open(space.page_url)
    page.until("document.querySelector('#link').textContent === 'live'")
    page.until("document.querySelectorAll('#scenario option').length > 90")
    yield page
    assert page.problems == []
    foreign = [url for url in page.requests if not url.startswith(f"{space.base_url}/")]
    assert foreign == []
    page.close()


def state(job: str) -> str:
    return f"[data-job='{job}'] .state"


def shows(selector: str, text: str) -> str:
    """Whether the page shows this text."""
    return f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})"


def test_a_job_is_seen_to_complete_and_its_slides_are_drawn(page: Page, space: Space, tmp_path: Path) -> None:
    job = space.submit("Plan\n- One\n- Two")
    page.until(shows(state(job), "pending"))
    assert page.text("#pace") == "frozen"
    page.click("[data-advance='60000']")
    page.until(shows(state(job), "processing"))
    done = "parseFloat(getComputedStyle(document.querySelector('.fill')).width)"
    at_first = page.run(done)
    page.click("[data-advance='60000']")
    page.until(f"{done} > {at_first}")
    for _ in range(3):
        page.click("[data-advance='300000']")
    page.until(shows(state(job), "completed"))
    page.until(shows("#announced", "Job completed: Plan"))
    page.until(shows("#credits", "8"))

    page.click(".slides > summary")
    pictures = "[...document.querySelectorAll('.reel img')]"
    page.until(f"{pictures}.length === 8 && {pictures}.every((one) => one.complete)")
    assert page.run(f"{pictures}.every((one) => one.naturalWidth > 0)")
    assert page.run(f"{pictures}[0].alt") == "Slide 1 of 8, variant 1"

    page.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.click(".download")
    page.until(shows("#journal", f"/files/{job}/1.pptx"))
    file = tmp_path / f"{job}-1.pptx"
    page.until_true(file.exists)
    assert "ppt/presentation.xml" in zipfile.ZipFile(file).namelist()


def test_a_fault_is_turned_on_and_seen_to_fire(page: Page, space: Space) -> None:
    job = space.submit("Plan")
    page.click("#search")
    page.call("Input.insertText", text="http_503")
    page.until(shows("#about", "http_503: 503"))
    page.run("document.querySelector('#endpoint').value = 'status'")
    page.click("#fault button[type=submit]")
    page.until(shows(".rule", "http_503@status"))
    assert page.text(".fired") == "fired 0 of 1"
    assert [space.poll(job), space.poll(job)] == [503, 200]
    page.until(shows(".fired", "fired 1 of 1, spent"))
    page.until("document.querySelectorAll('#journal > li').length === 3")
    # The newest first.
    assert page.text("#journal > li:nth-child(1) .status") == "200"
    assert page.text("#journal > li:nth-child(2) .status") == "503"
    assert "http_503@status" in page.text("#journal > li:nth-child(2) .chips")
    page.click("#struck-only")
    seen = (
        "[...document.querySelectorAll('#journal > li')].filter((one) => one.getClientRects().length).length"
    )
    page.until(f"{seen} === 1")
    page.click("#struck-only")
    page.click("#journal > li:nth-child(3) summary")
    page.until(shows("#journal > li:nth-child(3) .body", '"prompt": "Plan"'))
    assert page.run(r"/^[1-9][0-9,]*$/.test(document.querySelector('#journal .bytes').innerText)")
    page.click(".rule button")
    page.until(shows("#rules-none", "None."))
    assert space.admin("GET", "rules")["rules"] == []


def test_a_refused_rule_says_why(page: Page) -> None:
    page.write("#search", "takes")
    page.until("!document.querySelector('#value').disabled")
    page.write("#value", "soon")
    page.click("#fault button[type=submit]")
    page.until(shows("#fault-said", "the value of takes is a number"))
    # The browser itself logs every refusal.
    page.problems = [problem for problem in page.problems if "400 (Bad Request)" not in problem]


def test_the_page_itself_submits_and_polls(page: Page, space: Space) -> None:
    page.run("document.querySelector('#kind').value = 'single_slide'")
    page.run("document.querySelector('#kind').dispatchEvent(new Event('change'))")
    page.write("#variants", "2")
    page.write("#prompt", "Two ways. This one. That one.")
    page.click("#make button")
    page.until(shows("#make-said", "Accepted: job_"))
    page.until(shows(".kind", "slide × 2"))
    page.click(".poll")
    page.until(shows(".polls", "1 poll"))
    space.admin("POST", "clock", {"advance_ms": 3_600_000})
    page.until(shows(".state", "completed"))
    page.click(".slides > summary")
    page.until("document.querySelectorAll('.variant img').length === 2")


def test_hostile_prompts_are_text(page: Page, space: Space) -> None:
    job = space.submit(f"{HOSTILE}\n{HOSTILE}")
    page.until(shows(f"[data-job='{job}'] .prompt", HOSTILE))
    page.click("#journal > li summary")
    page.until(shows("#journal .body", "<script>"))
    space.admin("POST", "clock", {"advance_ms": 3_600_000})
    page.until(shows(state(job), "completed"))
    page.click(".slides > summary")
    page.until("[...document.querySelectorAll('.reel img')].some((one) => one.naturalWidth > 0)")
    assert page.run("document.querySelectorAll('main script, main img:not(.reel img)').length") == 0
    assert page.run("document.title") == "Perceptis sandbox"


def test_a_violation_of_the_policy_would_be_seen(page: Page) -> None:
    page.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">')")
    page.until_true(lambda: any("Content Security Policy" in one for one in page.problems))
    assert page.run("document.title") == "Perceptis sandbox"
    page.problems.clear()


def test_everything_can_be_done_from_the_keyboard(page: Page, space: Space) -> None:
    job = space.submit("Plan")
    page.until(shows(state(job), "pending"))
    page.press("Tab")
    assert page.run("document.activeElement.innerText") == "Skip to the jobs"
    page.press("Enter")
    page.until("document.activeElement.id === 'jobs' || location.hash === '#jobs'")
    page.run("document.activeElement.blur(), scrollTo(0, 0)")
    page.tab_to("it.innerText === '+5 min'")
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus is seen"
    for key in ("Enter", " ", "Enter"):
        page.press(key)
    page.until(shows(state(job), "completed"))
    page.tab_to("it.matches('.slides > summary')")
    page.press("Enter")
    page.until("document.querySelector('.reel img')?.getClientRects().length > 0")
    page.tab_to("it.id === 'search'")
    page.call("Input.insertText", text="no bytes empty file")
    page.until(shows("#about", "No scenario"))
    page.write("#search", "zero_bytes")
    page.press("Enter")
    page.until(shows(".rule", "zero_bytes@download"))
    page.tab_to("it.innerText === 'Remove all'")
    page.press(" ")
    page.until(shows("#rules-none", "None."))
    page.tab_to("it.matches('#journal summary')")
    page.press(" ")
    page.until("document.querySelector('#journal details').open")
    named = "[...document.querySelectorAll('button, input, select, textarea')].filter((one) => "
    named += "!one.labels?.length && !one.ariaLabel && !one.innerText.trim() && one.getClientRects().length)"
    assert page.run(f"{named}.map((one) => one.outerHTML)") == []


def test_namespaces_are_chosen_and_reset(page: Page, space: Space) -> None:
    other = Space(space.base_url, f"{space.name}-2")
    theirs = other.submit("Of the other namespace")
    ours = space.submit("Of ours")
    page.until(shows(state(ours), "pending"))
    page.until(
        f"[...document.querySelector('#namespace').options].some((one) => one.value === '{other.name}')"
    )
    choose = f"Object.assign(document.querySelector('#namespace'), {{value: '{other.name}'}})"
    page.run(f"{choose}.dispatchEvent(new Event('change'))")
    page.until(shows(state(theirs), ""))
    assert page.run(f'document.querySelector("{state(ours)}")') is None
    page.until(shows("#api-key", f"sk-sandbox-{other.name}"))
    assert page.run("location.search") == f"?namespace={other.name}"
    page.until("document.querySelectorAll('#journal > li').length === 1")

    page.click("#reset")
    page.until("document.querySelector('#reset-dialog').open")
    page.press("Escape")
    page.until("!document.querySelector('#reset-dialog').open")
    assert len(other.admin("GET", "jobs")["jobs"]) == 1, "not before it is confirmed"
    page.click("#reset")
    page.click("#reset-dialog .danger")
    page.until("document.querySelectorAll('.job, #journal > li').length === 0")
    assert other.admin("GET", "jobs")["jobs"] == []
    assert len(space.admin("GET", "jobs")["jobs"]) == 1

    page.run(
        "Object.assign(document.querySelector('#namespace'), {value: ''}).dispatchEvent(new Event('change'))"
    )
    page.until("document.querySelector('#space-dialog').open")
    page.write("#space-name", space.name)
    page.press("Enter")
    page.until(shows(state(ours), "pending"))


def test_the_clock_is_frozen_run_and_sped_up(page: Page, space: Space) -> None:
    page.click("#freeze")
    page.until(shows("#pace", f"running at {SPEED}×"))
    page.click("[data-speed='1000']")
    page.until("document.querySelector('[data-speed=\"1000\"]').ariaPressed === 'true'")
    assert space.admin("GET", "clock")["speed"] == 1000
    before = page.text("#now")
    page.until(f"document.querySelector('#now').innerText !== '{before}'")
    page.click("#freeze")
    page.until(shows("#pace", "frozen"))
    assert space.admin("GET", "clock")["frozen"] is True


def test_it_is_readable_in_light_in_dark_and_on_a_phone(page: Page, space: Space) -> None:
    space.submit("A" * 300)
    page.until("document.querySelectorAll('.job, #journal > li').length === 2")
    looks = []
    for scheme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        looks.append(
            page.run("['backgroundColor', 'color'].map((one) => getComputedStyle(document.body)[one])")
        )
    assert looks[0][0] != looks[1][0] and looks[0][1] != looks[1][1]
    for width in (360, 800, 1400):
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
        )
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), width


def test_out_of_sight_it_rests_and_catches_up(page: Page, space: Space) -> None:
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true}),"
    hide += "document.dispatchEvent(new Event('visibilitychange'))"
    page.run(hide % "true")
    page.until(shows("#link", "paused"))
    job = space.submit("Plan")
    page.run(hide % "false")
    page.until(shows(state(job), "pending"))
    page.until("document.querySelectorAll('#journal > li').length === 1")
    page.until(shows("#link", "live"))


def test_a_lost_connection_is_told_and_picked_up(browser: Browser) -> None:
    def start(port: str) -> tuple[subprocess.Popen[str], Any]:
        process = subprocess.Popen(
            [str(SANDBOX), "serve", "--port", port, "--seed", "1", "--exit-on-stdin-eof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    process, ready = start("0")
    space, page = Space(ready["base_url"], "default"), browser.page()
    page.open(space.page_url)
    first = space.submit("Of the first sandbox")
    page.until(shows("#jobs-list", "Of the first sandbox"))
    page.until(shows("#link", "live"))
    process.communicate("", timeout=30)
    page.until(shows("#link", "no connection"))
    process, _ = start(ready["base_url"].rsplit(":", 1)[1])
    page.until(shows("#link", "live"))
    page.until(shows("#jobs-none", "No jobs"))
    assert page.run("document.querySelectorAll('#journal > li').length") == 0
    assert space.submit("Of the second one") == first, "the same seed"
    page.until(shows("#jobs-list", "Of the second one"))
    page.until("document.querySelectorAll('#journal > li').length === 1")
    page.close()
    process.communicate("", timeout=30)
