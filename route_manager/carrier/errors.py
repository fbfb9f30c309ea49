"""Why a setup or a teardown is refused or fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError


class CarrierUnsupported(MeshError):
    """Nobody taught us that carrier's API."""

    code, reason = StatusCode.INVALID_ARGUMENT, "CARRIER_UNSUPPORTED"

    def __init__(self, carrier: str, supported: Iterable[str]) -> None:
        names = ", ".join(sorted(supported))
        super().__init__(
            f"This carrier is not supported; supported are: {names}.",
            field="carrier",
            carrier=carrier,
            supported=names,
        )


class PublicSipAddressMissing(MeshError):
    """The carrier has to be told where the platform's SIP is, and the platform does not know."""

    code, reason = StatusCode.FAILED_PRECONDITION, "PUBLIC_SIP_ADDRESS_MISSING"

    def __init__(self, setting: str) -> None:
        super().__init__(
            f"The platform's public SIP address is not configured: set {setting}.", setting=setting
        )


class CarrierTrouble(MeshError):
    """The carrier did not do what it was asked; the facts say at which step, and what is left."""

    def __init__(
        self, message: str, facts: Mapping[str, str], retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.metadata = facts


class CarrierCredentialsRejected(CarrierTrouble):
    """The carrier does not know the key, or it lacks permissions there."""

    code, reason = StatusCode.INVALID_ARGUMENT, "CARRIER_CREDENTIALS_REJECTED"


class CarrierRequestRefused(CarrierTrouble):
    """The carrier understood and refuses; its words say why."""

    code, reason = StatusCode.FAILED_PRECONDITION, "CARRIER_REQUEST_REFUSED"


class CarrierError(CarrierTrouble):
    """The carrier failed, or its answer makes no sense."""

    code, reason = StatusCode.UNAVAILABLE, "CARRIER_ERROR"


class CarrierUnavailable(CarrierTrouble):
    """The carrier cannot be reached, or asks for patience."""

    code, reason = StatusCode.UNAVAILABLE, "CARRIER_UNAVAILABLE"


class CarrierTimeout(CarrierTrouble):
    """The carrier did not answer in time."""

    code, reason = StatusCode.DEADLINE_EXCEEDED, "CARRIER_TIMEOUT"


class ProviderSetupPending(MeshError):
    """The request's time is over; the setup goes on."""

    code, reason = StatusCode.DEADLINE_EXCEEDED, "PROVIDER_SETUP_PENDING"

    def __init__(self, setup_id: UUID) -> None:
        super().__init__("The setup is under way, but not at its end yet.", setup_id=str(setup_id))


class ProviderSetupNotFound(MeshError):
    """No setup has that id."""

    code, reason = StatusCode.NOT_FOUND, "PROVIDER_SETUP_NOT_FOUND"

    def __init__(self, setup_id: UUID) -> None:
        super().__init__(f"No setup has the id {setup_id}.", setup_id=str(setup_id))


class ProviderTeardownRefused(MeshError):
    """What is to be torn down is in use, or never was set up."""

    code, reason = StatusCode.FAILED_PRECONDITION, "PROVIDER_TEARDOWN_REFUSED"
