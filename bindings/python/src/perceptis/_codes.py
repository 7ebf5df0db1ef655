"""The library's codes."""

from __future__ import annotations

import enum


class Code(enum.IntEnum):
    """Why a call failed. The numbers are those of the C ABI and never change."""

    OK = 0
    INVALID_ARGUMENT = 1
    CONFIGURATION = 2
    UNAUTHENTICATED = 3
    NOT_ELIGIBLE = 4
    NOT_FOUND = 5
    CONFLICT = 6
    REJECTED = 7
    RATE_LIMITED = 8
    SERVER = 9
    TRANSPORT = 10
    PROTOCOL = 11
    OUTCOME_UNKNOWN = 12
    TIMEOUT = 13
    CANCELLED = 14
    JOB_FAILED = 15
    INCOMPLETE = 16
    FILE = 17
    LEDGER = 18
    CLOSED = 19
    FORKED = 20
    WOULD_DEADLOCK = 21
    INTERNAL = 22
