"""A call of the command line while it runs: the line that shows its state, and Ctrl-C."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, Callable, Optional, TypeVar

from .client import Client
from .results import Activity

T = TypeVar("T")


def watched(client: Client, call: Callable[[], T], as_json: bool) -> T:
    """Runs a call on another thread, so that this thread can show its state and react to Ctrl-C."""
    done = threading.Event()
    outcome: list[Any] = [None, None]

    def work() -> None:
        try:
            outcome[0] = call()
        except BaseException as error:  # the other thread raises it
            outcome[1] = error
        finally:
            done.set()

    # A daemon: after Ctrl-C the process does not wait for the thread.
    threading.Thread(target=work, name="perceptis-call", daemon=True).start()
    line = _Line(sys.stderr)
    last: Optional[Activity] = None
    try:
        while not done.wait(0.2):
            last = next(iter(client.activity()), last)
            if last is not None:
                line.show(last)
    except KeyboardInterrupt:
        line.end()
        _interrupted(last, as_json)
    line.end()
    if outcome[1] is not None:
        raise outcome[1]
    result: T = outcome[0]
    return result


class _Line:
    """On a terminal, one line that changes; elsewhere, a line for each change and each half minute."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._terminal: bool = stream.isatty()
        self._shown = ""
        self._at = 0.0

    def show(self, activity: Activity) -> None:
        state = activity.status or activity.phase if activity.phase == "waiting" else activity.phase
        if activity.operation == "recover":
            state = "recovering"
        job = f" {activity.job_id}" if activity.job_id else ""
        minutes, seconds = divmod(int(activity.elapsed), 60)
        text = f"{state}{job} {minutes}:{seconds:02}"
        if self._terminal:
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()
        elif f"{state}{job}" != self._shown or activity.elapsed - self._at >= 30:
            print(text, file=self._stream, flush=True)
            self._shown, self._at = f"{state}{job}", activity.elapsed

    def end(self) -> None:
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _interrupted(last: Optional[Activity], as_json: bool) -> None:
    """Prints how to go on. The call is not ended, and its job goes on in any case."""
    if as_json:
        known = {
            "code": "INTERRUPTED",
            "job_id": last and last.job_id,
            "idempotency_key": last and last.idempotency_key,
        }
        print(json.dumps(known), file=sys.stderr)
    elif last is not None and last.operation == "run" and last.job_id is not None:
        print(
            f"interrupted; job {last.job_id} goes on: run the same line again, or python -m perceptis "
            "recover, neither of which is billed twice",
            file=sys.stderr,
        )
    elif last is not None and last.job_id is not None:
        print(
            f"interrupted; job {last.job_id} goes on: python -m perceptis wait {last.job_id}, "
            f"then python -m perceptis download {last.job_id}",
            file=sys.stderr,
        )
    elif last is not None and last.idempotency_key is not None:
        print(
            "interrupted; whether the request was accepted is unknown: run it again with "
            f"--idempotency-key {last.idempotency_key}, which is not billed twice",
            file=sys.stderr,
        )
    elif last is not None and last.operation == "recover":
        print(
            "interrupted; nothing was bought, and the next recover goes on with what is left", file=sys.stderr
        )
    else:
        print("interrupted; nothing was submitted", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130)
