"""The client for asyncio: no thread, one descriptor in the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
import weakref
from ctypes import c_void_p
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Mapping, Optional, Sequence, TypeVar

from . import _calls, _log
from ._base import BaseClient
from ._calls import Call, Order
from ._codes import Code
from ._library import call, library
from ._queue import FINISHED, LOG, ROOM, Event, Queue
from ._request import ImageSource, Path
from .errors import ClosedError, ForkedError, TimeoutError
from .ledger import Job, Recovery, Unsettled
from .results import Accepted, Progress, Result, Status

T = TypeVar("T")

OnProgress = Callable[[Progress], Any]


@dataclass
class _Running:
    """A call in flight."""

    end: asyncio.Future[Event]
    on_progress: Optional[OnProgress]
    raised: Optional[Exception] = None


class AsyncClient(BaseClient):
    """A client of the service with one API key, for asyncio and for uvloop.

    A client belongs to the event loop of its first call, and is used from that loop's thread. It takes the
    arguments of :class:`Client`. It needs no thread: the loop watches one descriptor for all calls, however
    many. Only methods that block on the disk (:meth:`jobs`, :meth:`unsettled`, :meth:`forget`) run on a
    thread of the loop's executor. Log records reach ``logging`` from the loop's thread.

    Cancelling a task cancels the waiting; its job goes on, and :meth:`unsettled` lists it.

    :raises ConfigurationError: without an API key, with a base URL that is more than an origin, and so on.
    """

    def _begin(self) -> None:
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._queue: Optional[Queue] = None
        self._running: dict[int, _Running] = {}
        self._last = 0
        self._threads: set[asyncio.Future[Any]] = set()
        """Work that blocks on the disk at this moment."""

    def _log_queue(self) -> Queue:
        self._queue = Queue()
        return self._queue

    async def run(
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
        adopt: bool = True,
        on_other_key: Optional[str] = None,
        resubmit: bool = False,
        timeout: Optional[float] = None,
        on_progress: Optional[OnProgress] = None,
    ) -> Result:
        """Makes a deck or slide and puts it on disk; the parameters are those of :meth:`Client.run`.

        ``on_progress`` is called on the event loop's thread.
        """
        return await self._perform(Order.of(locals()).run(), on_progress)

    async def generate(
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
        adopt: bool = True,
        on_other_key: Optional[str] = None,
        resubmit: bool = False,
        timeout: Optional[float] = None,
    ) -> Accepted:
        """Submits a request and returns once the service has accepted it, as :meth:`Client.generate`."""
        return await self._perform(Order.of(locals()).generate(), None)

    async def get_status(self, job_id: str, *, timeout: Optional[float] = None) -> Status:
        """The state of a job, asked once, as :meth:`Client.get_status`."""
        return await self._perform(_calls.get_status(job_id, timeout), None)

    async def wait(
        self, job_id: str, *, timeout: Optional[float] = None, on_progress: Optional[OnProgress] = None
    ) -> Status:
        """Waits until a job is completed, as :meth:`Client.wait`."""
        return await self._perform(_calls.wait(job_id, timeout), on_progress)

    async def download(
        self,
        job_id: str,
        *,
        directory: Optional[Path] = None,
        name: Optional[str] = None,
        overwrite: bool = False,
        timeout: Optional[float] = None,
        on_progress: Optional[OnProgress] = None,
    ) -> Result:
        """Downloads the files of a completed job, as :meth:`Client.download`."""
        made = _calls.download(job_id, directory, name, overwrite, timeout)
        return await self._perform(made, on_progress)

    async def recover(
        self, *, job: Optional[str] = None, resubmit: bool = False, timeout: Optional[float] = None
    ) -> Recovery:
        """Settles the submissions that earlier calls left, as :meth:`Client.recover`."""
        return await self._perform(_calls.recover(job, resubmit, timeout), None)

    async def jobs(
        self,
        *,
        job: Optional[str] = None,
        state: Optional[str] = None,
        unsettled: Optional[bool] = None,
        max_age: Optional[float] = None,
        limit: Optional[int] = None,
        history: bool = False,
    ) -> tuple[Job, ...]:
        """Submissions that the ledger knows, as :meth:`Client.jobs`."""
        made = _calls.jobs(job, state, unsettled, max_age, limit, history)
        return await self._on_a_thread(lambda: self._jobs(made))

    async def unsettled(self) -> tuple[Unsettled, ...]:
        """Jobs that go on at the service, or may, without a call that waits, as :meth:`Client.unsettled`."""
        return await self._on_a_thread(self._list_unsettled)

    async def forget(self, job: Optional[str] = None, *, settled: bool = False) -> None:
        """Removes a submission from the ledger, as :meth:`Client.forget`."""
        await self._on_a_thread(lambda: self._forget(job, settled))

    async def close(self, timeout: float = 5.0) -> None:
        """Ends the running calls, each with :class:`ClosedError`, and waits for them without blocking the
        loop.

        Their jobs go on at the service. Closing again does nothing.

        :param timeout: seconds to wait at most
        :raises TimeoutError: when they have not ended; they are dropped all the same
        """
        if self._is_forked():
            # The calls belong to the parent, and a thread of the parent may hold the lock.
            self._closed = True
            handle, self._handle = self._handle, None
            self._free(handle)
            return
        with self._lock:
            if self._closed or self._handle is None:
                return
            self._closed = True
            self._calls += 1
            handle = self._handle
        try:
            ends = [*(running.end for running in self._running.values()), *self._threads]
            # The calls end in the queue. That they have not ended yet is expected.
            with contextlib.suppress(TimeoutError, ForkedError):
                call(library.perceptis_client_close, handle, 0)
            if ends:
                await asyncio.wait(ends, timeout=max(timeout, 0))
            while self._queue is not None and (event := self._queue.take(0)) is not None:
                self._tell(event)
        finally:
            left, self._running = self._running, {}
            for tag, running in left.items():
                error = ClosedError(
                    "the client was closed", Code.CLOSED, {"billed": "unknown", "retryable": False}
                )
                if not running.end.done():
                    running.end.set_result(Event(tag, FINISHED, "", error))
            # The last user frees the client: another thread may be in a call.
            self._leave()
        if left:
            message = f"{len(left)} calls had not ended after {timeout} s; they have been dropped"
            raise TimeoutError(message, Code.TIMEOUT, {"billed": "unknown", "retryable": False})

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        # If the constructor's arguments were wrong, there is no handle.
        handle = self.__dict__.get("_handle")
        if handle is not None:
            if not self._closed and not self._is_forked():
                warnings.warn(
                    f"unclosed {self!r}: await its close()", ResourceWarning, stacklevel=2, source=self
                )
            self._handle = None
            self._free(handle)

    def _free(self, handle: Optional[c_void_p]) -> None:
        super()._free(handle)
        queue, self._queue = self._queue, None
        loop, self._loop = self._loop, None
        if queue is None:
            return
        if loop is not None and not loop.is_closed() and not self._is_forked():
            # The loop must forget the descriptor before it is closed, and __del__ may run on any thread.
            with contextlib.suppress(RuntimeError):
                if _is_here(loop):
                    _forget(loop, queue)
                else:
                    loop.call_soon_threadsafe(_forget, loop, queue)
                return
        queue.free()

    async def _perform(self, made: Call[T], on_progress: Optional[OnProgress]) -> T:
        with self._in_use() as handle:
            queue = self._attached()
            self._last = tag = self._last + 1
            running = _Running(asyncio.get_running_loop().create_future(), on_progress)
            self._running[tag] = running
            try:
                made.start(handle, queue, tag, on_progress is not None)
            except BaseException:
                del self._running[tag]
                raise
            try:
                end = await asyncio.shield(running.end)
            except asyncio.CancelledError:
                # The call ends at once; waiting for its end lets unsettled() know the job.
                if not running.end.done():
                    queue.cancel(tag)
                with contextlib.suppress(asyncio.CancelledError):
                    end = await asyncio.shield(running.end)
                    end.discard()
                    self._leave_unsettled(made, end)
                raise
            self._settle(made, end)
            if running.raised is not None:
                end.discard()
                raise running.raised from end.error
            return self._result(made, end)

    def _sign(self, end: Event) -> None:
        # A task that awaits this task gets the value one turn of the loop later, unless it is cancelled
        # first.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, end.sign)

    async def _on_a_thread(self, work: Callable[[], T]) -> T:
        """Runs work that blocks on the disk on a thread, so that it does not block the loop."""
        with self._in_use():
            self._attached()
            thread = asyncio.ensure_future(asyncio.to_thread(work))
            self._threads.add(thread)
            thread.add_done_callback(self._threads.discard)
            # The work can't be interrupted; close() waits for it.
            return await asyncio.shield(thread)

    def _attached(self) -> Queue:
        """The queue, attached to the running event loop."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            queue = Queue() if self._queue is None else self._queue
            loop.add_reader(queue.fd, _readable, weakref.ref(self))
            self._queue, self._loop = queue, loop
        elif self._loop is not loop or self._queue is None:
            raise RuntimeError("this AsyncClient belongs to another event loop; make one in each")
        return self._queue

    def _take(self) -> None:
        """Hands out the events that wait. If more remain, the descriptor becomes readable again."""
        try:
            for _ in range(ROOM):
                event = None if self._queue is None else self._queue.take(0)
                if event is None:
                    return
                self._tell(event)
        finally:
            # After Ctrl-C, events that were taken and not handed out make no descriptor readable.
            if self._queue is not None and self._loop is not None and not self._queue.is_drained():
                self._loop.call_soon(_readable, weakref.ref(self))

    def _tell(self, event: Event) -> None:
        if event.kind == LOG:
            _log.emit(event.json)
            return
        running = self._running.get(event.tag)
        if running is None:
            return
        if event.kind == FINISHED:
            del self._running[event.tag]
            if not running.end.done():
                running.end.set_result(event)
        elif running.on_progress is not None and running.raised is None:
            try:
                running.on_progress(Progress.from_json(event.json))
            except Exception as error:
                # It is raised where the call is awaited, when the call ends.
                running.raised = error


def _readable(client: Callable[[], Optional[AsyncClient]]) -> None:
    # A weak reference, so that the loop does not keep alive a client that is referenced nowhere else.
    alive = client()
    if alive is not None:
        alive._take()  # pyright: ignore[reportPrivateUsage]


def _is_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _forget(loop: asyncio.AbstractEventLoop, queue: Queue) -> None:
    loop.remove_reader(queue.fd)
    queue.free()
