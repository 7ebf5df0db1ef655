"""A headless Chromium, driven over a pipe with the DevTools protocol: it needs no port and no driver."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DEADLINE = 60.0  # seconds for each event that must come; no test measures them
KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "Escape": (27, ""), "ArrowDown": (40, "")}


class Browser:
    """The browser, with a temporary profile of its own."""

    def __init__(self, directory: Path) -> None:
        program = shutil.which("chromium")
        if program is None:
            pytest.exit(
                "the page is tested in chromium, which is not installed: see tests/tools.sh", returncode=1
            )
        arguments = [
            program, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={directory / 'profile'}",
            "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-extensions", "about:blank",
        ]  # fmt: skip
        if os.geteuid() == 0:
            arguments.insert(1, "--no-sandbox")  # Chromium's own sandbox refuses root
        # Chromium reads from descriptor 3 and writes to descriptor 4.
        theirs_in, ours_out = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in os.pipe())
        ours_in, theirs_out = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in os.pipe())
        self._in, self._out = ours_in, ours_out
        log = str(directory / "chromium.log")
        self._pid = os.posix_spawn(
            program,
            arguments,
            {**os.environ, "HOME": str(directory)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs_in, 3),
                (os.POSIX_SPAWN_DUP2, theirs_out, 4),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._last = 0
        self.pages: dict[str, Page] = {}

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Calls a method and waits for its answer; events that come meanwhile are kept."""
        self._last += 1
        number = self._last
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        rest = json.dumps(message).encode() + b"\0"
        while rest:
            rest = rest[os.write(self._out, rest) :]
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, (method, parameters, answer["error"])
                return answer["result"]
            page = self.pages.get(answer.get("sessionId", ""))
            if page is not None and "method" in answer:
                page.note(answer["method"], answer["params"])

    def _read(self) -> Any:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], DEADLINE)
            assert ready, "chromium says nothing"
            data = os.read(self._in, 1 << 20)
            assert data, "chromium has ended"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def page(self) -> Page:
        """Opens a window that shares nothing with the others."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call(
            "Target.createTarget", url="about:blank", browserContextId=context, width=1400, height=1000
        )
        session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        page = Page(self, session, context)
        self.pages[session] = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        return page

    def end(self) -> None:
        """Ends the browser and all processes that it started."""
        os.close(self._out)
        os.close(self._in)
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


class Page:
    """A window: the actions of a person in it, and the events that came."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self._browser, self._session, self.context = browser, session, context
        self.requests: list[str] = []
        self.problems: list[str] = []

    def call(self, method: str, **parameters: Any) -> Any:
        return self._browser.call(method, self._session, **parameters)

    def note(self, method: str, event: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(event["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "assert"):
            self.problems.append(json.dumps(event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.problems.append(json.dumps(event["entry"]))

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, (script, told)
        return told["result"].get("value")

    def until(self, script: str) -> Any:
        """Waits for an expression to become true."""
        end = time.monotonic() + DEADLINE
        while not (value := self.run(script)):
            assert time.monotonic() < end, (script, self.run("document.body.innerText"))
            time.sleep(0.05)
        return value

    def until_true(self, holds: Callable[[], bool]) -> None:
        """Waits for a condition outside the page."""
        end = time.monotonic() + DEADLINE
        while not holds():
            assert time.monotonic() < end
            self.run("1")  # events that came meanwhile are kept
            time.sleep(0.05)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url)})")

    def text(self, selector: str) -> str:
        """The visible text of an element, without the white space around it."""
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText.trim() ?? ''")

    def click(self, selector: str) -> None:
        """Clicks on the place of an element: if another element covers it, that one is hit."""
        find = f"document.querySelector({json.dumps(selector)})"
        self.until(f"{find}?.getClientRects().length > 0")
        place = self.run(
            f"{find}.scrollIntoView({{block: 'center', behavior: 'instant'}}),"
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({find}.getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )

    def press(self, key: str, shift: bool = False) -> None:
        code, text = KEYS[key]
        held = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **held)
        self.call("Input.dispatchKeyEvent", type="keyUp", **held)

    def write(self, selector: str, text: str) -> None:
        """Replaces the text of a field."""
        self.run(f"((it) => (it.focus(), it.select()))(document.querySelector({json.dumps(selector)}))")
        self.call("Input.insertText", text=text)

    def tab_to(self, script: str) -> None:
        """Presses Tab until this holds for the focused element, `it`."""
        for _ in range(200):
            if self.run(f"((it) => {script})(document.activeElement)"):
                return
            self.press("Tab")
        raise AssertionError(f"Tab never reaches it: {script}")

    def close(self) -> None:
        self._browser.pages.pop(self._session)
        self._browser.call("Target.disposeBrowserContext", browserContextId=self.context)
