"""The ledger's submissions, which are recorded before they are sent, and their outcomes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Iterable, Optional, cast

from ._json import entries_of, number_of, object_of, text_of, text_or_none, time_of
from .results import Result


@dataclass(frozen=True)
class RecordedFile:
    """A downloaded file as the ledger knows it. The program may have changed or deleted it since."""

    path: Path
    variant: int
    """Which variant, from 1."""
    format: str
    size: int
    """Its length in bytes."""
    sha256: str
    """Its SHA-256, in hexadecimal."""
    delivered: bool
    """Whether the file is known to have its final name."""


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a submission."""

    time: datetime
    """When, in UTC."""
    event: str
    """The event, in a few words; without prompt, key or URL."""


@dataclass(frozen=True)
class Job:
    """A submission that the ledger knows. Holds neither the prompt nor the API key."""

    job_id: Optional[str]
    """The job, once the service has accepted one."""
    idempotency_key: str
    state: str
    """``submitting`` (it may have been sent), ``accepted``, ``completed`` (files may be missing),
    ``settled``, ``failed``, ``refused``, or a word that is new."""
    unsettled: bool
    """Whether it waits for :meth:`Client.recover`."""
    live: bool
    """Whether a live process works on it."""
    own_key: bool
    """Whether it was submitted with this client's API key: the service shows it to that key only."""
    operation: str
    """``run`` or ``generate``."""
    output_type: str
    variants: int
    directory: Optional[Path]
    """Where its files go; ``None``: no files were asked for."""
    name: Optional[str]
    """The files' name, where the caller gave one."""
    request_hash: str
    recorded: datetime
    """When it was recorded, in UTC."""
    changed: datetime
    """When something last happened to it, in UTC."""
    told: Optional[str]
    """The code's name with which its last call failed; ``None``: the call succeeded, or still runs."""
    files: tuple[RecordedFile, ...]
    history: Optional[tuple[JobEvent, ...]] = None
    """Its events, oldest first; only if the call asked for them."""
    json: str = field(default="", repr=False)
    """All that the library says about it, as JSON."""

    @property
    def raw(self) -> dict[str, Any]:
        """``json``, read."""
        return object_of(self.json)

    @classmethod
    def list_from_json(cls, text: str) -> tuple[Job, ...]:
        """Reads a list of the library."""
        return tuple(cls._of(entry) for entry in entries_of(object_of(text).get("jobs")))

    @classmethod
    def _of(cls, entry: dict[str, Any]) -> Job:
        directory = text_or_none(entry, "directory")
        return cls(
            job_id=text_or_none(entry, "job_id"),
            idempotency_key=text_of(entry, "idempotency_key"),
            state=text_of(entry, "state"),
            unsettled=entry.get("unsettled") is True,
            live=entry.get("live") is True,
            own_key=entry.get("own_key") is True,
            operation=text_of(entry, "operation"),
            output_type=text_of(entry, "output_type"),
            variants=number_of(entry.get("variants")) or 1,
            directory=None if directory is None else Path(directory),
            name=text_or_none(entry, "name"),
            request_hash=text_of(entry, "request_hash"),
            recorded=time_of(entry, "recorded_unix_ms"),
            changed=time_of(entry, "changed_unix_ms"),
            told=text_or_none(entry, "told"),
            files=tuple(
                RecordedFile(
                    path=Path(text_of(file, "path")),
                    variant=number_of(file.get("variant")) or 1,
                    format=text_of(file, "format"),
                    size=number_of(file.get("size")) or 0,
                    sha256=text_of(file, "sha256"),
                    delivered=file.get("delivered") is True,
                )
                for file in entries_of(entry.get("files"))
            ),
            history=_history(entry.get("history")),
            json=json.dumps(entry),
        )


def _history(value: Any) -> Optional[tuple[JobEvent, ...]]:
    if not isinstance(value, list):
        return None
    events = entries_of(cast("Iterable[Any]", value))
    return tuple(JobEvent(time=time_of(event, "unix_ms"), event=text_of(event, "event")) for event in events)


@dataclass(frozen=True)
class Recovered:
    """What ``recover`` did about one submission."""

    job_id: Optional[str]
    idempotency_key: str
    operation: str
    """``run`` or ``generate``."""
    outcome: str
    """``delivered``; ``settled`` (no files were asked for); ``failed`` (nothing is billed); ``unknown`` (too
    old to be sent again unless ``resubmit`` asks for it); ``unsettled`` (the next call tries again);
    ``in_work`` (a live process works on it); ``other_key`` (the service shows it to another API key only); or
    a word that is new."""
    billed: str
    """What is known of the bill: ``"no"``, ``"yes"`` or ``"unknown"``."""
    code: Optional[str]
    """The name of the code that says why it is not settled."""
    message: Optional[str]
    """The same as a sentence for people."""
    result: Optional[Result]
    """The result, as ``run`` would have returned it; ``None`` if no file came."""


@dataclass(frozen=True)
class Recovery:
    """What ``recover`` found and did."""

    jobs: tuple[Recovered, ...]
    """An entry for each submission that waited, in their order."""
    unsettled: int
    """How many submissions are still unsettled."""
    json: str = field(default="", repr=False)
    """The library's report as it came."""

    @property
    def raw(self) -> dict[str, Any]:
        """``json``, read."""
        return object_of(self.json)

    @classmethod
    def from_json(cls, text: str) -> Recovery:
        """Reads a report of the library."""
        values = object_of(text)
        return cls(
            jobs=tuple(
                Recovered(
                    job_id=text_or_none(entry, "job_id"),
                    idempotency_key=text_of(entry, "idempotency_key"),
                    operation=text_of(entry, "operation"),
                    outcome=text_of(entry, "outcome"),
                    billed=text_of(entry, "billed"),
                    code=text_or_none(entry, "code"),
                    message=text_or_none(entry, "message"),
                    result=_result(entry.get("result")),
                )
                for entry in entries_of(values.get("jobs"))
            ),
            unsettled=number_of(values.get("unsettled")) or 0,
            json=text,
        )


def _result(value: Any) -> Optional[Result]:
    return Result.from_json(json.dumps(value)) if isinstance(value, dict) else None


@dataclass(frozen=True)
class Unsettled:
    """A job that goes on at the service, or may, without a call that waits."""

    operation: str
    """``run``, ``generate``, ``wait`` or ``download``: the call that left it."""
    job_id: Optional[str]
    """The job, once the service has accepted one: ``wait`` and ``download`` take it."""
    idempotency_key: Optional[str]
    """The key under which the same request can be submitted again without a second bill."""
    billed: str
    """What is known of the bill: ``"yes"`` or ``"unknown"``."""
    message: str
    """One sentence that says how to go on."""
    job: Optional[Job] = None
    """The ledger's entry; ``None`` for a job that another program submitted, which the ledger does not
    know."""

    @classmethod
    def of(cls, job: Job) -> Unsettled:
        """A submission that the ledger knows."""
        if job.job_id is None:
            message = (
                "whether the service accepted the request is unknown: recover(), or the same request with "
                f"the idempotency key {job.idempotency_key}, settles it and is not billed twice"
            )
        elif job.state == "completed":
            message = (
                f"job {job.job_id} is completed and billed, and its files may be missing: "
                "recover() fetches them"
            )
        else:
            message = (
                f"job {job.job_id} goes on, and is billed if it is delivered, and once: "
                "recover() settles it, or wait() and then download()"
            )
        billed = "yes" if job.state == "completed" else "unknown"
        return cls(job.operation, job.job_id, job.idempotency_key, billed, message, job)
