"""Results of calls: small frozen views of the service's JSON, which each of them also has unchanged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from ._json import entries_of, number_of, object_of, seconds_of, text_of, text_or_none


@dataclass(frozen=True)
class File:
    """A file on disk."""

    path: Path
    """Where it is, absolute."""
    variant: int
    """Which variant, from 1."""
    format: str
    """Its format, such as ``"pptx"``."""
    size: int
    """Its length in bytes."""
    sha256: str
    """Its SHA-256, in hexadecimal."""
    note: Optional[str] = None
    """A note for the user, such as that the name was taken meanwhile."""


@dataclass(frozen=True)
class Result:
    """The result of ``run`` and ``download``."""

    job_id: str
    status: str
    output_type: str
    idempotency_key: Optional[str]
    billed: str
    """What is known of the bill: ``"no"``, ``"yes"`` or ``"unknown"``."""
    files: tuple[File, ...]
    """The files that are whole and under their names."""
    unverified: tuple[File, ...] = ()
    """Files that arrived damaged and were kept; only in an :class:`~perceptis.IncompleteError`'s result."""
    adopted: bool = False
    """Whether the call continued the submission of an equal call whose process is gone, or which ended
    without its result."""
    recorded: bool = False
    """Whether the ledger has recorded all of it."""
    unsettled: int = 0
    """How many submissions of earlier calls wait for ``recover``."""
    json: str = field(default="", repr=False)
    """The library's result as it came. Its ``job`` is the service's last answer, unchanged; ``None`` where
    the ledger and the disk knew everything, and the service was not asked."""

    @property
    def raw(self) -> dict[str, Any]:
        """``json``, read."""
        return object_of(self.json)

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Reads a result of the library."""
        values = object_of(text)
        return cls(
            job_id=text_of(values, "job_id"),
            status=text_of(values, "status"),
            output_type=text_of(values, "output_type"),
            idempotency_key=text_or_none(values, "idempotency_key"),
            billed=text_of(values, "billed"),
            files=_files(values.get("files")),
            unverified=_files(values.get("unverified")),
            adopted=values.get("adopted") is True,
            recorded=values.get("recorded") is True,
            unsettled=number_of(values.get("unsettled")) or 0,
            json=text,
        )


def _files(value: Any) -> tuple[File, ...]:
    return tuple(
        File(
            path=Path(text_of(entry, "path")),
            variant=number_of(entry.get("variant")) or 1,
            format=text_of(entry, "format"),
            size=number_of(entry.get("size")) or 0,
            sha256=text_of(entry, "sha256"),
            note=text_or_none(entry, "note"),
        )
        for entry in entries_of(value)
    )


@dataclass(frozen=True)
class Download:
    """A file that a completed job offers."""

    url: str = field(repr=False)
    """The URL, which is valid for a short time. Its query is a secret: the ``repr`` leaves the URL out."""
    format: str
    variant: Optional[int]
    """Which variant, from 1; ``None`` if the service does not say it."""


@dataclass(frozen=True)
class Status:
    """A job's state, as the service gave it."""

    job_id: str
    status: str
    """``pending``, ``processing``, ``completed``, ``failed``, or a word that is new."""
    output_type: str
    downloads: tuple[Download, ...]
    error: Any
    """Why it failed, in whatever shape the service gave it."""
    json: str = field(repr=False)
    """Exactly what the service sent."""

    @property
    def raw(self) -> dict[str, Any]:
        """``json``, read."""
        return object_of(self.json)

    @classmethod
    def from_json(cls, text: str) -> Status:
        """Reads an answer of the service; fields of another type than documented do not fail it."""
        values = object_of(text)
        return cls(
            job_id=text_of(values, "job_id"),
            status=text_of(values, "status"),
            output_type=text_of(values, "output_type"),
            downloads=tuple(
                Download(
                    url=text_of(entry, "url"),
                    format=text_of(entry, "format"),
                    variant=number_of(entry.get("variant")),
                )
                for entry in entries_of(values.get("downloads"))
            ),
            error=values.get("error"),
            json=text,
        )


