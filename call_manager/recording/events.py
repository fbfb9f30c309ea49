"""The events of recordings, written in the transaction that makes the change."""

from __future__ import annotations

from typing import Final

from call_manager.recording.convert import recording_to_proto
from call_manager.recording.domain import Recording, RecordingEvent
from call_manager.tables import EVENTS
from mesh.database import Transaction
from mesh.outbox import Event

RESOURCE: Final = "recording"
"""What the events of recordings are found by."""


async def record(tx: Transaction, what: RecordingEvent, recording: Recording) -> None:
    """Keep that this happened to a recording, which is given as it is after it."""
    await EVENTS.append(
        tx,
        Event(
            event_type=what.value,
            resource_type=RESOURCE,
            resource_id=recording.id,
            customer_id=recording.customer_id,
            data=recording_to_proto(recording).SerializeToString(),
        ),
    )
