"""The only file that constructs things."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from voipbin.flow.v1 import (
    activeflow_service_pb2,
    activeflow_service_pb2_grpc,
    flow_service_pb2,
    flow_service_pb2_grpc,
    timeline_service_pb2,
    timeline_service_pb2_grpc,
)

from flow_manager.action.registry import ACTION_TYPES
from flow_manager.activeflow.rpc import ActiveflowRpc
from flow_manager.activeflow.runner import ActiveflowRunner
from flow_manager.activeflow.service import ActiveflowService
from flow_manager.flow.rpc import FlowRpc
from flow_manager.flow.service import FlowService
from flow_manager.settings import FlowSettings
from flow_manager.timeline.rpc import TimelineRpc
from flow_manager.timeline.service import TimelineService
from mesh.clock import SystemClock
from mesh.database import Database
from mesh.node import Node

NAME: Final = "flow_manager"
"""The service's name: its peer name, and its database's."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"
"""The folder of the schema's revisions."""


def build(settings: FlowSettings) -> Node:
    """Construct the service."""
    clock = SystemClock()
    database = Database(settings.database_url_for(NAME), migrations=MIGRATIONS)
    flows = FlowService(database, ACTION_TYPES, clock)
    runner = ActiveflowRunner(database, flows, ACTION_TYPES, clock)
    activeflows = ActiveflowService(database, flows, runner, ACTION_TYPES, clock)
    return Node(
        settings,
        name=NAME,
        package="voipbin.flow.v1",
        servicers=[
            (
                flow_service_pb2_grpc.add_FlowServiceServicer_to_server,
                FlowRpc(flows),
                flow_service_pb2.DESCRIPTOR,
            ),
            (
                activeflow_service_pb2_grpc.add_ActiveflowServiceServicer_to_server,
                ActiveflowRpc(activeflows),
                activeflow_service_pb2.DESCRIPTOR,
            ),
            (
                timeline_service_pb2_grpc.add_TimelineServiceServicer_to_server,
                TimelineRpc(TimelineService(database, flows, activeflows)),
                timeline_service_pb2.DESCRIPTOR,
            ),
        ],
        # The runner starts last and stops first: it needs the database.
        owns=[database, runner],
    )
