"""Requests and options: Python values for the library's builders."""

from __future__ import annotations

import contextlib
import json
import math
import os
from ctypes import byref, c_void_p
from dataclasses import dataclass
from typing import Any, Generator, Iterable, Mapping, Optional, Union, cast

from ._codes import Code
from ._library import call, encoded, library
from .errors import InvalidArgumentError

Path = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Image:
    """A reference image in memory, with its type, such as ``image/png``."""

    data: bytes
    mime_type: str


ImageSource = Union[Path, bytes, Image]
"""A path, or an image in memory: an :class:`Image`, or ``bytes``, whose first bytes tell the type."""


def as_text(name: str, value: Any) -> str:
    """The value of a configuration key or option as text for the library."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (str, os.PathLike)):
        return os.fsdecode(cast(Path, value))
    raise invalid(f"argument {name} can't be of type {type(value).__name__}")


def milliseconds(name: str, seconds: float) -> str:
    """Seconds as whole milliseconds for the library, rounded up."""
    if not math.isfinite(seconds) or seconds <= 0:
        raise invalid(f"argument {name} can't be {seconds!r}; accepted are seconds above 0")
    return str(math.ceil(seconds * 1000))


@contextlib.contextmanager
def request_options(values: Mapping[str, Any], timeout: Optional[float]) -> Generator[c_void_p, None, None]:
    """The library's options; a value that is ``None`` leaves an option unset."""
    handle = c_void_p(library.perceptis_options_new())
    try:
        texts = {key: as_text(key, value) for key, value in values.items() if value is not None}
        if timeout is not None:
            texts["timeout_ms"] = milliseconds("timeout", timeout)
        for key, text in texts.items():
            call(library.perceptis_options_set, handle, key.encode(), encoded(key, text))
        yield handle
    finally:
        library.perceptis_options_free(handle)


@contextlib.contextmanager
def request_of(
    prompt: str,
    output_type: str,
    fields: Mapping[str, Any],
    images: Iterable[ImageSource],
    extra: Optional[Mapping[str, Any]],
) -> Generator[c_void_p, None, None]:
    """The library's request; a field that is ``None`` is left out."""
    handle = c_void_p()
    call(
        library.perceptis_request_new,
        encoded("output_type", _string("output_type", output_type)),
        encoded("prompt", _string("prompt", prompt)),
        byref(handle),
    )
    try:
        for field, value in fields.items():
            if value is not None:
                call(
                    library.perceptis_request_set,
                    handle,
                    field.encode(),
                    encoded(field, as_text(field, value)),
                )
        if isinstance(images, (str, bytes)):
            raise invalid("argument images is one image; accepted is a list of them")
        for image in images:
            _add_image(handle, image)
        for field, value in (extra or {}).items():
            try:
                text = json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise invalid(f"argument extra: {field} can't be JSON: {error}") from None
            call(library.perceptis_request_set_json, handle, encoded("extra", field), text.encode())
        yield handle
    finally:
        library.perceptis_request_free(handle)


def _add_image(handle: c_void_p, image: ImageSource) -> None:
    if isinstance(image, (bytes, bytearray, memoryview)):
        data = bytes(image)
        image = Image(data, _mime_type(data))
    if isinstance(image, Image):
        call(
            library.perceptis_request_add_image,
            handle,
            image.data,
            len(image.data),
            encoded("mime_type", image.mime_type),
        )
    else:
        call(library.perceptis_request_add_image_file, handle, encoded("images", as_text("images", image)))


def _mime_type(data: bytes) -> str:
    """The type of an image, by its first bytes; the library checks it."""
    for magic, mime_type in (
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"RIFF", "image/webp"),
        (b"BM", "image/bmp"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
    ):
        if data.startswith(magic):
            return mime_type
    return "image/png"


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise invalid(f"argument {name} can't be of type {type(value).__name__}; accepted is a str")
    return value


def invalid(message: str) -> InvalidArgumentError:
    """The error of a call with a bad argument."""
    return InvalidArgumentError(message, Code.INVALID_ARGUMENT, {"billed": "no", "retryable": False})
