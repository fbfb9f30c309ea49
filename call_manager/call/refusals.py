"""Why a destination may not be called although a carrier would take it."""

from __future__ import annotations

from grpc import StatusCode

from call_manager.errors import Refusal


class NumberTypeNotAllowed(Refusal):
    """The number is of a type that is blocked unless the customer's configuration allows it."""

    code, reason = StatusCode.PERMISSION_DENIED, "NUMBER_TYPE_NOT_ALLOWED"

    def __init__(self, index: int, kind: str) -> None:
        super().__init__(
            f"Destination {index} is a number of the type {kind}, which the customer may not call;"
            f" add {kind} to allowed_number_types of its outbound configuration.",
            field=f"destinations[{index}].target",
            index=str(index),
            type=kind,
        )


class ProviderHostNotAllowed(Refusal):
    """A SIP address at a carrier's own host would be called at the platform's expense."""

    code, reason = StatusCode.PERMISSION_DENIED, "PROVIDER_HOST_NOT_ALLOWED"

    def __init__(self, index: int) -> None:
        super().__init__(
            f"Destination {index} is an address at a carrier's own host; give the number itself"
            " as a tel destination.",
            field=f"destinations[{index}].target",
            index=str(index),
        )
