"""The hierarchy of errors: by code, picklable, and builtin classes where Python has them."""

from __future__ import annotations

import copy
import pickle

import pytest

import perceptis
from perceptis.errors import make_error

DETAILS = (
    '{"job_id":"j1","billed":"unknown","idempotency_key":"k","retry_after_ms":1500,"retryable":true,"attempts":'
    '[{"at_ms":20,"outcome":"no answer","http_status":null},'
    '{"at_ms":1500,"outcome":"failed","http_status":503}],'
    '"attempts_omitted":7}'
)


@pytest.mark.parametrize("code", [code for code in perceptis.Code if code != 0])
def test_every_code_has_a_class_that_survives_pickling(code: perceptis.Code) -> None:
    result = '{"job_id":"j1","files":[]}' if code == perceptis.Code.INCOMPLETE else None
    error = make_error(code, "what happened", DETAILS, result)
    assert type(error) is not perceptis.Error
    assert type(error).__name__.lower() == code.name.replace("_", "").lower() + "error"
    for twin in (error, pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert str(twin) == twin.message == "what happened"
        assert twin.code is code
        assert (twin.job_id, twin.billed, twin.idempotency_key) == ("j1", "unknown", "k")
        assert (twin.retry_after, twin.retryable) == (1.5, True)
        attempts = (perceptis.Attempt(0.02, "no answer", None), perceptis.Attempt(1.5, "failed", 503))
        assert (twin.attempts, twin.attempts_omitted) == (attempts, 7)
        if isinstance(twin, perceptis.IncompleteError):
            assert twin.result.job_id == "j1"


def test_an_unknown_code_is_still_an_error() -> None:
    error = make_error(99, "new")
    assert type(error) is perceptis.Error
    assert error.code == 99
    assert error.billed == "unknown"
    assert (error.attempts, error.attempts_omitted) == ((), 0)


def test_builtin_exceptions_catch_their_kind() -> None:
    for kind, builtin in [
        (perceptis.TimeoutError, TimeoutError),
        (perceptis.InvalidArgumentError, ValueError),
        (perceptis.ConfigurationError, ValueError),
        (perceptis.NotFoundError, LookupError),
        (perceptis.TransportError, ConnectionError),
        (perceptis.FileError, OSError),
        (perceptis.LedgerError, OSError),
        (perceptis.UnauthenticatedError, PermissionError),
    ]:
        assert issubclass(kind, builtin) and issubclass(kind, perceptis.Error)
