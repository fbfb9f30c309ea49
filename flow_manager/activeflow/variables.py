"""The variables that flow_manager itself knows of a running flow. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from flow_manager.activeflow.domain import Activeflow
from mesh.clock import ZERO_ID


def own_variables(activeflow: Activeflow) -> Mapping[str, str]:
    """Return what flow_manager itself knows (CONTRACT.md section 2.7).

    Those of the call come with the call's first question, and with what its actions find out.
    """
    return {
        "voipbin.activeflow.id": str(activeflow.id),
        "voipbin.activeflow.flow_id": str(activeflow.flow_id),
        "voipbin.activeflow.reference_type": activeflow.reference_type.value,
        "voipbin.activeflow.reference_id": str(activeflow.reference_id),
        "voipbin.activeflow.reference_activeflow_id": str(
            activeflow.reference_activeflow_id or ZERO_ID
        ),
        "voipbin.activeflow.complete_count": str(activeflow.complete_count),
    }
