"""What the calls of one simulated carrier share, and what an unanswered one is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from call_manager.simulator.answers import Negotiation
from call_manager.simulator.digest import DigestGuard
from call_manager.simulator.outcomes import Outcome
from call_manager.sip.effects import Destination
from call_manager.sip.message import Request, Response
from call_manager.sip.requests import Identity
from call_manager.sip.sdp import LocalAudio
from call_manager.sip.timing import Timing


class Report(Protocol):
    """Where the calls' events go, one line each."""

    def __call__(self, event: str, /, **facts: object) -> None:
        """Write one event."""


@dataclass(frozen=True, slots=True)
class Trunk:
    """What all calls of one simulator share."""

    identity: Identity
    timing: Timing
    guard: DigestGuard
    report: Report
    open_audio: Callable[[str], LocalAudio | None]
    """Gives a Call-ID's audio a port of its own; None when there is none left."""
    on_over: Callable[[str, str, int], None]
    """Told a call's Call-ID, who ended it, and its final status, once for every INVITE."""


@dataclass(slots=True)
class Ringing:
    """An INVITE without a final answer."""

    invite: Request
    source: Destination
    outcome: Outcome
    tag: str
    provisional: Response | None = None
    negotiation: Negotiation | None = None
