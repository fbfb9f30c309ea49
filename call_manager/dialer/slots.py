"""Moves a call's place among a carrier's calls at once to the carrier it goes on to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select, update

from call_manager.billing import usage
from call_manager.billing.admission import slot
from call_manager.billing.cells import microseconds
from call_manager.billing.errors import ProviderFull
from call_manager.call import repository as calls
from call_manager.call.domain import CallStatus, Dialroute
from call_manager.errors import Refusal
from mesh.database import Transaction

_HELD: Final = (
    select(calls.CALLS.c.status, calls.CALLS.c.slot_provider_id)
    .where(calls.CALLS.c.id == bindparam("of"), calls.CALLS.c.duration_max_s > 0)
    .with_for_update()
)
_MOVE: Final = update(calls.CALLS).where(calls.CALLS.c.id == bindparam("of"))


class CarrierFull(Exception):
    """The carrier takes no further call now; one sentence says why."""


async def move(tx: Transaction, call_id: UUID, to: Dialroute, now: datetime) -> None:
    """Let the call count among this carrier's instead of another's.

    Raises CarrierFull, and nothing is moved then. A call that is over counts nowhere.
    """
    row = await tx.one_or_none(_HELD, {"of": call_id})
    if row is None or row["status"] == CallStatus.HANGUP.value:
        return
    before = row["slot_provider_id"]
    if before == to.provider_id:
        return
    held = await usage.held_providers(tx, {to.provider_id} | ({before} if before else set()))
    try:
        taken = slot(0, to, held[to.provider_id], microseconds(now))
    except Refusal as refusal:
        raise CarrierFull(_full(to, refusal)) from refusal
    await usage.keep_provider(tx, taken)
    if before is not None:
        left = held[before]
        await usage.keep_provider(tx, replace(left, live_calls=left.live_calls - 1))
    await tx.run(_MOVE, {"of": call_id, "slot_provider_id": to.provider_id})


def _full(route: Dialroute, refusal: Refusal) -> str:
    if isinstance(refusal, ProviderFull):
        return f"The carrier has {route.caps.calls_at_once} calls, as many as it takes at once."
    return (
        f"The carrier has had {route.caps.calls_per_second} calls in a second, and takes no more."
    )
