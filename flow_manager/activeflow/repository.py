"""All SQL over running flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, update

from flow_manager.action.convert import actions_from_json, actions_to_json
from flow_manager.action.domain import Action
from flow_manager.activeflow.domain import (
    STEPS_MAX,
    Activeflow,
    ActiveflowFilter,
    ActiveflowStatus,
    ReferenceType,
    Step,
)
from flow_manager.activeflow.models import ActiveflowCountRow, ActiveflowRow, ActiveflowStepRow
from flow_manager.activeflow.state import (
    before_from_json,
    frames_from_json,
    frames_to_json,
    loops_from_json,
    state_to_json,
)
from mesh.database import Transaction, insert_if_absent
from mesh.pagination import Cursor, PageRequest, page
from mesh.places import Places

LISTED_STEPS_MAX: Final = 2 * STEPS_MAX
"""From this many steps on a page takes no further running flow."""

PLACES: Final = Places(ActiveflowCountRow.__table__, "running")  # type: ignore[attr-defined]
"""The customers' flows that flow_manager runs itself at the moment."""

_ACTIVEFLOWS: Final = ActiveflowRow.__table__  # type: ignore[attr-defined]
_STEPS: Final = ActiveflowStepRow.__table__  # type: ignore[attr-defined]

# A list shows what ran, and not what is yet to run: whole flows may be in the frames.
_LISTED: Final = [column for column in _ACTIVEFLOWS.c if column.name != "frames"]

_ACTIVEFLOW_INSERT: Final = insert_if_absent(_ACTIVEFLOWS, "id").returning(_ACTIVEFLOWS.c.id)
_STEP_INSERT: Final = insert(_STEPS)


async def get(
    tx: Transaction, activeflow_id: UUID, *, hold: bool = False, newest: int = STEPS_MAX
) -> Activeflow | None:
    """Return the running flow with the newest of its steps, or None.

    To `hold` it keeps everybody else from moving it until the transaction's end.
    """
    statement = select(_ACTIVEFLOWS).where(_ACTIVEFLOWS.c.id == activeflow_id)
    # SQLite has one writer at a time, and no words for this.
    row = await tx.one_or_none(statement.with_for_update() if hold else statement)
    if row is None:
        return None
    steps = await tx.all(
        select(_STEPS)
        .where(_STEPS.c.activeflow_id == activeflow_id)
        .order_by(_STEPS.c.number.desc())
        .limit(newest)
    )
    return _activeflow(row, steps[::-1])


async def listed(
    tx: Transaction, wanted: ActiveflowFilter, request: PageRequest
) -> tuple[Sequence[Activeflow], str]:
    """Return a page, newest first, and the token of the next; a page of long ones is shorter."""
    statement = select(*_LISTED).where(
        _ACTIVEFLOWS.c.customer_id == wanted.customer_id, _ACTIVEFLOWS.c.tm_delete.is_(None)
    )
    if wanted.status is not None:
        statement = statement.where(_ACTIVEFLOWS.c.status == wanted.status.value)
    if wanted.flow_id is not None:
        statement = statement.where(_ACTIVEFLOWS.c.flow_id == wanted.flow_id)
    if wanted.reference_id is not None:
        statement = statement.where(_ACTIVEFLOWS.c.reference_id == wanted.reference_id)
    found = await tx.all(page(statement, ActiveflowRow, request))
    rows, token = _cut(*request.split(found), request)
    steps = await tx.all(
        select(_STEPS)
        .where(_STEPS.c.activeflow_id.in_([row["id"] for row in rows]))
        .order_by(_STEPS.c.activeflow_id, _STEPS.c.number)
        .limit(LISTED_STEPS_MAX + STEPS_MAX)
    )
    by_id: dict[UUID, list[RowMapping]] = {row["id"]: [] for row in rows}
    for step in steps:
        by_id[step["activeflow_id"]].append(step)
    return [_activeflow(row, by_id[row["id"]]) for row in rows], token


async def due(tx: Transaction, now: datetime, most: int) -> Sequence[tuple[UUID, str]]:
    """Return those we run ourselves whose time has come, oldest first: id and traceparent."""
    rows = await tx.all(
        select(_ACTIVEFLOWS.c.id, _ACTIVEFLOWS.c.traceparent)
        .where(_ACTIVEFLOWS.c.tm_due <= now)
        .order_by(_ACTIVEFLOWS.c.tm_due)
        .limit(most)
    )
    return [(row["id"], row["traceparent"] or "") for row in rows]


async def next_due(tx: Transaction) -> datetime | None:
    """Return when the next one's time comes; None when none is waiting."""
    rows = await tx.all(
        select(_ACTIVEFLOWS.c.tm_due)
        .where(_ACTIVEFLOWS.c.tm_due.is_not(None))
        .order_by(_ACTIVEFLOWS.c.tm_due)
        .limit(1)
    )
    return rows[0]["tm_due"] if rows else None


async def add(tx: Transaction, activeflow: Activeflow, due: datetime | None = None) -> bool:
    """Store a new running flow with its first step; False, and nothing, when its id is taken."""
    values = {
        "id": activeflow.id,
        "customer_id": activeflow.customer_id,
        "flow_id": activeflow.flow_id,
        "reference_type": activeflow.reference_type.value,
        "reference_id": activeflow.reference_id,
        "actions": actions_to_json(activeflow.actions),
        "status": activeflow.status.value,
        "step_count": activeflow.step_count,
        "on_complete_flow_id": activeflow.on_complete_flow_id,
        "reference_activeflow_id": activeflow.reference_activeflow_id,
        "complete_count": activeflow.complete_count,
        "variables": dict(activeflow.variables) or None,
        "frames": frames_to_json(activeflow.frames),
        "state": state_to_json(activeflow),
        "traceparent": activeflow.traceparent or None,
        "tm_create": activeflow.tm_create,
        "tm_due": due,
    }
    if await tx.one_or_none(_ACTIVEFLOW_INSERT, values) is None:
        return False
    await _add_steps(tx, activeflow, 0)
    return True


