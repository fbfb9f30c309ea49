"""Every environment variable of route_manager (`VBMESH_<FIELD>`)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from mesh.settings import MeshSettings, SettingsMistake


class RouteSettings(MeshSettings):
    """What route_manager can be told."""

    call_manager_address: str = Field(
        description="call_manager's gRPC address: `host:port`, or any gRPC target (`dns:///…`)."
    )
    flow_manager_address: str = Field(
        description="flow_manager's gRPC address: `host:port`, or any gRPC target (`dns:///…`)."
    )
    peer_budget_s: float = Field(
        default=5.0, gt=0.0, le=60.0, description="Seconds that one RPC to a peer may take."
    )
    dial_window_s: float = Field(
        default=30.0,
        gt=0.0,
        le=300.0,
        description="Seconds after its record in which a provider call may still be dialled.",
    )
    providercalls_max: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Provider calls being placed at once; more are refused. At most a quarter of"
        " VBMESH_RPC_CONCURRENCY_MAX, for placing them causes questions that must be served.",
    )
    providercalls_taken_up_max: int = Field(
        default=16,
        ge=1,
        le=1000,
        description="Pending provider calls of a dead process that are taken up at once.",
    )

    @model_validator(mode="after")
    def _leave_room_for_questions(self) -> Self:
        # Per place: the request that waits, a saga whose request went away, and the question
        # where to dial of either.
        if 4 * self.providercalls_max > self.rpc_concurrency_max:
            raise SettingsMistake(
                "VBMESH_PROVIDERCALLS_MAX must be at most a quarter of VBMESH_RPC_CONCURRENCY_MAX"
            )
        return self
