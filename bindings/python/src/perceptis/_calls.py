"""The operations of the library with their arguments, shared by the blocking and the asyncio client."""

from __future__ import annotations

import contextlib
from ctypes import c_void_p
from dataclasses import dataclass, fields
from typing import (
    Any,
    Callable,
    ContextManager,
    Generator,
    Generic,
    Mapping,
    Optional,
    Sequence,
    TypeVar,
    Union,
)

from ._library import call, call_for_text, encoded, library
from ._queue import Queue
from ._request import ImageSource, Path, as_text, invalid, milliseconds, request_of, request_options
from .ledger import Job, Recovery
from .results import Accepted, Result, Status

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """An operation with its arguments."""

    operation: str
    subject: Optional[Callable[[], ContextManager[Union[c_void_p, bytes]]]]
    """The request, or the job's id; ``None``: the operation concerns no single job."""
    options: Mapping[str, Any]
    timeout: Optional[float]
    parse: Callable[[str], T]
    """Makes the result from the library's text."""
    job_id: Optional[str] = None

    def start(self, client: c_void_p, queue: Queue, tag: int, progress: bool) -> None:
        """Starts the operation, which ends in the queue. The arguments are not needed afterwards."""
        function = getattr(library, f"perceptis_{self.operation}_async")
        values = {**self.options, "progress": True if progress else None}
        with request_options(values, self.timeout) as options:
            if self.subject is None:
                call(function, client, options, queue.handle, tag)
                return
            with self.subject() as subject:
                call(function, client, subject, options, queue.handle, tag)

    def block(self, client: c_void_p) -> T:
        """Runs an operation that concerns no single job, and returns its result."""
        with request_options(self.options, self.timeout) as options:
            return self.parse(call_for_text(getattr(library, f"perceptis_{self.operation}"), client, options))


@dataclass(frozen=True)
class Order:
    """A request that costs money: the parameters of the clients' ``run`` and ``generate``.

    Users read the parameters in the signatures of these four methods. tests/python/test_signatures.py holds
    the signatures and these fields equal.
    """

    prompt: str
    output_type: str
    template_name: Optional[str] = None
    variant_count: Optional[int] = None
    images: Sequence[ImageSource] = ()
    use_web_search: Optional[bool] = None
    use_knowledge_base: Optional[bool] = None
    extra: Optional[Mapping[str, Any]] = None
    directory: Optional[Path] = None
    name: Optional[str] = None
    overwrite: bool = False
    idempotency_key: Optional[str] = None
    adopt: bool = True
    on_other_key: Optional[str] = None
    resubmit: bool = False
    timeout: Optional[float] = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Order:
        """The order that the arguments of a method give, by their names."""
        return cls(**{field.name: arguments[field.name] for field in fields(cls)})

    def run(self) -> Call[Result]:
        """Submits, waits and downloads."""
        return Call("run", self._request, self._options(), self.timeout, Result.from_json)

    def generate(self) -> Call[Accepted]:
        """Submits."""
        return Call("generate", self._request, self._options(), self.timeout, Accepted.from_json)

    def _request(self) -> ContextManager[c_void_p]:
        documented = {
            "template_name": self.template_name,
            "variant_count": self.variant_count,
            "use_web_search": self.use_web_search,
            "use_knowledge_base": self.use_knowledge_base,
        }
        return request_of(self.prompt, self.output_type, documented, self.images, self.extra)

    def _options(self) -> dict[str, Any]:
        return {
            **_target(self.directory, self.name, self.overwrite),
            "idempotency_key": self.idempotency_key,
            "adopt": None if self.adopt else "off",
            "on_other_key": self.on_other_key,
            "resubmit": self.resubmit or None,
        }


def get_status(job_id: str, timeout: Optional[float]) -> Call[Status]:
    """Asks once for a job's state."""
    return Call("get_status", lambda: _job(job_id), {}, timeout, Status.from_json, job_id)


def wait(job_id: str, timeout: Optional[float]) -> Call[Status]:
    """Waits for the end of a job."""
    return Call("wait", lambda: _job(job_id), {}, timeout, Status.from_json, job_id)


def download(
    job_id: str, directory: Optional[Path], name: Optional[str], overwrite: bool, timeout: Optional[float]
) -> Call[Result]:
    """Downloads the files."""
    target = _target(directory, name, overwrite)
    return Call("download", lambda: _job(job_id), target, timeout, Result.from_json, job_id)


def recover(job: Optional[str], resubmit: bool, timeout: Optional[float]) -> Call[Recovery]:
    """Settles the submissions that earlier calls left."""
    return Call("recover", None, {"job": job, "resubmit": resubmit or None}, timeout, Recovery.from_json)


def jobs(
    job: Optional[str] = None,
    state: Optional[str] = None,
    unsettled: Optional[bool] = None,
    max_age: Optional[float] = None,
    limit: Optional[int] = None,
    history: bool = False,
) -> Call[tuple[Job, ...]]:
    """Lists submissions of the ledger."""
    options = {
        "job": job,
        "state": state,
        "unsettled": unsettled,
        "max_age_ms": None if max_age is None else milliseconds("max_age", max_age),
        "limit": limit,
        "history": history or None,
    }
    return Call("jobs", None, options, None, Job.list_from_json)


def forget(client: c_void_p, job: Optional[str], settled: bool) -> None:
    """Removes one submission, or all settled ones, from the ledger."""
    # A name that happens to be None must not remove all of them.
    if (job is None) != settled:
        raise invalid(
            "argument job names what is forgotten, or settled=True says that all that is settled is"
        )
    name = None if job is None else encoded("job", as_text("job", job))
    call(library.perceptis_forget, client, name)


def _target(directory: Optional[Path], name: Optional[str], overwrite: bool) -> dict[str, Any]:
    """Where files go, as options; ``None`` leaves an option unset."""
    return {"directory": directory, "name": name, "overwrite": overwrite or None}


@contextlib.contextmanager
def _job(job_id: str) -> Generator[bytes, None, None]:
    yield encoded("job_id", as_text("job_id", job_id))
