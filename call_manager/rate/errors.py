"""Why a rate is refused; reasons of `voipbin.call.v1.ErrorReason`."""

from __future__ import annotations

from uuid import UUID

from grpc import StatusCode

from call_manager.billing.rates import EVERY_PROVIDER
from mesh.errors import MeshError


class RateNotFound(MeshError):
    """No such rate, or it is deleted."""

    code, reason = StatusCode.NOT_FOUND, "RATE_NOT_FOUND"

    def __init__(self, rate_id: UUID) -> None:
        super().__init__(f"No rate has the id {rate_id}.", rate_id=str(rate_id))


class NoRateFits(RateNotFound):
    """No rate fits a number."""

    def __init__(self, destination: str) -> None:
        MeshError.__init__(self, f"No rate fits {destination}.", destination=destination)


class RateExists(MeshError):
    """The provider has a rate of this prefix; without a provider: there is one for everybody."""

    code, reason = StatusCode.ALREADY_EXISTS, "RATE_EXISTS"

    def __init__(self, provider_id: UUID, prefix: str) -> None:
        whose = "every provider" if provider_id == EVERY_PROVIDER else "that provider"
        shown = f"+{prefix}" if prefix else ""
        super().__init__(f"There is a rate of {whose} for {shown or 'all numbers'}.", prefix=shown)
