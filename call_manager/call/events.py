"""The events of calls, written in the transaction that makes the change (CONTRACT.md 2.11)."""

from __future__ import annotations

from typing import Final

from call_manager.call.convert import call_to_proto
from call_manager.call.domain import Call, CallEvent, CallStatus
from call_manager.tables import EVENTS
from mesh.database import Transaction
from mesh.outbox import Event

RESOURCE: Final = "call"
"""What the events of calls are found by."""


async def record(tx: Transaction, what: CallEvent, *calls: Call) -> None:
    """Keep that this happened to each of the calls; they are given as they are after it."""
    await EVENTS.append(tx, *(_event(what, call) for call in calls))


def of_status(status: CallStatus) -> CallEvent:
    """Return the event of a call that has just come to a status."""
    return CallEvent(f"call_{status.value}")


def _event(what: CallEvent, call: Call) -> Event:
    return Event(
        event_type=what.value,
        resource_type=RESOURCE,
        resource_id=call.id,
        customer_id=call.customer_id,
        data=call_to_proto(call).SerializeToString(),
        # A call and the flow it runs are read together.
        group_id=call.activeflow_id,
    )
