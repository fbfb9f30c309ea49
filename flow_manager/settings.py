"""What flow_manager can be told through its environment."""

from __future__ import annotations

from mesh.settings import MeshSettings


class FlowSettings(MeshSettings):
    """The settings every node has; flow_manager asks no peer and needs no others."""
