"""The shared library: finding it, checking its version, and the functions of its header."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Callable, Optional

from ._codes import Code
from .errors import Error, InvalidArgumentError, make_error

ABI_MAJOR = 0
ABI_MINOR = 3
"""The version of the C ABI that this package needs."""

_NAME = "libperceptis.so.0"

_OUT = POINTER(c_void_p)

_ABOUT: list[Any] = [c_void_p, c_char_p, c_void_p, c_void_p, c_uint64, _OUT]
_REQUEST: list[Any] = [c_void_p, c_void_p, c_void_p, c_void_p, c_uint64, _OUT]

_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "perceptis_version": (c_char_p, []),
    "perceptis_string_free": (None, [c_void_p]),
    "perceptis_error_code": (c_int32, [c_void_p]),
    "perceptis_error_message": (c_char_p, [c_void_p]),
    "perceptis_error_details": (c_char_p, [c_void_p]),
    "perceptis_error_free": (None, [c_void_p]),
    "perceptis_config_new": (c_void_p, []),
    "perceptis_config_set": (c_int32, [c_void_p, c_char_p, c_char_p, _OUT]),
    "perceptis_config_set_log_queue": (c_int32, [c_void_p, c_void_p, _OUT]),
    "perceptis_config_free": (None, [c_void_p]),
    "perceptis_client_new": (c_int32, [c_void_p, _OUT, _OUT]),
    "perceptis_client_activity": (c_int32, [c_void_p, _OUT, _OUT]),
    "perceptis_client_close": (c_int32, [c_void_p, c_int64, _OUT]),
    "perceptis_client_free": (None, [c_void_p]),
    "perceptis_request_new": (c_int32, [c_char_p, c_char_p, _OUT, _OUT]),
    "perceptis_request_set": (c_int32, [c_void_p, c_char_p, c_char_p, _OUT]),
    "perceptis_request_set_json": (c_int32, [c_void_p, c_char_p, c_char_p, _OUT]),
    "perceptis_request_add_image": (c_int32, [c_void_p, c_char_p, c_size_t, c_char_p, _OUT]),
    "perceptis_request_add_image_file": (c_int32, [c_void_p, c_char_p, _OUT]),
    "perceptis_request_free": (None, [c_void_p]),
    "perceptis_options_new": (c_void_p, []),
    "perceptis_options_set": (c_int32, [c_void_p, c_char_p, c_char_p, _OUT]),
    "perceptis_options_free": (None, [c_void_p]),
    "perceptis_get_status_async": (c_int32, _ABOUT),
    "perceptis_generate_async": (c_int32, _REQUEST),
    "perceptis_wait_async": (c_int32, _ABOUT),
    "perceptis_download_async": (c_int32, _ABOUT),
    "perceptis_run_async": (c_int32, _REQUEST),
    "perceptis_recover_async": (c_int32, [c_void_p, c_void_p, c_void_p, c_uint64, _OUT]),
    "perceptis_jobs": (c_int32, [c_void_p, c_void_p, _OUT, _OUT]),
    "perceptis_forget": (c_int32, [c_void_p, c_char_p, _OUT]),
    "perceptis_queue_new": (c_int32, [_OUT, _OUT]),
    "perceptis_queue_fd": (c_int, [c_void_p]),
    "perceptis_queue_take": (
        c_int32,
        [c_void_p, POINTER(c_void_p), c_size_t, c_int64, POINTER(c_size_t), _OUT],
    ),
    "perceptis_queue_cancel": (c_int32, [c_void_p, c_uint64, _OUT]),
    "perceptis_queue_free": (None, [c_void_p]),
    "perceptis_event_tag": (c_uint64, [c_void_p]),
    "perceptis_event_kind": (c_int32, [c_void_p]),
    "perceptis_event_json": (c_char_p, [c_void_p]),
    "perceptis_event_error": (c_void_p, [c_void_p]),
    "perceptis_event_free": (None, [c_void_p]),
    "perceptis_event_discard": (None, [c_void_p]),
}


def _load() -> ctypes.CDLL:
    named = os.environ.get("PERCEPTIS_LIBRARY")
    # If the user names a library, no other one is loaded in its place.
    places = [named] if named else [str(Path(__file__).parent / _NAME), _NAME]
    tried: list[str] = []
    for place in places:
        try:
            library = ctypes.CDLL(place)
            version_of = library.perceptis_abi_version
        except (OSError, AttributeError) as error:
            tried.append(f"{place}: {error}")
            continue
        version_of.restype = c_uint32
        version_of.argtypes = []
        version: int = version_of()
        major, minor = version >> 16, version & 0xFFFF
        if major != ABI_MAJOR or minor < ABI_MINOR:
            tried.append(
                f"{place}: it has the C ABI {major}.{minor}; needed is {ABI_MAJOR}.{ABI_MINOR} "
                f"or a later {ABI_MAJOR}.x"
            )
            continue
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
        return library
    raise ImportError(
        "libperceptis could not be loaded. Tried:\n  "
        + "\n  ".join(tried)
        + "\nSet PERCEPTIS_LIBRARY to the path of libperceptis.so."
    )


library = _load()


def version() -> str:
    """The library's version."""
    text: bytes = library.perceptis_version()
    return text.decode()


def encoded(name: str, value: str) -> bytes:
    """A text for C. A text with a NUL is refused, since C would cut it there."""
    try:
        text = value.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(
            f"argument {name} can't be encoded as UTF-8: {error.reason} at position {error.start}",
            Code.INVALID_ARGUMENT,
            {"billed": "no", "retryable": False},
        ) from None
    if b"\0" in text:
        raise InvalidArgumentError(
            f"argument {name} holds a NUL character, which no C text can",
            Code.INVALID_ARGUMENT,
            {"billed": "no", "retryable": False},
        )
    return text


def call(function: Callable[..., int], *arguments: Any) -> None:
    """Calls a function whose last argument receives an error, and raises the error."""
    error = c_void_p()
    code = function(*arguments, ctypes.byref(error))
    if code != Code.OK:
        raise _taken(code, error, None)


def call_for_text(function: Callable[..., int], *arguments: Any) -> str:
    """Calls a function whose last arguments receive a text and an error; returns the text."""
    result, error = c_void_p(), c_void_p()
    code = function(*arguments, ctypes.byref(result), ctypes.byref(error))
    text = _owned_text(result)
    if code != Code.OK:
        raise _taken(code, error, text)
    return text or ""


def _owned_text(place: c_void_p) -> Optional[str]:
    if not place.value:
        return None
    try:
        return (ctypes.cast(place, c_char_p).value or b"").decode()
    finally:
        library.perceptis_string_free(place)


def _taken(code: int, error: c_void_p, result: Optional[str]) -> Error:
    try:
        return read_error(error, result, code)
    finally:
        library.perceptis_error_free(error)


def read_error(error: c_void_p, result: Optional[str], code: Optional[int] = None) -> Error:
    """Makes the exception of an error of the library, which is not freed here."""
    message: bytes = library.perceptis_error_message(error)
    details: bytes = library.perceptis_error_details(error)
    number: int = library.perceptis_error_code(error) if code is None else code
    return make_error(number, message.decode(), details.decode() or "{}", result)
