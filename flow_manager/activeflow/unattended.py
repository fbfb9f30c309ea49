"""Running flows that need no call: when they go on, and which follow when others are over. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from flow_manager.action.domain import ActionTypes
from flow_manager.activeflow.domain import Activeflow

FOLLOWERS_MAX: Final = 5
"""The most running flows that follow one another after a first one (CONTRACT.md section 2.7)."""

RUNNING_MAX: Final = 1000
"""The most flows of one customer that run without a call at once."""

STRIDE_MAX: Final = 100
"""The actions after which a go is enough (CONTRACT.md section 2.7)."""

CHAIN_TOO_LONG: Final = "ACTIVEFLOW_CHAIN_TOO_LONG"
"""Why nothing follows the last of a chain of `FOLLOWERS_MAX`."""


def due(activeflow: Activeflow, types: ActionTypes) -> datetime | None:
    """Return when flow_manager goes on with a flow that it runs itself; None for any other."""
    current = activeflow.current
    if not activeflow.runs_here or current is None:
        return None
    known = types.get(current.action.type)
    wait_ms = known.wait_ms(current.action.option) if known is not None else 0
    return current.tm_execute + timedelta(milliseconds=wait_ms)


def follower(ended: Activeflow, flow_id: UUID, traceparent: str) -> Activeflow:
    """Return the running flow that follows one that is over; it has not begun yet.

    Its id is made of the other's, so that there is one at most.
    """
    return Activeflow(
        id=uuid5(ended.id, "on_complete"),
        customer_id=ended.customer_id,
        flow_id=flow_id,
        reference_type=ended.reference_type,
        reference_id=ended.reference_id,
        tm_create=ended.tm_update or ended.tm_create,
        variables=ended.variables,
        traceparent=traceparent,
        reference_activeflow_id=ended.id,
        complete_count=ended.complete_count + 1,
    )
