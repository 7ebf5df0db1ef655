"""What the two clients share: the library's client, its life, and what is left unsettled."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from ctypes import byref, c_void_p
from typing import Any, Generator, Optional, TypeVar, Union

from ._calls import Call
from ._codes import Code
from ._library import call, call_for_text, encoded, library
from ._queue import Event
from ._request import Path, as_text
from .errors import CancelledError, ClosedError, Error, ForkedError, JobFailedError
from .results import Activity, Unsettled

T = TypeVar("T")

_MOST_UNSETTLED = 10_000


class BaseClient:
    """A client of the service with one API key."""

    def __init__(
        self,
        *,
        api_key: Optional[str] = None,
        api_base_url: Optional[str] = None,
        app_name: Optional[str] = None,
        ca_file: Optional[Path] = None,
        allow_http: Optional[bool] = None,
        connect_timeout_ms: Optional[int] = None,
        submit_timeout_ms: Optional[int] = None,
        status_timeout_ms: Optional[int] = None,
        download_idle_timeout_ms: Optional[int] = None,
        poll_first_ms: Optional[int] = None,
        poll_max_ms: Optional[int] = None,
        time_scale: Optional[int] = None,
        **further: Union[str, int, bool],
    ) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._calls = 0
        self._closed = False
        self._handle: Optional[c_void_p] = None
        self._unsettled: OrderedDict[tuple[Optional[str], Optional[str]], Unsettled] = OrderedDict()
        self._begin()
        values: dict[str, Any] = {
            "api_key": api_key,
            "api_base_url": api_base_url,
            "app_name": app_name,
            "ca_file": ca_file,
            "allow_http": allow_http,
            "connect_timeout_ms": connect_timeout_ms,
            "submit_timeout_ms": submit_timeout_ms,
            "status_timeout_ms": status_timeout_ms,
            "download_idle_timeout_ms": download_idle_timeout_ms,
            "poll_first_ms": poll_first_ms,
            "poll_max_ms": poll_max_ms,
            "time_scale": time_scale,
            **further,
        }
        config = c_void_p(library.perceptis_config_new())
        try:
            for key, value in values.items():
                if value is not None:
                    text = encoded(key, as_text(key, value))
                    call(library.perceptis_config_set, config, encoded("key", key), text)
            handle = c_void_p()
            call(library.perceptis_client_new, config, byref(handle))
            self._handle = handle
        finally:
            library.perceptis_config_free(config)

    def _begin(self) -> None:
        """What a kind of client begins with."""

    def activity(self) -> tuple[Activity, ...]:
        """What runs in this client now, without asking the service. Does not block."""
        with self._in_use() as handle:
            return Activity.list_from_json(call_for_text(library.perceptis_client_activity, handle))

    def unsettled(self) -> tuple[Unsettled, ...]:
        """What goes on at the service after calls of this client were cancelled, the oldest first.

        A cancelled call can't say which job it leaves behind; this does. A job is taken out when a later call of this
        client has fetched it or has heard that it failed. The newest 10,000 are kept.
        """
        with self._lock:
            return tuple(self._unsettled.values())

    def __repr__(self) -> str:
        return f"<perceptis.{type(self).__name__} {'closed' if self._closed else 'open'}>"

    def __reduce__(self) -> Any:
        raise TypeError(f"a perceptis.{type(self).__name__} can't be pickled; make one in each process")

    def _result(self, made: Call[T], end: Event) -> T:
        """The result of a call that has ended, or its error."""
        self._settle(made, end)
        if end.error is not None:
            raise end.error
        return made.parse(end.json)

    def _settle(self, made: Call[Any], end: Event) -> None:
        """Takes out what this end settles."""
        fetched = end.error is None and made.operation in ("run", "download")
        waited = end.error is None and made.operation == "wait"
        if not (self._unsettled and (fetched or waited or isinstance(end.error, JobFailedError))):
            return
        value = made.parse(end.json) if end.error is None else None
        job_id = getattr(value, "job_id", None) or made.job_id or getattr(end.error, "job_id", None)
        key = getattr(value, "idempotency_key", None) or getattr(end.error, "idempotency_key", None)
        with self._lock:
            for name, left in list(self._unsettled.items()):
                same = (job_id is not None and left.job_id == job_id) or (key is not None and left.idempotency_key == key)
                # Who was cancelled while it waited has what it wanted; files are still to be fetched.
                if same and not (waited and left.operation in ("run", "download")):
                    del self._unsettled[name]

    def _leave_unsettled(self, made: Call[Any], end: Event) -> None:
        """Remembers what a cancelled call leaves behind."""
        if made.operation == "get_status":
            return
        if end.error is None:
            value: Any = made.parse(end.json)
            self._remember(
                Unsettled(
                    made.operation,
                    value.job_id or made.job_id,
                    getattr(value, "idempotency_key", None),
                    getattr(value, "billed", "unknown"),
                    f"the call ended by itself before it could be cancelled; its job is {value.job_id or made.job_id}",
                )
            )
        elif isinstance(end.error, CancelledError) and end.error.billed != "no":
            error: Error = end.error
            self._remember(
                Unsettled(made.operation, error.job_id, error.idempotency_key, error.billed, error.message)
            )

    def _remember(self, left: Unsettled) -> None:
        with self._lock:
            self._unsettled[(left.job_id, left.idempotency_key)] = left
            while len(self._unsettled) > _MOST_UNSETTLED:
                self._unsettled.popitem(last=False)

    def _is_forked(self) -> bool:
        return self._process != os.getpid()

    @contextlib.contextmanager
    def _in_use(self) -> Generator[c_void_p, None, None]:
        """The handle, kept from being freed while a call uses it."""
        if self._is_forked():
            # Before the lock: a thread of the parent's may have held it when the process forked.
            raise ForkedError(
                "the client was made before a fork, in the parent process; make a new one in this process",
                Code.FORKED,
                {"billed": "no", "retryable": False},
            )
        with self._lock:
            if self._closed or self._handle is None:
                raise ClosedError("the client is closed", Code.CLOSED, {"billed": "no", "retryable": False})
            self._calls += 1
            handle = self._handle
        try:
            yield handle
        finally:
            self._leave()

    def _leave(self) -> None:
        """The last call of a closed client frees it."""
        with self._lock:
            self._calls -= 1
            if self._calls or not self._closed:
                return
            handle, self._handle = self._handle, None
        self._free(handle)

    def _free(self, handle: Optional[c_void_p]) -> None:
        if handle is not None:
            library.perceptis_client_free(handle)
