"""Errors: one class for each code, so that a program catches what it can handle."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping, Optional, Union

from ._codes import Code
from ._json import entries_of, number_of, object_of, seconds_of, text_of

if TYPE_CHECKING:
    from .results import Result


@dataclass(frozen=True)
class Attempt:
    """One attempt to reach the service, or another event of the call."""

    at: float
    """When the event was known, in seconds since the call began."""
    outcome: str
    """The outcome, in a word or two: ``accepted``, ``no answer``, a job's new status."""
    http_status: Optional[int]
    """The HTTP status, if one came and was not a success."""


class Error(Exception):
    """What went wrong. Holds neither the API key nor a URL's signature; can be pickled and copied."""

    def __init__(
        self, message: str, code: int = Code.INTERNAL, details: Optional[Mapping[str, Any]] = None
    ) -> None:
        super().__init__(message)
        self._message = message
        self._code = int(code)
        self._details = dict(details or {})

    @property
    def message(self) -> str:
        """One sentence for people: what happened, whether it was billed, what to do."""
        return self._message

    @property
    def code(self) -> Union[Code, int]:
        """The library's code; a plain number where it is newer than this package."""
        try:
            return Code(self._code)
        except ValueError:
            return self._code

    @property
    def details(self) -> dict[str, Any]:
        """All details that the library gives to programs."""
        return dict(self._details)

    @property
    def job_id(self) -> Optional[str]:
        """The job, once the service has accepted one: ``wait`` and ``download`` take it."""
        return self._text("job_id")

    @property
    def idempotency_key(self) -> Optional[str]:
        """The key under which the same request can be submitted again without a second bill."""
        return self._text("idempotency_key")

    @property
    def billed(self) -> str:
        """What is known of the bill: ``"no"``, ``"yes"`` or ``"unknown"``."""
        return self._text("billed") or "unknown"

    @property
    def retryable(self) -> bool:
        """Whether the same call, unchanged, can succeed later and costs nothing twice."""
        return self._details.get("retryable") is True

    @property
    def retry_after(self) -> Optional[float]:
        """How many seconds the service asked to wait."""
        value = self._details.get("retry_after_ms")
        return value / 1000 if isinstance(value, (int, float)) else None

    @property
    def http_status(self) -> Optional[int]:
        """The HTTP status that decided, if one did."""
        value = self._details.get("http_status")
        return value if isinstance(value, int) else None

    @property
    def api_code(self) -> Optional[str]:
        """The service's own code, such as ``"ambiguous_template_name"``."""
        return self._text("api_code")

    @property
    def request_id(self) -> Optional[str]:
        """The service's name for the request, for its support."""
        return self._text("request_id")

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The newest attempts, oldest first."""
        return tuple(
            Attempt(
                at=seconds_of(entry, "at_ms") or 0.0,
                outcome=text_of(entry, "outcome"),
                http_status=number_of(entry.get("http_status")),
            )
            for entry in entries_of(self._details.get("attempts"))
        )

    @property
    def attempts_omitted(self) -> int:
        """How many attempts came before them."""
        return number_of(self._details.get("attempts_omitted")) or 0

    def __str__(self) -> str:
        return self._message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._message!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Spelled out, since the builtin classes among the bases each have their own idea of it.
        return (_restore, (type(self), self._message, self._code, self._details, self.__dict__.get("_json")))

    def _text(self, name: str) -> Optional[str]:
        value = self._details.get(name)
        return value if isinstance(value, str) else None


class InvalidArgumentError(Error, ValueError):
    """The call is wrong: an unknown key, a bad value. The message says what is accepted."""


class ConfigurationError(Error, ValueError):
    """The configuration is wrong: no API key, a base URL with a path, an unreadable CA file."""


class UnauthenticatedError(Error, PermissionError):
    """401: the API key is missing, invalid or revoked."""


class NotEligibleError(Error, PermissionError):
    """403: the organization's plan does not include the API."""


class NotFoundError(Error, LookupError):
    """404: no such job, or a job of another API key."""


class ConflictError(Error):
    """409: the request conflicts with another; ``api_code`` says how."""


class RejectedError(Error):
    """400 and the other final refusals: the service does not accept the request."""


class RateLimitedError(Error):
    """429 beyond the deadline; ``retry_after`` says when to come back."""


class ServerError(Error):
    """5xx to the end of the retries."""


class TransportError(Error, ConnectionError):
    """No usable answer: name resolution, connect, TLS, reset."""


class ProtocolError(Error):
    """An answer that can't be understood."""


class OutcomeUnknownError(Error):
    """A submission whose fate could not be settled; the same request with ``idempotency_key`` settles it."""


class TimeoutError(Error, builtins.TimeoutError):
    """The deadline has passed; the job goes on."""


class CancelledError(Error):
    """The waiting was cancelled; the job goes on."""


class JobFailedError(Error):
    """The service gave the job up; nothing is billed."""


class IncompleteError(Error):
    """Some variants or files are missing; ``result`` has those that came."""

    @property
    def result(self) -> Result:
        """The result with the files that came."""
        from .results import Result  # noqa: PLC0415 (results.py imports this file)

        text: str = self.__dict__.get("_json") or "{}"
        return Result.from_json(text)


class FileError(Error, OSError):
    """The disk or the target: a missing directory, a name that is taken, no space."""


class LedgerError(Error, OSError):
    """The ledger can't be used; nothing was sent. The message says what to do."""


class ClosedError(Error):
    """The client is closed."""


class ForkedError(Error):
    """The client was made before a fork; make a new one."""


class WouldDeadlockError(Error):
    """A blocking call from one of the library's own threads."""


class InternalError(Error):
    """A fault of the library; please report it with the message."""


_CLASSES: dict[int, type[Error]] = {
    Code.INVALID_ARGUMENT: InvalidArgumentError,
    Code.CONFIGURATION: ConfigurationError,
    Code.UNAUTHENTICATED: UnauthenticatedError,
    Code.NOT_ELIGIBLE: NotEligibleError,
    Code.NOT_FOUND: NotFoundError,
    Code.CONFLICT: ConflictError,
    Code.REJECTED: RejectedError,
    Code.RATE_LIMITED: RateLimitedError,
    Code.SERVER: ServerError,
    Code.TRANSPORT: TransportError,
    Code.PROTOCOL: ProtocolError,
    Code.OUTCOME_UNKNOWN: OutcomeUnknownError,
    Code.TIMEOUT: TimeoutError,
    Code.CANCELLED: CancelledError,
    Code.JOB_FAILED: JobFailedError,
    Code.INCOMPLETE: IncompleteError,
    Code.FILE: FileError,
    Code.LEDGER: LedgerError,
    Code.CLOSED: ClosedError,
    Code.FORKED: ForkedError,
    Code.WOULD_DEADLOCK: WouldDeadlockError,
    Code.INTERNAL: InternalError,
}


def make_error(code: int, message: str, details_json: str = "{}", result_json: Optional[str] = None) -> Error:
    """The error of a code; :class:`Error` itself for a code that is newer than this package."""
    details: dict[str, Any]
    try:
        details = object_of(details_json)
    except ValueError:
        details = {}
    return _restore(_CLASSES.get(code, Error), message, code, details, result_json)


def _restore(
    kind: type[Error], message: str, code: int, details: Mapping[str, Any], result: Optional[str]
) -> Error:
    error = kind(message, code, details)
    if result is not None:
        error.__dict__["_json"] = result
    return error
