"""What each operation does with its arguments: once, for the client that blocks and the one that does not."""

from __future__ import annotations

import contextlib
from ctypes import c_void_p
from dataclasses import dataclass
from typing import Any, Callable, ContextManager, Generator, Generic, Mapping, Optional, Sequence, TypeVar, Union

from ._library import call, encoded, library
from ._queue import Queue
from ._request import ImageSource, Path, as_text, request_of, request_options
from .results import Accepted, Result, Status

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """An operation with its arguments."""

    operation: str
    subject: Callable[[], ContextManager[Union[c_void_p, bytes]]]
    """The request, or the job's id."""
    options: Mapping[str, Any]
    timeout: Optional[float]
    parse: Callable[[str], T]
    """Makes the result of the library's text."""
    job_id: Optional[str] = None

    def start(self, client: c_void_p, queue: Queue, tag: int, progress: bool) -> None:
        """Starts it; its end comes out of the queue. Nothing of the arguments is needed afterwards."""
        function = getattr(library, f"perceptis_{self.operation}_async")
        values = {**self.options, "progress": True if progress else None}
        with self.subject() as subject, request_options(values, self.timeout) as options:
            call(function, client, subject, options, queue.handle, tag)


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
    idempotency_key: Optional[str],
    timeout: Optional[float],
) -> Call[Accepted]:
    """Submits."""
    options = {"idempotency_key": idempotency_key}
    return Call(
        "generate", lambda: request_of(prompt, output_type, fields, images, extra), options, timeout, Accepted.from_json
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


def target_options(
    directory: Optional[Path], name: Optional[str], overwrite: bool, idempotency_key: Optional[str] = None
) -> dict[str, Any]:
    """Where files go, as options; ``None`` leaves one unset."""
    return {
        "directory": directory,
        "name": name,
        "overwrite": overwrite or None,
        "idempotency_key": idempotency_key,
    }


@contextlib.contextmanager
def _job(job_id: str) -> Generator[bytes, None, None]:
    yield encoded("job_id", as_text("job_id", job_id))
