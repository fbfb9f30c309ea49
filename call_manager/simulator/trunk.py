"""What the calls of one simulated carrier share, and what a dialog shares with its call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from call_manager.simulator.audio import AudioDesk
from call_manager.simulator.behaviour import Behaviour
from call_manager.simulator.digest import DigestGuard
from call_manager.simulator.sdp import Line
from call_manager.sip.exchange import Exchange
from call_manager.sip.requests import Identity
from call_manager.sip.timing import Timing


class Report(Protocol):
    """Where the calls' events go, one line each."""

    def __call__(self, event: str, /, **facts: object) -> None:
        """Write one event."""


@dataclass(frozen=True, slots=True)
class Trunk:
    """What all calls of one carrier share."""

    identity: Identity
    timing: Timing
    guard: DigestGuard
    report: Report
    audio: AudioDesk


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a dialog shares with its call."""

    trunk: Trunk
    exchange: Exchange
    identity: Identity
    """What we say of ourselves over the call's transport."""
    call_id: str
    behaviour: Behaviour
    line: Line

    def say(self, event: str, **facts: object) -> None:
        """Write an event of the call."""
        self.trunk.report(event, call=self.call_id, **facts)
