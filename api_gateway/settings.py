"""What the public door can be told through its environment."""

from __future__ import annotations

from pydantic import Field, field_validator

from mesh.settings import MeshSettings, check_address


class GatewaySettings(MeshSettings):
    """The settings every node has, and those of the public door."""

    http_listen: str = Field(
        default="127.0.0.1:8080", description="The `host:port` that serves REST."
    )
    route_manager_address: str = Field(
        description="The `host:port` of route_manager's gRPC server."
    )
    call_manager_address: str = Field(description="The `host:port` of call_manager's gRPC server.")
    flow_manager_address: str = Field(description="The `host:port` of flow_manager's gRPC server.")
    request_deadline_s: float = Field(
        default=10.0, gt=0.0, le=60.0, description="The longest a REST request may take, seconds."
    )
    http_concurrency_max: int = Field(
        default=512, ge=1, le=10_000, description="REST connections served at once; more get 503."
    )

    @field_validator(
        "http_listen", "route_manager_address", "call_manager_address", "flow_manager_address"
    )
    @classmethod
    def _check_own_address(cls, value: str) -> str:
        return check_address(value)
