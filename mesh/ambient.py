"""What travels with a request inside one process: its id, its deadline.

Each RPC runs in a task of its own, so a context variable set at its start is seen by everything
the RPC awaits and by every task it starts, and by nothing else.
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

REQUEST_ID_HEADER: Final = "x-request-id"
"""The gRPC and HTTP header that carries the request id; correlation only, never a key."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

_request_id: ContextVar[str | None] = ContextVar("vbmesh_request_id", default=None)
_deadline: ContextVar[float | None] = ContextVar("vbmesh_deadline", default=None)


def new_request_id() -> str:
    """Mint a request id: `req_` and 26 base-32 characters (contract section 1.5)."""
    return "req_" + base64.b32encode(secrets.token_bytes(17)).decode("ascii")[:26].lower()


def acceptable_request_id(text: str) -> bool:
    """Tell whether a client's request id may be echoed: 1 to 64 letters, digits, `_`, `-`."""
    return _REQUEST_ID.fullmatch(text) is not None


def request_id() -> str | None:
    """Return the id of the request being served, or None outside of any request."""
    return _request_id.get()


def set_request_id(value: str) -> None:
    """Name the request that the current task serves from here on."""
    _request_id.set(value)


def deadline() -> float | None:
    """Return when the current request must be answered, in `time.monotonic()` seconds."""
    return _deadline.get()


def set_deadline(at: float | None) -> None:
    """Set when the current task's request must be answered; None lifts the deadline."""
    _deadline.set(at)


def remaining_s() -> float | None:
    """Return the seconds left until the current deadline (negative when past), or None."""
    at = _deadline.get()
    return None if at is None else at - time.monotonic()


@contextmanager
def budget(seconds: float | None) -> Iterator[None]:
    """Give the enclosed work `seconds` of its own, whatever the deadline around it.

    For work that a service owns and that outlives the request that started it; None means that
    only each RPC's own budget limits it.
    """
    token = _deadline.set(None if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)
