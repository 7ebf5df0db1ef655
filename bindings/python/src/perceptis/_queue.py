"""The library's queue, in which each call ends with one event."""

from __future__ import annotations

from ctypes import Array, byref, c_size_t, c_void_p
from typing import Any, Callable, NamedTuple, Optional

from ._library import call, library, read_error
from .errors import Error

FINISHED = 0
PROGRESS = 1
LOG = 2

ROOM = 64
"""The largest number of events that are taken at once."""


class Receipt:
    """The library's final event of a call.

    Freeing it tells the library that the program has the end of the call. Discarding it tells the library
    that the program never gets the end, so that an equal call gets it.
    """

    def __init__(self, event: c_void_p) -> None:
        self._event: Optional[c_void_p] = event

    def sign(self) -> None:
        """The program has the end."""
        self._end(library.perceptis_event_free)

    def discard(self) -> None:
        """The program never gets the end, unless it has."""
        self._end(library.perceptis_event_discard)

    def _end(self, end: Callable[[c_void_p], None]) -> None:
        event, self._event = self._event, None
        if event is not None:
            end(event)

    def __del__(self) -> None:
        self.discard()


class Event(NamedTuple):
    """An event of the queue."""

    tag: int
    kind: int
    json: str
    error: Optional[Error]
    receipt: Optional[Receipt] = None
    """The library's event; only of a call that has ended."""

    def sign(self) -> None:
        """The program has the end of the call."""
        if self.receipt is not None:
            self.receipt.sign()

    def discard(self) -> None:
        """The program never gets the end of the call, unless it has."""
        if self.receipt is not None:
            self.receipt.discard()


class Queue:
    """A queue with one owner: a thread that waits for its call, or an event loop."""

    def __init__(self) -> None:
        handle = c_void_p()
        call(library.perceptis_queue_new, byref(handle))
        self.handle = handle
        self.fd: int = library.perceptis_queue_fd(handle)
        self._events: Array[c_void_p] = (c_void_p * ROOM)()
        self._taken = c_size_t()
        self._at = 0

    def take(self, timeout_ms: int) -> Optional[Event]:
        """The next event; ``None`` if no event comes within the time. Waits without the GIL."""
        if self._at >= self._taken.value:
            self._taken.value = self._at = 0
            call(
                library.perceptis_queue_take, self.handle, self._events, ROOM, timeout_ms, byref(self._taken)
            )
            if not self._taken.value:
                return None
        # If a signal handler raises here, the remaining events are handed out the next time.
        handle = c_void_p(self._value(self._at))
        event = _read(handle)
        self._at += 1
        if event.kind == FINISHED:
            return event._replace(receipt=Receipt(handle))
        library.perceptis_event_free(handle)
        return event

    def is_drained(self) -> bool:
        """Whether all events that were taken from the library have been handed out."""
        return self._at >= self._taken.value

    def cancel(self, tag: int) -> None:
        """Stops waiting for a call; its final event comes at once."""
        call(library.perceptis_queue_cancel, self.handle, tag)

    def free(self) -> None:
        """Frees the queue and the events that were not taken. Its calls go on until they or the client
        end."""
        while not self.is_drained():
            library.perceptis_event_discard(c_void_p(self._value(self._at)))
            self._at += 1
        handle, self.handle = self.handle, c_void_p()
        library.perceptis_queue_free(handle)

    def __del__(self) -> None:
        # An exception may come between the queue's creation and the call that should have used it.
        handle = self.__dict__.get("handle")
        if handle:
            self.free()

    def _value(self, at: int) -> Any:
        # ctypes returns the elements of such an array as plain numbers.
        return self._events[at]


def _read(event: c_void_p) -> Event:
    json: bytes = library.perceptis_event_json(event)
    text = json.decode()
    failed = library.perceptis_event_error(event)
    error = read_error(c_void_p(failed), text or None) if failed else None
    return Event(library.perceptis_event_tag(event), library.perceptis_event_kind(event), text, error)
