"""What the public door can be told through its environment."""

from __future__ import annotations

from pydantic import Field, field_validator

from mesh.settings import MeshSettings, SettingsMistake, check_address


class GatewaySettings(MeshSettings):
    """The settings every node has, and those of the public door."""

    grpc_listen: str = Field(
        default="127.0.0.1:50051",
        description="The `host:port` the gRPC server listens on. Not port 0: REST asks the public"
        " door's own RPCs, signing in among them, at this address.",
    )
    http_listen: str = Field(
        default="127.0.0.1:8080", description="The `host:port` that serves REST."
    )
    route_manager_address: str = Field(
        description="route_manager's gRPC address: `host:port`, or any gRPC target (`dns:///…`)."
    )
    call_manager_address: str = Field(
        description="call_manager's gRPC address: `host:port`, or any gRPC target (`dns:///…`)."
    )
    flow_manager_address: str = Field(
        description="flow_manager's gRPC address: `host:port`, or any gRPC target (`dns:///…`)."
    )
    request_deadline_s: float = Field(
        default=10.0, gt=0.0, le=60.0, description="The longest a REST request may take, seconds."
    )
    http_concurrency_max: int = Field(
        default=512, ge=1, le=10_000, description="REST connections served at once; more get 503."
    )

    @field_validator("grpc_listen")
    @classmethod
    def _check_own_port(cls, value: str) -> str:
        if value.rpartition(":")[2].strip("0") == "":
            raise SettingsMistake("is a port that the door could not find itself at")
        return value

    @field_validator("http_listen")
    @classmethod
    def _check_http_listen(cls, value: str) -> str:
        return check_address(value)
