"""Tells the log how far a running flow is."""

from __future__ import annotations

import structlog

from flow_manager.activeflow.domain import STEPS_MAX, Activeflow
from flow_manager.activeflow.walk import RAN_IN_A_CIRCLE

log = structlog.get_logger()


def log_progress(activeflow: Activeflow) -> None:
    """Log how far a running flow is."""
    facts = {"activeflow_id": str(activeflow.id), "flow_id": str(activeflow.flow_id)}
    current = activeflow.current
    if current is not None:
        action_id = str(current.action.id)
        log.info("action handed out", action_id=action_id, action=current.action.type, **facts)
    elif _ran_in_a_circle(activeflow):
        steps = activeflow.step_count
        log.warning("activeflow ended: it runs in a circle", steps=steps, **facts)
    else:
        log.info("activeflow ended", steps=activeflow.step_count, **facts)
    if activeflow.on_complete_skipped:
        log.warning(
            "what was to follow did not run", reason=activeflow.on_complete_skipped, **facts
        )


def _ran_in_a_circle(activeflow: Activeflow) -> bool:
    last = activeflow.steps[-1].error if activeflow.steps else ""
    return activeflow.step_count >= STEPS_MAX or last == RAN_IN_A_CIRCLE
