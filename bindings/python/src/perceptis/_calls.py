"""What each operation does with its arguments: once, for the client that blocks and the one that does not."""

from __future__ import annotations

import contextlib
from ctypes import c_void_p
from dataclasses import dataclass
from typing import Any, Callable, ContextManager, Generator, Generic, Mapping, Optional, Sequence, TypeVar, Union

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
    """The request, or the job's id; ``None``: it is about no one."""
    options: Mapping[str, Any]
    timeout: Optional[float]
    parse: Callable[[str], T]
    """Makes the result of the library's text."""
    job_id: Optional[str] = None

    def start(self, client: c_void_p, queue: Queue, tag: int, progress: bool) -> None:
        """Starts it; its end comes out of the queue. Nothing of the arguments is needed afterwards."""
        function = getattr(library, f"perceptis_{self.operation}_async")
        values = {**self.options, "progress": True if progress else None}
        with request_options(values, self.timeout) as options:
            if self.subject is None:
                call(function, client, options, queue.handle, tag)
                return
            with self.subject() as subject:
                call(function, client, subject, options, queue.handle, tag)

    def block(self, client: c_void_p) -> T:
        """Runs it here and now, where it is about no one."""
        with request_options(self.options, self.timeout) as options:
            return self.parse(call_for_text(getattr(library, f"perceptis_{self.operation}"), client, options))


def run(
    prompt: str,
    output_type: str,
    fields: Mapping[str, Any],
    images: Sequence[ImageSource],
    extra: Optional[Mapping[str, Any]],
    target: Mapping[str, Any],
    timeout: Optional[float],
) -> Call[Result]:
    """Submits, waits and fetches."""
    return Call(
        "run", lambda: request_of(prompt, output_type, fields, images, extra), target, timeout, Result.from_json
    )


def generate(
    prompt: str,
    output_type: str,
    fields: Mapping[str, Any],
    images: Sequence[ImageSource],
    extra: Optional[Mapping[str, Any]],
    target: Mapping[str, Any],
    timeout: Optional[float],
) -> Call[Accepted]:
    """Submits."""
    return Call(
        "generate", lambda: request_of(prompt, output_type, fields, images, extra), target, timeout, Accepted.from_json
    )


def get_status(job_id: str, timeout: Optional[float]) -> Call[Status]:
    """Asks once."""
    return Call("get_status", lambda: _job(job_id), {}, timeout, Status.from_json, job_id)


def wait(job_id: str, timeout: Optional[float]) -> Call[Status]:
    """Waits for the end."""
    return Call("wait", lambda: _job(job_id), {}, timeout, Status.from_json, job_id)


def download(job_id: str, target: Mapping[str, Any], timeout: Optional[float]) -> Call[Result]:
    """Fetches the files."""
    return Call("download", lambda: _job(job_id), target, timeout, Result.from_json, job_id)


def recover(job: Optional[str], resubmit: bool, timeout: Optional[float]) -> Call[Recovery]:
    """Settles what was left."""
    return Call("recover", None, {"job": job, "resubmit": resubmit or None}, timeout, Recovery.from_json)


def jobs(
    job: Optional[str] = None,
    state: Optional[str] = None,
    unsettled: Optional[bool] = None,
    max_age: Optional[float] = None,
    limit: Optional[int] = None,
    history: bool = False,
) -> Call[tuple[Job, ...]]:
    """Asks the ledger."""
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
    """Has the ledger forget one submission, or all that are settled."""
    # Never all of them by a name that happens to be None.
    if (job is None) != settled:
        raise invalid("argument job names what is forgotten, or settled=True says that all that is settled is")
    name = None if job is None else encoded("job", as_text("job", job))
    call(library.perceptis_forget, client, name)


def request_fields(
    template_name: Optional[str],
    variant_count: Optional[int],
    use_web_search: Optional[bool],
    use_knowledge_base: Optional[bool],
) -> dict[str, Any]:
    """The documented fields of a request by their names."""
    return {
        "template_name": template_name,
        "variant_count": variant_count,
        "use_web_search": use_web_search,
        "use_knowledge_base": use_knowledge_base,
    }


def target_options(directory: Optional[Path], name: Optional[str], overwrite: bool) -> dict[str, Any]:
    """Where files go, as options; ``None`` leaves one unset."""
    return {"directory": directory, "name": name, "overwrite": overwrite or None}


def purchase_options(
    idempotency_key: Optional[str], adopt: bool, on_other_key: Optional[str], resubmit: bool
) -> dict[str, Any]:
    """What a submission may continue or buy anew, as options; ``None`` leaves one unset."""
    return {
        "idempotency_key": idempotency_key,
        "adopt": None if adopt else "off",
        "on_other_key": on_other_key,
        "resubmit": resubmit or None,
    }


@contextlib.contextmanager
def _job(job_id: str) -> Generator[bytes, None, None]:
    yield encoded("job_id", as_text("job_id", job_id))
