"""Removing at a carrier what nobody needs there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from mesh.clock import Clock
from mesh.telemetry import span
from route_manager.carrier.domain import (
    Carrier,
    CarrierFailure,
    CarrierObject,
    SetupOrder,
    Trouble,
)

REMOVAL_BUDGET_S: Final = 15.0
"""How long a removal tries, whatever the time left of the request (contract section 2.1)."""

REQUEST_MAX_S: Final = 4.0
"""How long one object may take of that, so that a silent carrier leaves time for the others."""

PAUSE_S: Final = 0.5

LATE_LOOK_S: Final = 2.0
"""When to look again for what a request without an answer may still be making."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal came to."""

    leftovers: tuple[CarrierObject, ...] = ()
    """What is still there, or may be, in the order of making."""
    failure: CarrierFailure | None = None
    """Why it is; the last reason there was."""


class Removal:
    """Removes objects in reverse order of their making, again and again until its time is over.

    An object whose creation got no answer is looked for by its name first.
    """

    def __init__(
        self, carrier: Carrier, order: SetupOrder, objects: Sequence[CarrierObject], clock: Clock
    ) -> None:
        self._carrier = carrier
        self._order = order
        self._left = list(objects)
        self._clock = clock
        self._failure: CarrierFailure | None = None
        self._not_found: set[CarrierObject] = set()

    async def run(self) -> Removed:
        """Return what could not be removed, and why."""
        with span("carrier removal", attributes={"carrier.name": self._carrier.name}):
            try:
                async with asyncio.timeout(REMOVAL_BUDGET_S):
                    await self._insist()
            except TimeoutError:
                if self._failure is None:
                    self._failure = _silence()
        if not self._left:
            return Removed()
        log.warning(
            "objects are left at the carrier",
            carrier=self._carrier.name,
            leftovers=[str(one) for one in self._left],
        )
        return Removed(tuple(self._left), self._failure)

    async def _insist(self) -> None:
        while True:
            before = len(self._left)
            pause_s = await self._pass()
            # A refusal may end with an object that goes later in the same pass: "still in use".
            if not self._left or (pause_s == 0.0 and len(self._left) == before):
                return
            await self._clock.sleep(max(pause_s, PAUSE_S))

    async def _pass(self) -> float:
        """Try each object once; return after how long it may go better, 0 for never."""
        pause_s = 0.0
        for one in reversed(tuple(self._left)):
            try:
                async with asyncio.timeout(REQUEST_MAX_S):
                    gone = await self._remove(one)
            except CarrierFailure as failure:
                self._failure = failure
                pause_s = max(pause_s, 0.0 if failure.final else PAUSE_S)
            except TimeoutError:
                self._failure = _silence()
                pause_s = max(pause_s, PAUSE_S)
            else:
                if gone:
                    self._left.remove(one)
                else:
                    pause_s = LATE_LOOK_S
        return pause_s

    async def _remove(self, one: CarrierObject) -> bool:
        """Remove an object; tell whether it is certain that it is gone."""
        if one.id:
            await self._carrier.remove(one.kind, one.id)
            return True
        made = {other.kind: other.id for other in self._left if other.id}
        found = await self._carrier.find(one.kind, self._order, made)
        for object_id in found:
            await self._carrier.remove(one.kind, object_id)
        # The carrier may still be making what we stopped waiting for: one look is not enough.
        certain = bool(found) or one in self._not_found
        self._not_found.add(one)
        return certain


def _silence() -> CarrierFailure:
    return CarrierFailure(Trouble.TIMEOUT, "The carrier did not answer in time.")
