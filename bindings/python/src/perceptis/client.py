"""The client."""

from __future__ import annotations

import contextlib
import threading
from ctypes import byref, c_void_p
from types import TracebackType
from typing import Any, Generator, Mapping, Optional, Sequence, Union

from ._codes import Code
from ._library import call, call_for_text, encoded, library
from ._request import ImageSource, Path, as_text, request_options, request_of
from .errors import ClosedError, ForkedError
from .results import Accepted, Activity, Result, Status


class Client:
    """A client of the service with one API key.

    May be used from any number of threads. After a fork it belongs to the parent: make a new one in the
    child. What is not given is taken from the environment variable ``PERCEPTIS_<NAME>``, else the library's
    default holds. Durations of the configuration are in milliseconds, as their names say; timeouts of calls
    are in seconds.

    Every call blocks its thread, also for Ctrl-C, until it ends; none holds the GIL meanwhile.

    :raises ConfigurationError: without an API key, with a base URL that is more than an origin, and so on.
    """

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
        self._lock = threading.Lock()
        self._calls = 0
        self._closed = False
        self._handle: Optional[c_void_p] = None
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

    def run(
        self,
        prompt: str,
        *,
        output_type: str,
        template_name: Optional[str] = None,
        variant_count: Optional[int] = None,
        images: Sequence[ImageSource] = (),
        use_web_search: Optional[bool] = None,
        use_knowledge_base: Optional[bool] = None,
        extra: Optional[Mapping[str, Any]] = None,
        directory: Optional[Path] = None,
        name: Optional[str] = None,
        overwrite: bool = False,
        idempotency_key: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Result:
        """Makes a deck or slide and puts it on disk: submits, waits and fetches.

        The directory and the names are checked, and the names reserved, before anything is submitted, since
        a job costs money. Nothing is submitted twice, whatever happens meanwhile.

        :param prompt: what to make
        :param output_type: ``"deck"`` or ``"single_slide"``
        :param template_name: a template that the organization can see
        :param variant_count: how many variants (``single_slide`` only)
        :param images: reference images, as paths or bytes (``single_slide`` only)
        :param extra: any other field of the request, as a JSON value
        :param directory: where files go; must exist (default: the working directory)
        :param name: the files' name without its ending (default: the job's id)
        :param overwrite: replace a file of that name
        :param idempotency_key: the same key with the same request is the same job
        :param timeout: seconds for all of it (default: 30 minutes for a slide, 45 for a deck)
        :raises Error: one of its subclasses; what is known of the job and the bill is in it
        """
        fields = {
            "template_name": template_name,
            "variant_count": variant_count,
            "use_web_search": use_web_search,
            "use_knowledge_base": use_knowledge_base,
        }
        target = {
            "directory": directory,
            "name": name,
            "overwrite": overwrite or None,
            "idempotency_key": idempotency_key,
        }
        with self._in_use() as handle:
            with request_of(prompt, output_type, fields, images, extra) as request:
                with request_options(target, timeout) as options:
                    return Result.from_json(call_for_text(library.perceptis_run, handle, request, options))

    def generate(
        self,
        prompt: str,
        *,
        output_type: str,
        template_name: Optional[str] = None,
        variant_count: Optional[int] = None,
        images: Sequence[ImageSource] = (),
        use_web_search: Optional[bool] = None,
        use_knowledge_base: Optional[bool] = None,
        extra: Optional[Mapping[str, Any]] = None,
        idempotency_key: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Accepted:
        """Submits a request and returns once the service has accepted it; the job goes on there.

        The parameters are those of :meth:`run`. The default timeout is 10 minutes.
        """
        fields = {
            "template_name": template_name,
            "variant_count": variant_count,
            "use_web_search": use_web_search,
            "use_knowledge_base": use_knowledge_base,
        }
        with self._in_use() as handle:
            with request_of(prompt, output_type, fields, images, extra) as request:
                with request_options({"idempotency_key": idempotency_key}, timeout) as options:
                    return Accepted.from_json(call_for_text(library.perceptis_generate, handle, request, options))

    def get_status(self, job_id: str, *, timeout: Optional[float] = None) -> Status:
        """The state of a job, asked once. A job is asked about at most once a second.

        :param timeout: seconds, passing failures and their retries included (default: 60)
        """
        return Status.from_json(self._about(library.perceptis_get_status, job_id, {}, timeout))

    def wait(self, job_id: str, *, timeout: Optional[float] = None) -> Status:
        """Waits until a job is completed. Outages and unreadable answers are waited out.

        :param timeout: seconds (default: 45 minutes)
        """
        return Status.from_json(self._about(library.perceptis_wait, job_id, {}, timeout))

    def download(
        self,
        job_id: str,
        *,
        directory: Optional[Path] = None,
        name: Optional[str] = None,
        overwrite: bool = False,
        timeout: Optional[float] = None,
    ) -> Result:
        """Fetches the files of a completed job, verified and under their final names.

        The parameters are those of :meth:`run`. The default timeout is an hour.
        """
        target = {"directory": directory, "name": name, "overwrite": overwrite or None}
        return Result.from_json(self._about(library.perceptis_download, job_id, target, timeout))

    def activity(self) -> tuple[Activity, ...]:
        """What runs in this client now, on any thread, without asking the service."""
        with self._in_use() as handle:
            return Activity.list_from_json(call_for_text(library.perceptis_client_activity, handle))

    def close(self, timeout: float = 5.0) -> None:
        """Ends the calls that run on other threads, each with :class:`ClosedError`, and waits for them.

        Their jobs go on at the service. Closing again does nothing.

        :param timeout: seconds to wait at most
        :raises TimeoutError: when they have not ended; they are dropped all the same
        """
        milliseconds = int(max(timeout, 0) * 1000)
        with self._lock:
            if self._handle is None:
                return
            self._closed = True
            self._calls += 1
            handle = self._handle
        try:
            call(library.perceptis_client_close, handle, milliseconds)
        except ForkedError:
            pass  # The calls are the parent's; here is nothing to end.
        finally:
            self._leave()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Not made at all, when the constructor's own arguments were wrong.
        handle = self.__dict__.get("_handle")
        if handle is not None:
            self._handle = None
            library.perceptis_client_free(handle)

    def __repr__(self) -> str:
        return f"<perceptis.Client {'closed' if self._closed else 'open'}>"

    def __reduce__(self) -> Any:
        raise TypeError("a perceptis.Client can't be pickled; make one in each process")

    def _about(self, function: Any, job_id: str, values: Mapping[str, Any], timeout: Optional[float]) -> str:
        with self._in_use() as handle:
            with request_options(values, timeout) as options:
                text = encoded("job_id", as_text("job_id", job_id))
                return call_for_text(function, handle, text, options)

    @contextlib.contextmanager
    def _in_use(self) -> Generator[c_void_p, None, None]:
        """The handle, kept from being freed while a call uses it."""
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
        if handle is not None:
            library.perceptis_client_free(handle)