@dataclass(frozen=True)
class Accepted:
    """A submission that the service accepted."""

    job_id: str
    idempotency_key: str
    output_type: str
    billed: str
    adopted: bool
    """Whether the call continued the submission of an equal call whose process is gone, or which ended
    without its result."""
    recorded: bool
    """Whether the ledger has recorded it."""
    unsettled: int
    """How many submissions of earlier calls wait for ``recover``."""
    json: str = field(repr=False)
    """The library's result as it came. Its ``answer`` is the service's, unchanged; ``None`` where nothing was
    sent, since the ledger knew the job."""

    @classmethod
    def from_json(cls, text: str) -> Accepted:
        """Reads a result of the library."""
        values = object_of(text)
        return cls(
            job_id=text_of(values, "job_id"),
            idempotency_key=text_of(values, "idempotency_key"),
            output_type=text_of(values, "output_type"),
            billed=text_of(values, "billed"),
            adopted=values.get("adopted") is True,
            recorded=values.get("recorded") is True,
            unsettled=number_of(values.get("unsettled")) or 0,
            json=text,
        )


@dataclass(frozen=True)
class Activity:
    """A call that runs now."""

    operation: str
    phase: str
    """``preparing``, ``submitting``, ``waiting`` or ``downloading``."""
    job_id: Optional[str]
    status: Optional[str]
    """The job's last known state."""
    idempotency_key: Optional[str]
    elapsed: float
    """Seconds since the call began."""
    eta: Optional[float] = None
    """In how many seconds the job is likely to be done; learned from the times of earlier jobs of its
    kind."""
    eta_low: Optional[float] = None
    """The same at the earliest."""
    eta_high: Optional[float] = None
    """The same at the latest."""
    eta_jobs: Optional[int] = None
    """How many jobs of its kind this estimate is learned from; 0: it is the service's documentation."""

    @classmethod
    def list_from_json(cls, text: str) -> tuple[Activity, ...]:
        """Reads a list of the library."""
        return tuple(
            cls(
                operation=text_of(entry, "operation"),
                phase=text_of(entry, "phase"),
                job_id=text_or_none(entry, "job_id"),
                status=text_or_none(entry, "status"),
                idempotency_key=text_or_none(entry, "idempotency_key"),
                elapsed=seconds_of(entry, "elapsed_ms") or 0,
                eta=seconds_of(entry, "eta_ms"),
                eta_low=seconds_of(entry, "eta_low_ms"),
                eta_high=seconds_of(entry, "eta_high_ms"),
                eta_jobs=number_of(entry.get("eta_jobs")),
            )
            for entry in entries_of(object_of(text).get("operations"))
        )


@dataclass(frozen=True)
class Progress:
    """The state of a call, given to ``on_progress`` when it has changed."""

    status: str
    """The job's last known state; the ``phase`` as long as no state is known."""
    phase: str
    """``preparing``, ``submitting``, ``waiting`` or ``downloading``."""
    job_id: Optional[str]
    idempotency_key: Optional[str]
    elapsed: float
    """Seconds since the call began."""
    eta: Optional[float] = None
    """In how many seconds the job is likely to be done; learned from the times of earlier jobs of its
    kind."""
    eta_low: Optional[float] = None
    """The same at the earliest."""
    eta_high: Optional[float] = None
    """The same at the latest."""
    eta_jobs: Optional[int] = None
    """How many jobs of its kind this estimate is learned from; 0: it is the service's documentation."""
    json: str = field(default="", repr=False)
    """The library's text as it came."""

    @classmethod
    def from_json(cls, text: str) -> Progress:
        """Reads a progress event of the library."""
        values = object_of(text)
        phase = text_of(values, "phase")
        return cls(
            status=text_or_none(values, "status") or phase,
            phase=phase,
            job_id=text_or_none(values, "job_id"),
            idempotency_key=text_or_none(values, "idempotency_key"),
            elapsed=seconds_of(values, "elapsed_ms") or 0,
            eta=seconds_of(values, "eta_ms"),
            eta_low=seconds_of(values, "eta_low_ms"),
            eta_high=seconds_of(values, "eta_high_ms"),
            eta_jobs=number_of(values.get("eta_jobs")),
            json=text,
        )
