"""The base of both clients: the library's client, its life, and the jobs that are left unsettled."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from ctypes import byref, c_void_p
from typing import Any, Generator, Optional, TypeVar, Union

from . import _calls, _log
from ._calls import Call
from ._codes import Code
from ._library import call, call_for_text, encoded, library
from ._queue import Event, Queue
from ._request import Path, as_text
from .errors import CancelledError, ClosedError, ForkedError, JobFailedError, NotFoundError
from .ledger import Job, Unsettled
from .results import Activity

T = TypeVar("T")

_MOST_LISTED = 10_000
"""The largest number of submissions that the library lists at once."""
_MOST_LEFT = 1_000


class BaseClient:
    """A client of the service with one API key."""

    def __init__(
        self,
        *,
        api_key: Optional[str] = None,
        api_base_url: Optional[str] = None,
        app_name: Optional[str] = None,
        ca_file: Optional[Path] = None,
        client_cert_file: Optional[Path] = None,
        client_key_file: Optional[Path] = None,
        allow_http: Optional[bool] = None,
        connect_timeout_ms: Optional[int] = None,
        submit_timeout_ms: Optional[int] = None,
        status_timeout_ms: Optional[int] = None,
        download_idle_timeout_ms: Optional[int] = None,
        poll_first_ms: Optional[int] = None,
        poll_max_ms: Optional[int] = None,
        resubmit_window_ms: Optional[int] = None,
        adopt_window_ms: Optional[int] = None,
        max_concurrent_submissions: Optional[int] = None,
        max_file_bytes: Optional[int] = None,
        ledger: Optional[Path] = None,
        log_level: Optional[str] = None,
        time_scale: Optional[int] = None,
        jitter_seed: Optional[int] = None,
        **further: Union[str, int, bool],
    ) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._calls = 0
        self._closed = False
        self._handle: Optional[c_void_p] = None
        self._left: OrderedDict[str, Unsettled] = OrderedDict()
        """By job id: jobs that cancelled waits and downloads left. The ledger may not know them."""
        self._begin()
        values: dict[str, Any] = {
            "api_key": api_key,
            "api_base_url": api_base_url,
            "app_name": app_name,
            "ca_file": ca_file,
            "client_cert_file": client_cert_file,
            "client_key_file": client_key_file,
            "allow_http": allow_http,
            "connect_timeout_ms": connect_timeout_ms,
            "submit_timeout_ms": submit_timeout_ms,
            "status_timeout_ms": status_timeout_ms,
            "download_idle_timeout_ms": download_idle_timeout_ms,
            "poll_first_ms": poll_first_ms,
            "poll_max_ms": poll_max_ms,
            "resubmit_window_ms": resubmit_window_ms,
            "adopt_window_ms": adopt_window_ms,
            "max_concurrent_submissions": max_concurrent_submissions,
            "max_file_bytes": max_file_bytes,
            "ledger": ledger,
            "log_level": log_level,
            "time_scale": time_scale,
            "jitter_seed": jitter_seed,
            **further,
        }
        wanted = _log.wanted_level()
        if wanted is not None and log_level is None and "PERCEPTIS_LOG_LEVEL" not in os.environ:
            values["log_level"] = wanted
        config = c_void_p(library.perceptis_config_new())
        try:
            for key, value in values.items():
                if value is not None:
                    text = encoded(key, as_text(key, value))
                    call(library.perceptis_config_set, config, encoded("key", key), text)
            if wanted is not None:
                call(library.perceptis_config_set_log_queue, config, self._log_queue().handle)
            handle = c_void_p()
            call(library.perceptis_client_new, config, byref(handle))
            self._handle = handle
        finally:
            library.perceptis_config_free(config)

    def _begin(self) -> None:
        """Initializes the fields of a kind of client."""

    def _log_queue(self) -> Queue:
        """Makes the queue for log records. Only called if the program has a handler for them."""
        raise NotImplementedError

    def activity(self) -> tuple[Activity, ...]:
        """The calls that run in this client now. Does not ask the service and does not block."""
        with self._in_use() as handle:
            return Activity.list_from_json(call_for_text(library.perceptis_client_activity, handle))

    def __repr__(self) -> str:
        return f"<perceptis.{type(self).__name__} {'closed' if self._closed else 'open'}>"

    def __reduce__(self) -> Any:
        raise TypeError(f"a perceptis.{type(self).__name__} can't be pickled; make one in each process")

    def _result(self, made: Call[T], end: Event) -> T:
        """Returns the result of a call that has ended, or raises its error: the last step of a call."""
        if end.error is not None:
            self._sign(end)
            raise end.error
        result = made.parse(end.json)
        self._sign(end)
        return result

    def _sign(self, end: Event) -> None:
        """Tells the library that the program has the end of a call."""
        end.sign()

    def _jobs(self, made: Call[tuple[Job, ...]]) -> tuple[Job, ...]:
        """Lists submissions of the ledger; blocks on the disk."""
        with self._in_use() as handle:
            return made.block(handle)

    def _forget(self, job: Optional[str], settled: bool) -> None:
        """Removes submissions from the ledger; blocks on the disk."""
        with self._in_use() as handle:
            _calls.forget(handle, job, settled)

    def _list_unsettled(self) -> tuple[Unsettled, ...]:
        """Submissions that wait for ``recover``, and other jobs of cancelled calls; blocks on the disk."""
        known = self._jobs(_calls.jobs(unsettled=True, limit=_MOST_LISTED))
        waits = [Unsettled.of(job) for job in reversed(known) if job.own_key and not job.live]
        listed = {job.job_id for job in known}
        with self._lock:
            left = list(self._left.items())
        for job_id, entry in left:
            if job_id in listed:
                continue
            try:
                self._jobs(_calls.jobs(job=job_id, limit=1))
            except NotFoundError:
                waits.append(entry)
            else:
                # The ledger knows the job, and knows that it is settled.
                self._forget_left(job_id)
        return tuple(waits)

    def _settle(self, made: Call[Any], end: Event) -> None:
        """Forgets the job that this end settles."""
        if made.job_id is None:
            return
        failed = isinstance(end.error, JobFailedError)
        with self._lock:
            left = self._left.get(made.job_id)
        # A wait settles a cancelled wait. Only a download settles a cancelled download: its files are
        # missing.
        enough = ("download",) if left is not None and left.operation == "download" else ("download", "wait")
        if failed or (end.error is None and made.operation in enough):
            self._forget_left(made.job_id)

    def _leave_unsettled(self, made: Call[Any], end: Event) -> None:
        """Remembers the job of a cancelled call. Submissions of this client are in the ledger."""
        if made.job_id is None or made.operation == "get_status" or not isinstance(end.error, CancelledError):
            return
        error = end.error
        left = Unsettled(made.operation, made.job_id, error.idempotency_key, error.billed, error.message)
        with self._lock:
            self._left[made.job_id] = left
            while len(self._left) > _MOST_LEFT:
                self._left.popitem(last=False)

    def _forget_left(self, job_id: str) -> None:
        with self._lock:
            self._left.pop(job_id, None)

    def _is_forked(self) -> bool:
        return self._process != os.getpid()

    @contextlib.contextmanager
    def _in_use(self) -> Generator[c_void_p, None, None]:
        """The library's client, which is not freed while a call uses it."""
        if self._is_forked():
            # This comes before the lock, which a thread of the parent may have held when the process forked.
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
        """Ends the use of the client. The last call of a closed client frees it."""
        with self._lock:
            self._calls -= 1
            if self._calls or not self._closed:
                return
            handle, self._handle = self._handle, None
        self._free(handle)

    def _free(self, handle: Optional[c_void_p]) -> None:
        if handle is not None:
            library.perceptis_client_free(handle)
