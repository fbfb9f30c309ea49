"""All SQL over running flows."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import insert, select, update

from flow_manager.action.convert import actions_from_json, actions_to_json
from flow_manager.activeflow.domain import (
    STEPS_MAX,
    Activeflow,
    ActiveflowStatus,
    ReferenceType,
    Step,
)
from flow_manager.activeflow.models import ActiveflowRow, ActiveflowStepRow
from mesh.database import Transaction, insert_if_absent

_ACTIVEFLOWS: Final = ActiveflowRow.__table__  # type: ignore[attr-defined]
_STEPS: Final = ActiveflowStepRow.__table__  # type: ignore[attr-defined]

_ACTIVEFLOW_INSERT: Final = insert_if_absent(_ACTIVEFLOWS, "id").returning(_ACTIVEFLOWS.c.id)


async def get(tx: Transaction, activeflow_id: UUID) -> Activeflow | None:
    """Return the running flow with its steps, or None."""
    row = await tx.one_or_none(select(_ACTIVEFLOWS).where(_ACTIVEFLOWS.c.id == activeflow_id))
    if row is None:
        return None
    actions = actions_from_json(row["actions"])
    by_id = {action.id: action for action in actions}
    steps = await tx.all(
        select(_STEPS.c.action_id, _STEPS.c.tm_execute)
        .where(_STEPS.c.activeflow_id == activeflow_id)
        .order_by(_STEPS.c.number)
        .limit(STEPS_MAX)
    )
    return Activeflow(
        id=row["id"],
        customer_id=row["customer_id"],
        flow_id=row["flow_id"],
        reference_type=ReferenceType(row["reference_type"]),
        reference_id=row["reference_id"],
        actions=actions,
        tm_create=row["tm_create"],
        tm_update=row["tm_update"],
        status=ActiveflowStatus(row["status"]),
        steps=tuple(Step(by_id[step["action_id"]], step["tm_execute"]) for step in steps),
    )


async def add(tx: Transaction, activeflow: Activeflow) -> bool:
    """Store a new running flow with its first step; False, and nothing, when its id is taken."""
    values = {
        "id": activeflow.id,
        "customer_id": activeflow.customer_id,
        "flow_id": activeflow.flow_id,
        "reference_type": activeflow.reference_type.value,
        "reference_id": activeflow.reference_id,
        "actions": actions_to_json(activeflow.actions),
        "status": activeflow.status.value,
        "step_count": len(activeflow.steps),
        "tm_create": activeflow.tm_create,
    }
    if await tx.one_or_none(_ACTIVEFLOW_INSERT, values) is None:
        return False
    await _add_steps(tx, activeflow, 0)
    return True


async def move(tx: Transaction, before: Activeflow, after: Activeflow) -> bool:
    """Store how a running flow moved on; False when another question moved it first."""
    moved = await tx.run(
        update(_ACTIVEFLOWS)
        .where(
            _ACTIVEFLOWS.c.id == before.id,
            _ACTIVEFLOWS.c.status == before.status.value,
            _ACTIVEFLOWS.c.step_count == len(before.steps),
        )
        .values(
            status=after.status.value,
            step_count=len(after.steps),
            tm_update=after.tm_update,
        )
    )
    if moved:
        await _add_steps(tx, after, len(before.steps))
    return moved == 1


async def _add_steps(tx: Transaction, activeflow: Activeflow, stored: int) -> None:
    for number, step in enumerate(activeflow.steps[stored:], start=stored + 1):
        values = {
            "activeflow_id": activeflow.id,
            "number": number,
            "action_id": step.action.id,
            "tm_execute": step.tm_execute,
        }
        await tx.run(insert(_STEPS).values(values))
