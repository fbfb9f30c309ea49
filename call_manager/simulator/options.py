"""How OPTIONS outside of calls is answered: what health checks ask a carrier with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from call_manager.simulator.answers import over
from call_manager.simulator.script import OptionsPhase
from call_manager.simulator.trunk import Report
from call_manager.sip.effects import Destination
from call_manager.sip.message import Headers, Request
from call_manager.sip.requests import ALLOW
from call_manager.sip.sdp import CONTENT_TYPE
from mesh.addresses import write_address

LATE_MAX: Final = 1000
"""Answers that are held back at once."""


class Answer(Protocol):
    """Answers a request without remembering it."""

    def __call__(
        self,
        request: Request,
        source: Destination,
        code: int,
        extra: Headers = (),
        reason: str = "",
    ) -> None:
        """Send the answer."""


class OptionsDesk:
    """Answers by the phases of a script, late where it says so."""

    def __init__(self, phases: Sequence[OptionsPhase], answer: Answer, report: Report) -> None:
        self._turns = OptionsTurns(phases)
        self._answer = answer
        self._report = report
        self._late: set[asyncio.TimerHandle] = set()

    def answer(self, request: Request, source: Destination) -> None:
        """Take one OPTIONS."""
        phase = self._turns.take()
        where = write_address(source.address)
        status = None if phase.silent else phase.code
        self._report("options", source=where, transport=str(source.transport), status=status)
        if phase.silent:
            return
        if not phase.delay_s:
            self._send(request, source, phase)
        elif len(self._late) < LATE_MAX:

            def send_late() -> None:
                self._late.discard(handle)
                self._send(request, source, phase)

            handle = asyncio.get_running_loop().call_later(phase.delay_s, send_late)
            self._late.add(handle)

    def stop(self) -> None:
        """Answer nothing any more that was held back."""
        for handle in self._late:
            handle.cancel()

    def _send(self, request: Request, source: Destination, phase: OptionsPhase) -> None:
        extra = over((("Allow", ALLOW), ("Accept", CONTENT_TYPE)), phase.headers)
        self._answer(request, source, phase.code, extra, phase.reason)


class OptionsTurns:
    """The phases of OPTIONS, one after the other and round again."""

    def __init__(self, phases: Sequence[OptionsPhase]) -> None:
        self._phases = phases or (OptionsPhase(),)
        self._index = 0
        self._answered = 0

    def take(self) -> OptionsPhase:
        """Return how the next OPTIONS is answered."""
        phase = self._phases[self._index]
        if phase.times is not None and self._answered >= phase.times:
            self._index = (self._index + 1) % len(self._phases)
            self._answered = 0
            phase = self._phases[self._index]
        self._answered += 1
        return phase
