"""Every environment variable of route_manager (`VBMESH_<FIELD>`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from mesh.settings import MeshSettings, SettingsMistake

FQDN_MAX: Final = 253

_FQDN: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE
)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class RouteSettings(MeshSettings):
    """What route_manager can be told."""

    call_manager_address: str = Field(
        description="call_manager's gRPC address: `host:port`, or any gRPC target (`dns:///…`)."
    )
    flow_manager_address: str = Field(
        description="flow_manager's gRPC address: `host:port`, or any gRPC target (`dns:///…`)."
    )
    sealing_keys_file: Path | None = Field(
        default=None,
        description="The file of the keys that providers' secrets are sealed with; without it one"
        " in the data directory, which the first start makes. Back it up: without it the secrets"
        " are lost. All replicas on one database need the same.",
    )
    lint_dns_s: float = Field(
        default=1.0,
        gt=0.0,
        le=10.0,
        description="Seconds that the linter of providers waits for the DNS.",
    )
    peer_budget_s: float = Field(
        default=5.0, gt=0.0, le=60.0, description="Seconds that one RPC to a peer may take."
    )
    health_interval_s: float = Field(
        default=30.0,
        ge=0.0,
        le=86_400.0,
        description="Seconds between two health checks of one provider; 0 makes none but those that"
        " administrators ask for.",
    )
    health_timeout_s: float = Field(
        default=5.0,
        ge=0.1,
        le=20.0,
        description="Seconds that a provider has to answer a health check.",
    )
    health_failures: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Failed health checks in a row that make a provider unhealthy.",
    )
    health_successes: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Good health checks in a row that make an unhealthy provider healthy again.",
    )
    health_checks_max: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="Providers that are asked at once. Every provider is asked in time as long as"
        " no more are silent than this times the interval over the timeout. All replicas"
        " together should stay below VBMESH_PROBES_MAX of call_manager.",
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

    public_sip_fqdn: str | None = Field(
        default=None,
        description="The host name under which carriers reach this platform's SIP; needed to set"
        " up providers at their carriers.",
    )
    public_sip_port: int = Field(
        default=5060, ge=1, le=65_535, description="The UDP port of that SIP."
    )
    telnyx_base_url: str = Field(
        default="https://api.telnyx.com/v2",
        description="Where Telnyx's API v2 is; http and loopback only in lab mode.",
    )
    carrier_request_s: float = Field(
        default=5.0,
        gt=0.0,
        le=30.0,
        description="Seconds that one request to a carrier's API may take.",
    )
    carrier_setup_s: float = Field(
        default=20.0,
        gt=0.0,
        le=300.0,
        description="Seconds that the steps of setting up a provider may take together.",
    )

    @field_validator("public_sip_fqdn")
    @classmethod
    def _check_public_sip_fqdn(cls, value: str | None) -> str | None:
        if value is not None and (len(value) > FQDN_MAX or not _FQDN.fullmatch(value)):
            raise SettingsMistake("is no full host name; write for example sip.example.com")
        return value

    @model_validator(mode="after")
    def _keep_keys_from_strangers(self) -> Self:
        """Refuse an address to which an account's key should not be sent."""
        if not is_api_url(self.telnyx_base_url, lab=self.lab):
            raise SettingsMistake(
                "VBMESH_TELNYX_BASE_URL must be an https URL of a host name, without credentials,"
                " query and fragment; loopback is for lab mode"
            )
        return self

    @model_validator(mode="after")
    def _leave_room_for_questions(self) -> Self:
        # Per place: the request that waits, a saga whose request went away, and the question
        # where to dial of either.
        if 4 * self.providercalls_max > self.rpc_concurrency_max:
            raise SettingsMistake(
                "VBMESH_PROVIDERCALLS_MAX must be at most a quarter of VBMESH_RPC_CONCURRENCY_MAX"
            )
        return self


def is_api_url(url: str, *, lab: bool) -> bool:
    """Tell whether an API may be asked there: https and a host name, or loopback in lab mode."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.username is not None or parts.query or parts.fragment:
        return False
    if host in _LOOPBACK:
        return lab and parts.scheme in ("http", "https")
    return parts.scheme == "https" and _FQDN.fullmatch(host) is not None