async def move(
    tx: Transaction, before: Activeflow, after: Activeflow, due: datetime | None = None
) -> bool:
    """Store how a running flow moved on; False when another question moved it first."""
    changed: dict[str, Any] = {}
    if after.variables != before.variables:
        changed["variables"] = dict(after.variables) or None
    # Whole flows are in them, and most moves stay in the flow they are in.
    if after.frames != before.frames:
        changed["frames"] = frames_to_json(after.frames)
    moved = await tx.run(
        update(_ACTIVEFLOWS)
        .where(
            _ACTIVEFLOWS.c.id == before.id,
            _ACTIVEFLOWS.c.status == before.status.value,
            _ACTIVEFLOWS.c.step_count == before.step_count,
        )
        .values(
            **changed,
            state=state_to_json(after),
            status=after.status.value,
            step_count=after.step_count,
            tm_update=after.tm_update,
            tm_due=due,
        )
    )
    if moved:
        await _keep_error(tx, before, after)
        await _add_steps(tx, after, len(before.steps))
    return moved == 1


async def keep_skipped(tx: Transaction, activeflow_id: UUID, reason: str) -> None:
    """Store why the flow that was to follow did not run."""
    await tx.run(
        update(_ACTIVEFLOWS)
        .where(_ACTIVEFLOWS.c.id == activeflow_id)
        .values(on_complete_skipped=reason)
    )


async def mark_deleted(tx: Transaction, activeflow_id: UUID, now: datetime) -> bool:
    """Mark a running flow deleted; False when it was before."""
    marked = await tx.run(
        update(_ACTIVEFLOWS)
        .where(_ACTIVEFLOWS.c.id == activeflow_id, _ACTIVEFLOWS.c.tm_delete.is_(None))
        .values(tm_delete=now, tm_update=now)
    )
    return marked == 1


async def _keep_error(tx: Transaction, before: Activeflow, after: Activeflow) -> None:
    """Store what became of the step that a running flow waited for, if it failed."""
    if before.steps and (error := after.steps[len(before.steps) - 1].error):
        await tx.run(
            update(_STEPS)
            .where(_STEPS.c.activeflow_id == after.id, _STEPS.c.number == before.step_count)
            .values(error=error)
        )


async def _add_steps(tx: Transaction, activeflow: Activeflow, known: int) -> None:
    """Store the steps that come after the `known` first of those that were read."""
    written = {action.id: action for action in activeflow.actions}
    values: list[dict[str, Any]] = [
        {
            "activeflow_id": activeflow.id,
            "number": number,
            "action_id": step.action.id,
            "action": (
                None
                if written.get(step.action.id) == step.action
                else actions_to_json([step.action])[0]
            ),
            "error": step.error,
            "tm_execute": step.tm_execute,
        }
        for number, step in enumerate(
            activeflow.steps[known:], start=activeflow.earlier + known + 1
        )
    ]
    if values:
        await tx.run(_STEP_INSERT, values)


def _cut(
    rows: Sequence[RowMapping], token: str, request: PageRequest
) -> tuple[Sequence[RowMapping], str]:
    # A hundred running flows of a thousand steps would be read for one message of 1 MiB.
    steps = 0
    for at, row in enumerate(rows):
        if steps >= LISTED_STEPS_MAX:
            last = rows[at - 1]
            return rows[:at], request.token(Cursor(last["tm_create"], last["id"]))
        steps += row["step_count"]
    return rows, token


def _activeflow(row: RowMapping, stored_steps: Sequence[RowMapping]) -> Activeflow:
    actions = actions_from_json(row["actions"])
    by_id = {action.id: action for action in actions}
    steps = tuple(_step(step, by_id) for step in stored_steps)
    earlier = row["step_count"] - len(steps)
    return Activeflow(
        id=row["id"],
        customer_id=row["customer_id"],
        flow_id=row["flow_id"],
        reference_type=ReferenceType(row["reference_type"]),
        reference_id=row["reference_id"],
        tm_create=row["tm_create"],
        tm_update=row["tm_update"],
        actions=actions,
        on_complete_flow_id=row["on_complete_flow_id"],
        on_complete_skipped=row["on_complete_skipped"],
        reference_activeflow_id=row["reference_activeflow_id"],
        complete_count=row["complete_count"],
        status=ActiveflowStatus(row["status"]),
        steps=steps,
        earlier=earlier,
        before=before_from_json(row["state"], steps, earlier),
        frames=frames_from_json(row.get("frames")),
        loops=loops_from_json(row["state"]),
        variables=row["variables"] or {},
        traceparent=row["traceparent"] or "",
        tm_delete=row["tm_delete"],
    )


def _step(row: RowMapping, written: Mapping[UUID, Action]) -> Step:
    if row["action"] is None:
        action = written[row["action_id"]]
    else:
        (action,) = actions_from_json([row["action"]])
    return Step(action, row["tm_execute"], row["error"], is_resolved=row["action"] is not None)
