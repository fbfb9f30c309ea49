"""Why a process cannot start on this machine: one line for whoever started it, not a traceback."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

EXIT_REFUSED: Final = 3
"""The exit status when this machine lacks what the process needs; trying again would not help."""


class StartRefused(Exception):
    """The process cannot start here; the message says what is in the way and what to do."""


@contextmanager
def listening_at(address: str, what: str, variable: str) -> Iterator[None]:
    """Run the enclosed work, which listens at `address` for `what` (`REST`, `gRPC`, …).

    Raises StartRefused, naming the environment variable that chooses the address, where the work
    raises OSError.
    """
    try:
        yield
    except OSError as error:
        # asyncio's own text repeats the address; the errno says all that is missing.
        problem = os.strerror(error.errno) if error.errno else str(error)
        raise StartRefused(
            f"cannot listen at {address} for {what} ({problem}). "
            f"End what listens there, or set {variable} to another address."
        ) from error


def try_to_bind(address: str) -> None:
    """Bind a TCP `host:port` for a moment, to learn why another library could not.

    Raises OSError when it cannot be bound.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(where)
        probe.listen(1)
