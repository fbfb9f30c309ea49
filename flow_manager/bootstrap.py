"""The only file that constructs things."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from voipbin.flow.v1 import (
    activeflow_service_pb2,
    activeflow_service_pb2_grpc,
    flow_service_pb2,
    flow_service_pb2_grpc,
)

from flow_manager.action.registry import ACTION_TYPES
from flow_manager.activeflow.rpc import ActiveflowRpc
from flow_manager.activeflow.service import ActiveflowService
from flow_manager.flow.rpc import FlowRpc
from flow_manager.flow.service import FlowService
from flow_manager.settings import FlowSettings
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
    flows = FlowRpc(FlowService(database, ACTION_TYPES, clock))
    activeflows = ActiveflowRpc(ActiveflowService(database, ACTION_TYPES, clock))
    return Node(
        settings,
        name=NAME,
        servicers=[
            (
                flow_service_pb2_grpc.add_FlowServiceServicer_to_server,
                flows,
                flow_service_pb2.DESCRIPTOR,
            ),
            (
                activeflow_service_pb2_grpc.add_ActiveflowServiceServicer_to_server,
                activeflows,
                activeflow_service_pb2.DESCRIPTOR,
            ),
        ],
        owns=[database],
    )
