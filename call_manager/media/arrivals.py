"""When a packet arrived, by the kernel's own clock where it has one."""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

TIMESTAMPS: Final = 35
"""Linux' SO_TIMESTAMPNS (socket(7)), which Python does not name; also its message's type."""

ANCILLARY_BYTES: Final = socket.CMSG_SPACE(16)
"""Room for one timestamp."""

_TIMESPEC: Final = struct.Struct("@qq")

Ancillary = Sequence[tuple[int, int, bytes]]


def stamp(sock: socket.socket) -> None:
    """Have the kernel note when each packet arrives; elsewhere than on Linux, do nothing."""
    if sys.platform == "linux":
        with suppress(OSError):  # A kernel without it costs precision, and no call.
            sock.setsockopt(socket.SOL_SOCKET, TIMESTAMPS, 1)


def arrival_ns(ancillary: Ancillary) -> int:
    """Return when a packet came, in nanoseconds of the wall clock; without a stamp, now."""
    if not ancillary:
        return time.time_ns()
    # Nothing else was asked for, so nothing else is there.
    seconds, rest = _TIMESPEC.unpack(ancillary[0][2])
    return int(seconds * 1_000_000_000 + rest)
