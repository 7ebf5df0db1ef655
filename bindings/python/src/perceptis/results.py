"""What calls return: small frozen views of the service's JSON, which stays at hand unchanged."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Optional, cast


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _number(value: Any) -> Optional[int]:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _entries(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", entry) for entry in cast("Iterable[Any]", value) if isinstance(entry, dict)]


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
    """What else to know: that the name was taken meanwhile, say."""


@dataclass(frozen=True)
class Result:
    """What ``run`` and ``download`` made."""

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
    json: str = field(default="", repr=False)
    """The library's result as it came; ``job`` in it is the service's last answer, unchanged."""

    @property
    def raw(self) -> dict[str, Any]:
        """``json``, read."""
        return _object(self.json)

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Reads a result of the library."""
        values = _object(text)
        return cls(
            job_id=_text(values, "job_id"),
            status=_text(values, "status"),
            output_type=_text(values, "output_type"),
            idempotency_key=values.get("idempotency_key"),
            billed=_text(values, "billed"),
            files=_files(values.get("files")),
            unverified=_files(values.get("unverified")),
            json=text,
        )


def _files(value: Any) -> tuple[File, ...]:
    return tuple(
        File(
            path=Path(_text(entry, "path")),
            variant=_number(entry.get("variant")) or 1,
            format=_text(entry, "format"),
            size=_number(entry.get("size")) or 0,
            sha256=_text(entry, "sha256"),
            note=entry.get("note"),
        )
        for entry in _entries(value)
    )


@dataclass(frozen=True)
class Download:
    """A file that a completed job offers."""

    url: str = field(repr=False)
    """Where it is for a short while. The query is a secret: the ``repr`` leaves the URL out."""
    format: str
    variant: Optional[int]
    """Which variant, from 1; ``None`` where the service does not say so."""


@dataclass(frozen=True)
class Status:
    """A job's state, as the service told it."""

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
        return _object(self.json)

    @classmethod
    def from_json(cls, text: str) -> Status:
        """Reads an answer of the service; fields of another type than documented do not fail it."""
        values = _object(text)
        return cls(
            job_id=_text(values, "job_id"),
            status=_text(values, "status"),
            output_type=_text(values, "output_type"),
            downloads=tuple(
                Download(url=_text(entry, "url"), format=_text(entry, "format"), variant=_number(entry.get("variant")))
                for entry in _entries(values.get("downloads"))
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
    json: str = field(repr=False)
    """The library's result as it came; ``answer`` in it is the service's, unchanged."""

    @classmethod
    def from_json(cls, text: str) -> Accepted:
        """Reads a result of the library."""
        values = _object(text)
        return cls(
            job_id=_text(values, "job_id"),
            idempotency_key=_text(values, "idempotency_key"),
            output_type=_text(values, "output_type"),
            billed=_text(values, "billed"),
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

    @classmethod
    def list_from_json(cls, text: str) -> tuple[Activity, ...]:
        """Reads a list of the library."""
        return tuple(
            cls(
                operation=_text(entry, "operation"),
                phase=_text(entry, "phase"),
                job_id=entry.get("job_id"),
                status=entry.get("status"),
                idempotency_key=entry.get("idempotency_key"),
                elapsed=(_number(entry.get("elapsed_ms")) or 0) / 1000,
            )
            for entry in _entries(_object(text).get("operations"))
        )


@dataclass(frozen=True)
class Progress:
    """Where a call stands, told when that has changed."""

    status: str
    """The job's last known state; as long as there is none, the ``phase``."""
    phase: str
    """``preparing``, ``submitting``, ``waiting`` or ``downloading``."""
    job_id: Optional[str]
    idempotency_key: Optional[str]
    elapsed: float
    """Seconds since the call began."""
    json: str = field(repr=False)
    """The library's text as it came."""

    @classmethod
    def from_json(cls, text: str) -> Progress:
        """Reads a progress event of the library."""
        values = _object(text)
        phase = _text(values, "phase")
        return cls(
            status=values.get("status") or phase,
            phase=phase,
            job_id=values.get("job_id"),
            idempotency_key=values.get("idempotency_key"),
            elapsed=(_number(values.get("elapsed_ms")) or 0) / 1000,
            json=text,
        )


@dataclass(frozen=True)
class Unsettled:
    """What goes on at the service, or may, after a call of this client was cancelled."""

    operation: str
    """``run``, ``generate``, ``wait`` or ``download``."""
    job_id: Optional[str]
    """The job, once the service has accepted one: ``wait`` and ``download`` take it."""
    idempotency_key: Optional[str]
    """The key under which the same request can be submitted again without a second bill."""
    billed: str
    """What is known of the bill: ``"yes"`` or ``"unknown"``."""
    message: str
    """One sentence that says how to go on."""
