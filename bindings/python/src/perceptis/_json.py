"""Lenient reading of JSON: a field of another type than expected is no error."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any, Iterable, Optional, cast

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def object_of(text: str) -> dict[str, Any]:
    """The object that a text holds; an empty one if the text holds something else."""
    value = json.loads(text)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def text_of(values: dict[str, Any], name: str) -> str:
    """A field as text; "" if the field is missing."""
    value = values.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def text_or_none(values: dict[str, Any], name: str) -> Optional[str]:
    """A field that is text; ``None`` if it is missing or something else."""
    value = values.get(name)
    return value if isinstance(value, str) else None


def number_of(value: Any) -> Optional[int]:
    """A whole number, also if it came as text."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def seconds_of(values: dict[str, Any], name: str) -> Optional[float]:
    """A field in milliseconds, as seconds."""
    value = number_of(values.get(name))
    return None if value is None else value / 1000


def time_of(values: dict[str, Any], name: str) -> datetime:
    """A field in milliseconds since 1970, as a time in UTC."""
    return _EPOCH + timedelta(milliseconds=number_of(values.get(name)) or 0)


def entries_of(value: Any) -> list[dict[str, Any]]:
    """The objects in a list."""
    if not isinstance(value, list):
        return []
    return [
        cast("dict[str, Any]", entry) for entry in cast("Iterable[Any]", value) if isinstance(entry, dict)
    ]
