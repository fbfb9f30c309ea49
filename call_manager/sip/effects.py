"""What a leg's core is told, and what it wants done: the border between rules and I/O."""

from __future__ import annotations

from dataclasses import dataclass

from call_manager.channel import AttemptOutcome, ChannelEvent, DialogRecord, InviteRecord
from call_manager.sip.message import Request, Response
from call_manager.sip.sdp import LocalAudio, RemoteAudio
from call_manager.sip.target import CallerText
from call_manager.sip.transaction import Timer

Address = tuple[str, int]
"""An IP address without brackets, and a port."""


def write_address(address: Address) -> str:
    """Write `host:port`, IPv6 in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_address(text: str) -> Address:
    """Read `host:port`; raises `ValueError` when the port is missing or no port."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError(f"{text!r} is not host:port.")
    return host.removeprefix("[").removesuffix("]"), int(port)


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a request goes: the SIP URI to resolve, or at once the address when it is empty.

    The address is also the fallback when the URI does not resolve or may not be used: carriers
    behind NAT put private addresses into Contact.
    """

    uri: str
    address: Address


@dataclass(frozen=True, slots=True)
class TimerKey:
    """One timer of one transaction of a leg."""

    transaction: str
    timer: Timer | None = None
    """None is the core's own timer."""


# Inputs.


@dataclass(frozen=True, slots=True)
class Begin:
    """A core that needs nothing resolved may start."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Everything an INVITE needs: the carrier's addresses, best first and never empty."""

    addresses: tuple[Address, ...]
    text: CallerText
    audio: LocalAudio


@dataclass(frozen=True, slots=True)
class NotResolved:
    """The leg cannot be placed; `detail` is one sentence for the record."""

    detail: str


@dataclass(frozen=True, slots=True)
class Committed:
    """The planned INVITE is in the database."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The journal would not commit the planned INVITE."""

    detail: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message of this leg arrived from `source`."""

    message: Request | Response
    source: Address


@dataclass(frozen=True, slots=True)
class Fired:
    """A timer ran out."""

    key: TimerKey


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A request of ours cannot arrive: ICMP, or the socket refused it."""

    branch: str
    detail: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """The leg's user wants it ended."""


Input = (
    Begin | Resolved | NotResolved | Committed | Refused | Received | Fired | Unreachable | HangUp
)

# Effects.


@dataclass(frozen=True, slots=True)
class Transmit:
    """Put a message on the wire."""

    message: Request | Response
    hop: Hop


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire `key` after `seconds`, replacing an earlier setting."""

    key: TimerKey
    seconds: float


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Forget a timer."""

    key: TimerKey


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit before anything else leaves; answered by `Committed` or `Refused`. Always last."""

    record: InviteRecord


@dataclass(frozen=True, slots=True)
class Confirm:
    """Keep a confirmed dialog; what follows happens whether or not that succeeds."""

    record: DialogRecord


@dataclass(frozen=True, slots=True)
class Update:
    """Keep an attempt's times and answer."""

    outcome: AttemptOutcome


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell the leg's user."""

    event: ChannelEvent


@dataclass(frozen=True, slots=True)
class Play:
    """Send audio as the answer says; repeated when a re-INVITE changes it."""

    audio: RemoteAudio


Effect = Transmit | SetTimer | StopTimer | Commit | Confirm | Update | Emit | Play
