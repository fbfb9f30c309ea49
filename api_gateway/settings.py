"""What the public door can be told through its environment."""

from __future__ import annotations

from pydantic import Field, field_validator

from api_gateway.door.limits import UNLIMITED, Rates
from api_gateway.door.origin import networks
from mesh.ratelimit import Rate
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
    public_grpc_listen: str = Field(
        default="127.0.0.1:50050",
        description="The `host:port` that serves the public RPCs over gRPC.",
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
    download_deadline_s: float = Field(
        default=60.0, gt=0.0, le=600.0, description="The longest a download may take, in seconds."
    )
    http_concurrency_max: int = Field(
        default=512,
        ge=1,
        le=10_000,
        description="REST connections served at once, and public gRPC requests; more are refused.",
    )

    limit_address_per_s: float = Field(
        default=200.0,
        description="Requests a second of one client address; 0 or less: no limit. In lab mode"
        " there is none unless it is set, and so for every limit.",
    )
    limit_address_burst: int = Field(
        default=400, description="Requests of one client address at once."
    )
    limit_auth_per_s: float = Field(
        default=10.0, description="Requests a second of one client address at `/auth/`."
    )
    limit_auth_burst: int = Field(
        default=20, description="Requests of one client address at `/auth/` at once."
    )
    limit_customer_per_s: float = Field(
        default=16.7, description="Requests a second of a customer's agents and keys together."
    )
    limit_customer_burst: int = Field(
        default=33, description="Requests of a customer's agents and keys at once."
    )
    limit_delegated_per_s: float = Field(
        default=8.3, description="Requests a second of those who act for a customer."
    )
    limit_delegated_burst: int = Field(
        default=16, description="Requests of those who act for a customer at once."
    )
    trusted_proxies: str = Field(
        default="",
        description="The addresses or networks of our own proxies, comma-separated; they alone are"
        " believed when they name the client's address.",
    )
    client_address_header: str = Field(
        default="x-forwarded-for",
        pattern="^(x-forwarded-for|forwarded)$",
        description="The header in which they name it, `x-forwarded-for` or `forwarded`.",
    )

    signing_key_days: int = Field(
        default=30,
        ge=1,
        le=365,
        description="After how many days tokens are signed with a new key; the older one is read"
        " until its last token has expired.",
    )

    def rates(self) -> Rates:
        """Return the limits; in lab mode only those that were set by name."""
        return Rates(
            address=self._rate("address"),
            signing_in=self._rate("auth"),
            customer=self._rate("customer"),
            delegated=self._rate("delegated"),
        )

    def _rate(self, name: str) -> Rate:
        fields = (f"limit_{name}_per_s", f"limit_{name}_burst")
        if self.lab and not self.model_fields_set.intersection(fields):
            return UNLIMITED
        return Rate(getattr(self, fields[0]), getattr(self, fields[1]))

    @field_validator("trusted_proxies")
    @classmethod
    def _check_trusted_proxies(cls, value: str) -> str:
        try:
            networks(value)
        except ValueError:
            raise SettingsMistake("is no list of addresses or networks") from None
        return value

    @field_validator("grpc_listen")
    @classmethod
    def _check_own_port(cls, value: str) -> str:
        if value.rpartition(":")[2].strip("0") == "":
            raise SettingsMistake("is a port that the door could not find itself at")
        return value

    @field_validator("http_listen", "public_grpc_listen")
    @classmethod
    def _check_public_listen(cls, value: str) -> str:
        return check_address(value)
