"""A prompt in, a .pptx on disk, and no deck lost or bought twice on the way.

>>> import perceptis
>>> with perceptis.Client() as client:
...     result = client.run("Why teams adopt Rust", output_type="deck", directory="out")
"""

from __future__ import annotations

from ._codes import Code
from ._library import version as library_version
from ._request import Image
from ._version import __version__
from .async_client import AsyncClient
from .client import Client
from .errors import (
    Attempt,
    CancelledError,
    ClosedError,
    ConfigurationError,
    ConflictError,
    Error,
    FileError,
    ForkedError,
    IncompleteError,
    InternalError,
    InvalidArgumentError,
    JobFailedError,
    LedgerError,
    NotEligibleError,
    NotFoundError,
    OutcomeUnknownError,
    ProtocolError,
    RateLimitedError,
    RejectedError,
    ServerError,
    TimeoutError,
    TransportError,
    UnauthenticatedError,
    WouldDeadlockError,
)
from .ledger import Job, JobEvent, RecordedFile, Recovered, Recovery, Unsettled
from .results import Accepted, Activity, Download, File, Progress, Result, Status

__all__ = [
    "Accepted",
    "Activity",
    "AsyncClient",
    "Attempt",
    "CancelledError",
    "Client",
    "ClosedError",
    "Code",
    "ConfigurationError",
    "ConflictError",
    "Download",
    "Error",
    "File",
    "FileError",
    "ForkedError",
    "Image",
    "IncompleteError",
    "InternalError",
    "InvalidArgumentError",
    "Job",
    "JobEvent",
    "JobFailedError",
    "LedgerError",
    "NotEligibleError",
    "NotFoundError",
    "OutcomeUnknownError",
    "Progress",
    "ProtocolError",
    "RateLimitedError",
    "RecordedFile",
    "Recovered",
    "Recovery",
    "RejectedError",
    "Result",
    "ServerError",
    "Status",
    "TimeoutError",
    "TransportError",
    "UnauthenticatedError",
    "Unsettled",
    "WouldDeadlockError",
    "__version__",
    "library_version",
]
