"""What a carrier's failure means to the one who asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mesh.errors import MeshError, ServiceUnavailable
from route_manager.carrier.domain import CarrierFailure, CarrierObject, Trouble
from route_manager.carrier.errors import (
    CarrierCredentialsRejected,
    CarrierError,
    CarrierRequestRefused,
    CarrierTimeout,
    CarrierTrouble,
    CarrierUnavailable,
)

_ERRORS: Final[Mapping[Trouble, type[CarrierTrouble]]] = {
    Trouble.REJECTED: CarrierCredentialsRejected,
    Trouble.REFUSED: CarrierRequestRefused,
    Trouble.ERROR: CarrierError,
    Trouble.UNAVAILABLE: CarrierUnavailable,
    Trouble.TIMEOUT: CarrierTimeout,
}
_RETRY_AFTER_S: Final = 5.0
"""When to ask again where the carrier did not say."""


def told(
    failure: CarrierFailure,
    carrier: str,
    step: str,
    leftovers: Sequence[CarrierObject],
    **ids: str,
) -> MeshError:
    """Return the error that tells of a failure: at which step, why, and what is left there."""
    message = f"{carrier} failed at the step {step}: {failure.words}"
    facts = {"carrier": carrier, "step": step, **ids}
    if failure.http_status:
        facts["carrier_status"] = str(failure.http_status)
    if failure.carrier_code:
        facts["carrier_code"] = failure.carrier_code
    if leftovers:
        facts["leftovers"] = "; ".join(str(one) for one in leftovers)
        message = f"{message} Left at the carrier: {facts['leftovers']}."
    retry_after_s = failure.retry_after_s
    if failure.trouble is Trouble.UNAVAILABLE and retry_after_s is None:
        retry_after_s = _RETRY_AFTER_S
    return _ERRORS[failure.trouble](message, facts, retry_after_s)


def broken_off() -> MeshError:
    """Return why a setup ended that nobody refused: the service was told to end, or broke."""
    return ServiceUnavailable("The service ended while the setup was under way.")
