"""The library's log records, handed to ``logging``: to the logger ``perceptis``."""

from __future__ import annotations

import json
import logging
import select
from typing import Any, Optional, cast

from ._queue import LOG, Queue

LOGGER = logging.getLogger("perceptis")
# Without a handler of the program, nothing is printed.
LOGGER.addHandler(logging.NullHandler())

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_FIRST = ("operation", "job_id", "idempotency_key")
_NOT_SHOWN = ("unix_ms", "level", "event", "message", *_FIRST)


def wanted_level() -> Optional[str]:
    """The lowest level for which the logger is enabled now, by the library's name; ``None``: no level."""
    return next((name for name, level in _LEVELS.items() if LOGGER.isEnabledFor(level)), None)


def emit(text: str) -> None:
    """Hands a record of the library to the logger, with the time at which it was made.

    The record's ``args`` are its fields. So is its attribute ``perceptis``, for handlers that make something
    else of the fields than a line.
    """
    fields = _fields(text)
    level = _LEVELS.get(str(fields.get("level")), logging.INFO)
    if not LOGGER.isEnabledFor(level):
        return
    extra = {"perceptis": fields}
    record = LOGGER.makeRecord(
        LOGGER.name, level, "libperceptis", 0, _template(fields), (fields,), None, extra=extra
    )
    unix_ms = fields.get("unix_ms")
    if isinstance(unix_ms, int):
        created = unix_ms / 1000
        record.relativeCreated += (created - record.created) * 1000
        record.created, record.msecs = created, float(unix_ms % 1000)
    LOGGER.handle(record)


def _fields(text: str) -> dict[str, Any]:
    fields = cast("dict[str, Any]", json.loads(text))
    if "event" not in fields:
        # The queue's own record: it has dropped records.
        fields = {"level": "warning", "event": "records dropped", **fields}
    return fields


def _template(fields: dict[str, Any]) -> str:
    """The template of a log line. Records of the same kind have the same template."""
    names = [name for name in _FIRST if name in fields]
    names += [name for name in fields if name not in _NOT_SHOWN and name.isidentifier()]
    shown = "".join(f" {name}=%({name})s" for name in names)
    return f"%(event)s{shown}" + (": %(message)s" if "message" in fields else "")


class Ear:
    """Takes a client's log records on the threads that wait for its calls; one of these threads listens for
    all.

    Records that come while no thread waits are handed on by the next thread that waits, or when the client is
    closed.
    """

    def __init__(self) -> None:
        self.queue = Queue()
        # It has at most one entry. setdefault() is atomic: no other thread and no Ctrl-C comes between.
        self._listener: dict[str, object] = {}

    def listens(self, who: object) -> bool:
        """Whether this listener is the one that hands on records; it is, until it calls leave()."""
        return self._listener.setdefault("", who) is who

    def leave(self, who: object) -> None:
        """Lets another listener take over, if this is the one that listens."""
        if self._listener.get("") is who:
            del self._listener[""]

    def wait(self, queue: Queue, timeout_ms: int) -> None:
        """Waits for an event in this queue or a log record."""
        if queue.is_drained() and self.queue.is_drained():
            poll = select.poll()
            poll.register(self.queue.fd, select.POLLIN)
            poll.register(queue.fd, select.POLLIN)
            poll.poll(timeout_ms)

    def tell(self) -> None:
        """Hands on the records that have come. Only the listener calls this."""
        while True:
            event = self.queue.take(0)
            if event is None:
                return
            if event.kind == LOG:
                emit(event.json)

    def tell_rest(self) -> None:
        """Hands on the records that have come, unless another thread is the listener."""
        who = object()
        while self._has_records() and self.listens(who):
            try:
                self.tell()
            finally:
                self.leave(who)

    def _has_records(self) -> bool:
        poll = select.poll()
        poll.register(self.queue.fd, select.POLLIN)
        return not self.queue.is_drained() or bool(poll.poll(0))
