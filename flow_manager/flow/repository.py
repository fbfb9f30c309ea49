"""All SQL over flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, select, update

from flow_manager.action.convert import actions_from_json, actions_to_json
from flow_manager.action.domain import Action
from flow_manager.flow.domain import Flow, FlowChange
from flow_manager.flow.models import FlowCountRow, FlowRow
from mesh.clock import ZERO_ID
from mesh.database import Transaction, insert_if_absent
from mesh.pagination import PageRequest, page
from mesh.places import Places

_FLOWS: Final = FlowRow.__table__  # type: ignore[attr-defined]

PLACES: Final = Places(FlowCountRow.__table__, "flows")  # type: ignore[attr-defined]
"""The customers' flows; deleted and temporary ones are not counted."""

_FLOW_INSERT: Final = insert_if_absent(_FLOWS, "id").returning(_FLOWS.c.id)


async def get(tx: Transaction, flow_id: UUID) -> Flow | None:
    """Return the flow, deleted or not, or None."""
    row = await tx.one_or_none(select(_FLOWS).where(_FLOWS.c.id == flow_id))
    return None if row is None else to_flow(row)


async def add(tx: Transaction, flow: Flow) -> bool:
    """Store a new flow; False, and nothing is stored, when its id is taken."""
    values = {
        "id": flow.id,
        "customer_id": flow.customer_id,
        "owner_id": flow.owner_id,
        "name": flow.name,
        "detail": flow.detail,
        "actions": actions_to_json(flow.actions),
        "digest": flow.digest,
        "on_complete_flow_id": flow.on_complete_flow_id,
        "tm_create": flow.tm_create,
        "tm_delete": flow.tm_delete,
    }
    return await tx.one_or_none(_FLOW_INSERT, values) is not None


async def change(
    tx: Transaction, flow_id: UUID, changes: Mapping[str, Any], now: datetime
) -> Flow | None:
    """Change columns of a flow that is not deleted; None when there is no such flow."""
    statement = (
        update(_FLOWS)
        .where(_FLOWS.c.id == flow_id, _FLOWS.c.tm_delete.is_(None))
        .values(**changes, tm_update=now)
        .returning(_FLOWS)
    )
    row = await tx.one_or_none(statement)
    return None if row is None else to_flow(row)


def columns(change: FlowChange, actions: Sequence[Action] | None) -> Mapping[str, Any]:
    """Return the columns that a change sets, with its actions as they were accepted."""
    stored = None if actions is None else actions_to_json(actions)
    stated = {"name": change.name, "detail": change.detail, "actions": stored}
    changed: dict[str, Any] = {name: value for name, value in stated.items() if value is not None}
    follower = change.on_complete_flow_id
    if follower is not None:
        changed["on_complete_flow_id"] = None if follower == ZERO_ID else follower
    return changed


async def mark_deleted(tx: Transaction, flow_id: UUID, now: datetime) -> Flow | None:
    """Mark a flow deleted; None when it is not there or was deleted before."""
    statement = (
        update(_FLOWS)
        .where(_FLOWS.c.id == flow_id, _FLOWS.c.tm_delete.is_(None))
        .values(tm_update=now, tm_delete=now)
        .returning(_FLOWS)
    )
    row = await tx.one_or_none(statement)
    return None if row is None else to_flow(row)


async def listed(tx: Transaction, customer_id: UUID, request: PageRequest) -> Sequence[RowMapping]:
    """Return a page's rows, newest first, and one more when more exist."""
    statement = select(_FLOWS).where(
        _FLOWS.c.customer_id == customer_id,
        _FLOWS.c.tm_delete.is_(None),
        _FLOWS.c.owner_id.is_(None),
    )
    return await tx.all(page(statement, FlowRow, request))


def to_flow(row: RowMapping) -> Flow:
    """Return the flow of a row."""
    return Flow(
        id=row["id"],
        customer_id=row["customer_id"],
        owner_id=row["owner_id"],
        name=row["name"],
        detail=row["detail"],
        actions=actions_from_json(row["actions"]),
        digest=row["digest"],
        tm_create=row["tm_create"],
        on_complete_flow_id=row["on_complete_flow_id"],
        tm_update=row["tm_update"],
        tm_delete=row["tm_delete"],
    )
