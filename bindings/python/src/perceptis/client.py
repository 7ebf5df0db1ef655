"""The client that blocks."""

from __future__ import annotations

import threading
from ctypes import c_void_p
from types import TracebackType
from typing import Any, Callable, Mapping, NoReturn, Optional, Sequence, TypeVar

from . import _calls
from ._base import BaseClient
from ._calls import Call, Order
from ._library import call, library
from ._log import Ear
from ._queue import FINISHED, Event, Queue
from ._request import ImageSource, Path
from .errors import ForkedError
from .ledger import Job, Recovery, Unsettled
from .results import Accepted, Progress, Result, Status

T = TypeVar("T")

OnProgress = Callable[[Progress], Any]

_TAG = 1
_TURN_MS = 100
"""How long the main thread waits at once, since Python runs signal handlers between two calls."""
_LONG_TURN_MS = 1000
"""How long other threads wait at once: no signal reaches them."""
_KEPT_QUEUES = 8


class Client(BaseClient):
    """A client of the service with one API key, whose calls block.

    Any number of threads may use a client. After a fork it belongs to the parent: make a new one in the
    child. An argument that is not given is taken from the environment variable ``PERCEPTIS_<NAME>``, else the
    library's default holds. Durations of the configuration are in milliseconds, as their names say; timeouts
    of calls are in seconds.

    Each submission is recorded in a ledger before it is sent (``ledger``: a path, or ``"off"`` for the
    client's own memory). A process that is killed and started again with the same call continues the
    submission and does not buy again. The library's log goes to the logger ``perceptis``, on the threads that
    wait for calls. Its level is the one for which that logger is enabled when the client is made;
    ``log_level`` sets another.

    Ctrl-C ends a call at once. The ``KeyboardInterrupt`` says which job goes on and how to continue; the
    :class:`CancelledError` is its ``__cause__``, and :meth:`unsettled` lists the job.

    :raises ConfigurationError: without an API key, with a base URL that is more than an origin, and so on.
    """

    def _begin(self) -> None:
        self._queues: list[Queue] = []
        """Queues of calls that have ended, kept for the next calls."""
        self._ear: Optional[Ear] = None

    def _log_queue(self) -> Queue:
        self._ear = Ear()
        return self._ear.queue

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
        adopt: bool = True,
        on_other_key: Optional[str] = None,
        resubmit: bool = False,
        timeout: Optional[float] = None,
        on_progress: Optional[OnProgress] = None,
    ) -> Result:
        """Makes a deck or slide and puts it on disk: submits, waits and downloads.

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
        :param adopt: continue the submission of an equal call (request, directory, name) whose process is
            gone, or which ended without its files; ``False`` buys anew
        :param on_other_key: ``"submit"`` buys anew under an idempotency key that is known under another API
            key (default: ``"refuse"``, with :class:`ConflictError`)
        :param resubmit: repeat a submission in doubt even after ``resubmit_window_ms``, when the service may
            have forgotten its key and may bill a second job
        :param timeout: seconds for the whole call (default: 30 minutes for a slide, 45 for a deck)
        :param on_progress: called on this thread whenever the call has come further. If it raises, the
            exception is raised when the call ends, in place of the result; the same call again returns the
            result.
        :raises Error: one of its subclasses, with what is known of the job and the bill
        """
        return self._perform(Order.of(locals()).run(), on_progress)

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
        directory: Optional[Path] = None,
        name: Optional[str] = None,
        overwrite: bool = False,
        idempotency_key: Optional[str] = None,
        adopt: bool = True,
        on_other_key: Optional[str] = None,
        resubmit: bool = False,
        timeout: Optional[float] = None,
    ) -> Accepted:
        """Submits a request and returns once the service has accepted it; the job goes on there.

        The parameters are those of :meth:`run`. With a directory, :meth:`recover` fetches the files into it
        later; without one, it waits for the job's end only. The default timeout is 10 minutes.
        """
        return self._perform(Order.of(locals()).generate(), None)

    def get_status(self, job_id: str, *, timeout: Optional[float] = None) -> Status:
        """The state of a job, asked once. A job is asked about at most once a second.

        :param timeout: seconds, passing failures and their retries included (default: 60)
        """
        return self._perform(_calls.get_status(job_id, timeout), None)

    def wait(
        self, job_id: str, *, timeout: Optional[float] = None, on_progress: Optional[OnProgress] = None
    ) -> Status:
        """Waits until a job is completed. Outages and unreadable answers are waited out.

        :param timeout: seconds (default: 45 minutes)
        :param on_progress: as with :meth:`run`
        """
        return self._perform(_calls.wait(job_id, timeout), on_progress)

    def download(
        self,
        job_id: str,
        *,
        directory: Optional[Path] = None,
        name: Optional[str] = None,
        overwrite: bool = False,
        timeout: Optional[float] = None,
        on_progress: Optional[OnProgress] = None,
    ) -> Result:
        """Downloads the files of a completed job, verified and under their final names.

        The parameters are those of :meth:`run`. The default timeout is an hour.
        """
        made = _calls.download(job_id, directory, name, overwrite, timeout)
        return self._perform(made, on_progress)

    def recover(
        self, *, job: Optional[str] = None, resubmit: bool = False, timeout: Optional[float] = None
    ) -> Recovery:
        """Settles the submissions that earlier calls of this process, or of processes that are gone, left.

        It sends submissions in doubt again under their keys, waits for running jobs, and fetches missing or
        damaged files into their places. It buys nothing anew. A submission that a live process works on is
        left to that process.

        :param job: a job's id or an idempotency key: that one only
        :param resubmit: as with :meth:`run`
        :param timeout: seconds for all of it (default: 45 minutes); jobs that take longer go on
        """
        return self._perform(_calls.recover(job, resubmit, timeout), None)

    def jobs(
        self,
        *,
        job: Optional[str] = None,
        state: Optional[str] = None,
        unsettled: Optional[bool] = None,
        max_age: Optional[float] = None,
        limit: Optional[int] = None,
        history: bool = False,
    ) -> tuple[Job, ...]:
        """Submissions that the ledger knows, the newest first. Does not ask the service; blocks on the disk.

        :param job: a job's id or an idempotency key
        :param state: only submissions in this state, such as ``"accepted"``
        :param unsettled: only submissions that wait for :meth:`recover`, or only the others
        :param max_age: seconds since something last happened
        :param limit: the largest number of submissions (default: 1,000)
        :param history: with the events of each submission
        """
        return self._heard(lambda: self._jobs(_calls.jobs(job, state, unsettled, max_age, limit, history)))

    def unsettled(self) -> tuple[Unsettled, ...]:
        """Jobs that go on at the service, or may, without a call that waits; the oldest first. Blocks on the
        disk.

        First come this API key's submissions, of any program, that wait for :meth:`recover`. Then come the
        jobs of cancelled waits and downloads of this client that the ledger does not know. A cancelled call
        can't say which job it leaves behind; this method can. A submission that another call works on is not
        listed.
        """
        return self._heard(self._list_unsettled)

    def forget(self, job: Optional[str] = None, *, settled: bool = False) -> None:
        """Removes a submission from the ledger; the job and its files are not touched. Blocks on the disk.

        It is not continued any more: the same call buys anew. An idempotency key that bought a job is
        refused.

        :param job: a job's id or an idempotency key, also of a submission that is not settled
        :param settled: instead, all settled submissions
        :raises NotFoundError: when nothing has that name
        :raises ConflictError: while a live process works on it
        """
        self._heard(lambda: self._forget(job, settled))

    def close(self, timeout: float = 5.0) -> None:
        """Ends the calls that run on other threads, each with :class:`ClosedError`, and waits for them.

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
            pass
        finally:
            try:
                self._tell_rest()
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
        # If the constructor's arguments were wrong, there is no handle.
        handle = self.__dict__.get("_handle")
        if handle is not None:
            self._handle = None
            self._free(handle)

    def _free(self, handle: Optional[c_void_p]) -> None:
        super()._free(handle)
        queues, self._queues = self._queues, []
        ear, self._ear = self._ear, None
        for queue in queues if ear is None else [*queues, ear.queue]:
            queue.free()

    def _perform(self, made: Call[T], on_progress: Optional[OnProgress]) -> T:
        """Runs a call to its end on a queue of its own."""
        with self._in_use() as handle:
            queue = self._queue()
            raised: Optional[Exception] = None
            end: Optional[Event] = None
            try:
                made.start(handle, queue, _TAG, on_progress is not None)
                turn = _TURN_MS if threading.current_thread() is threading.main_thread() else _LONG_TURN_MS
                while end is None:
                    try:
                        turn_of_queue = self._listen(queue, turn)
                    except Exception as error:  # from a handler of the log
                        raised, turn_of_queue = raised or error, 0
                    event = queue.take(turn_of_queue)
                    if event is None:
                        continue
                    if event.kind == FINISHED:
                        end = event
                    elif on_progress is not None and raised is None:
                        try:
                            on_progress(Progress.from_json(event.json))
                        except Exception as error:
                            raised = error
            except BaseException as stopped:
                self._stop(made, queue, end, stopped)
            finally:
                if self._ear is not None:
                    self._ear.leave(queue)
            assert end is not None
            try:
                self._tell_rest()
            except Exception as error:
                raised = raised or error
            self._give_back(queue)
            self._settle(made, end)
            if raised is not None:
                end.discard()
                raise raised from end.error
            return self._result(made, end)

    def _listen(self, queue: Queue, turn: int) -> int:
        """Waits for the queue and the log and hands on log records, if no other thread listens to the log.

        Returns how many milliseconds are left to wait for the queue alone.
        """
        ear = self._ear
        if ear is None or not ear.listens(queue):
            return turn
        ear.wait(queue, turn)
        ear.tell()
        return 0

    def _heard(self, work: Callable[[], T]) -> T:
        """Runs work that needs no queue, and hands on its log records."""
        try:
            return work()
        finally:
            self._tell_rest()

    def _tell_rest(self) -> None:
        """Hands on the log records that have come, unless another thread is the listener."""
        ear = self._ear
        if ear is not None and not self._is_forked():
            ear.tell_rest()

    def _stop(self, made: Call[Any], queue: Queue, end: Optional[Event], stopped: BaseException) -> NoReturn:
        """Cancels a call that an exception has ended: Ctrl-C, or a call that could not begin."""
        try:
            queue.cancel(_TAG)
            # The wait is short, since the user has pressed Ctrl-C. If the call was not accepted, no event
            # comes.
            while end is None and not isinstance(stopped, Exception):
                event = queue.take(_TURN_MS)
                if event is None:
                    break
                end = event if event.kind == FINISHED else None
        finally:
            queue.free()
        if end is not None:
            end.discard()
            self._leave_unsettled(made, end)
        if type(stopped) is not KeyboardInterrupt:
            raise stopped
        # The builtin class itself: only this class ends the process as a shell expects after Ctrl-C.
        if end is None:
            raise KeyboardInterrupt(f"interrupted; the call had not ended {_TURN_MS} ms later") from None
        if end.error is not None:
            raise KeyboardInterrupt(f"interrupted; {end.error.message}") from end.error
        job_id = getattr(made.parse(end.json), "job_id", made.job_id)
        job = f"; its job is {job_id}" if job_id else ""
        raise KeyboardInterrupt(f"interrupted when the call had just ended{job}") from None

    def _queue(self) -> Queue:
        with self._lock:
            if self._queues:
                return self._queues.pop()
        return Queue()

    def _give_back(self, queue: Queue) -> None:
        """Keeps an empty queue for the next call."""
        with self._lock:
            if queue.is_drained() and len(self._queues) < _KEPT_QUEUES and not self._closed:
                self._queues.append(queue)
                return
        queue.free()
