"""What a stored message is, and how much of a trace is shown at once (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from call_manager.channel import Transport

MESSAGES_MAX: Final = 1000
"""The most messages a SIP analysis holds."""

ANALYSIS_BYTES_MAX: Final = 900 * 1024
"""The most bytes of raw messages it holds: an answer of the mesh has 1 MiB at most."""

_OVERHEAD_BYTES: Final = 160
"""What a message's other fields take, at most, in an answer."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One datagram of a call, as it was on the wire."""

    seq: int
    """Its place among all messages of all calls."""
    at: datetime
    sent: bool
    """True when we sent it."""
    method: str
    local_address: str
    remote_address: str
    raw: bytes
    transport: Transport = Transport.UDP

    @property
    def source(self) -> str:
        """The sender's `host:port`."""
        return self.local_address if self.sent else self.remote_address

    @property
    def destination(self) -> str:
        """The receiver's `host:port`."""
        return self.remote_address if self.sent else self.local_address


def shown(messages: Sequence[StoredMessage]) -> tuple[StoredMessage, ...]:
    """Return the oldest messages that fit into one answer."""
    room, fitting = ANALYSIS_BYTES_MAX, []
    for message in messages[:MESSAGES_MAX]:
        room -= len(message.raw) + _OVERHEAD_BYTES
        if room < 0:
            break
        fitting.append(message)
    return tuple(fitting)
