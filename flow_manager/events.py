"""Events of this service: what became of flows and of running flows, and what they tell."""

from __future__ import annotations

from typing import Final

from flow_manager.tables import Table
from mesh.outbox import Outbox

FLOW: Final = "flow"
"""The resource type of flows' events: `flow_created`, `flow_updated`, `flow_deleted`."""

ACTIVEFLOW: Final = "activeflow"
"""The resource type of running flows' events: `activeflow_created`, `…_updated`, `…_deleted`."""

OUTBOX: Final = Outbox(Table.metadata)
"""The events of this service."""
