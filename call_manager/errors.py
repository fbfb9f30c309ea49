"""Why call_manager refuses; the reasons are those of `voipbin.call.v1.ErrorReason`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError
from mesh.verdict import Retold, Verdict


class CallNotFound(MeshError):
    """No such call, or it is another customer's."""

    code, reason = StatusCode.NOT_FOUND, "CALL_NOT_FOUND"

    def __init__(self, call_id: UUID) -> None:
        super().__init__(f"No call has the id {call_id}.", call_id=str(call_id))


class StateInvalid(MeshError):
    """The call's state does not allow what was asked."""

    code, reason = StatusCode.FAILED_PRECONDITION, "STATE_INVALID"

    def __init__(self, call_id: UUID) -> None:
        super().__init__(f"The call {call_id} is deleted.", call_id=str(call_id))


class TraceNotFound(MeshError):
    """No SIP message of the call was ever sent or received."""

    code, reason = StatusCode.NOT_FOUND, "TRACE_NOT_FOUND"

    def __init__(self, call_id: UUID) -> None:
        super().__init__(
            f"No SIP message of the call {call_id} was ever sent or received.",
            call_id=str(call_id),
        )


class DialWindowPassed(MeshError):
    """A creation came after its own `dial_not_after`."""

    code, reason = StatusCode.FAILED_PRECONDITION, "DIAL_WINDOW_PASSED"

    def __init__(self, dial_not_after: datetime) -> None:
        moment = dial_not_after.isoformat(timespec="microseconds").replace("+00:00", "Z")
        super().__init__(
            f"Nothing may be dialled after {moment}, which is over.", dial_not_after=moment
        )


class CallsVoided(MeshError):
    """The creation was voided before it came."""

    code, reason = StatusCode.FAILED_PRECONDITION, "CALLS_VOIDED"

    def __init__(self, creation_id: UUID) -> None:
        super().__init__(f"The creation {creation_id} was voided.", id=str(creation_id))


class CreationIdReused(MeshError):
    """A creation's id, or one of its calls' ids, came with another request."""

    code, reason = StatusCode.FAILED_PRECONDITION, "CREATION_ID_REUSED"

    def __init__(self, creation_id: UUID) -> None:
        super().__init__(
            f"The ids of the creation {creation_id} were used for another request.",
            id=str(creation_id),
        )


class CustomerNotActive(MeshError):
    """The customer may place no calls now."""

    code, reason = StatusCode.PERMISSION_DENIED, "CUSTOMER_NOT_ACTIVE"

    def __init__(self, status: str) -> None:
        super().__init__("The customer's account is not active.", status=status or "unknown")


class InvalidVariables(MeshError):
    """Too many variables, too long ones, or one without a name."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_VARIABLES"

    def __init__(self, mistake: str) -> None:
        super().__init__(mistake, field="variables")


class IdempotencyKeyReused(MeshError):
    """The key stands for another request (HTTP 422)."""

    code, reason = StatusCode.INVALID_ARGUMENT, "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        super().__init__(
            "The Idempotency-Key came with another request before.", field="idempotency_key"
        )


class _Unsettled(MeshError):
    """Calls that are being created, by the ids they have or never will have."""

    def __init__(self, message: str, call_ids: Sequence[UUID]) -> None:
        named = ",".join(str(call_id) for call_id in call_ids)
        super().__init__(message, retry_after_s=1.0, call_ids=named)


class IdempotencyKeyInUse(_Unsettled):
    """The first request with the key is still under way."""

    code, reason = StatusCode.FAILED_PRECONDITION, "IDEMPOTENCY_KEY_IN_USE"

    def __init__(self, call_ids: Sequence[UUID]) -> None:
        super().__init__("The first request with this key is still under way.", call_ids)


class CallsPending(_Unsettled):
    """The calls are not settled yet."""

    code, reason = StatusCode.DEADLINE_EXCEEDED, "CALLS_PENDING"

    def __init__(self, call_ids: Sequence[UUID]) -> None:
        super().__init__("The calls are not settled yet; look for them in a moment.", call_ids)


class InvalidResourceType(MeshError):
    """That kind of resource has no timeline."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_RESOURCE_TYPE"

    def __init__(self, resource_type: str) -> None:
        shown = resource_type[:64]
        super().__init__(f"{shown!r} have no timeline.", resource_type=shown)


class MissingRequestParameter(MeshError):
    """Neither of two parameters is there."""

    code, reason = StatusCode.INVALID_ARGUMENT, "MISSING_REQUEST_PARAMETER"

    def __init__(self) -> None:
        super().__init__("Name call_id or activeflow_id.", parameter="call_id")


class InvalidRequestParameter(MeshError):
    """Both of two parameters are there, and only one may be."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST_PARAMETER"

    def __init__(self) -> None:
        super().__init__("Name either call_id or activeflow_id, not both.", parameter="call_id")


class AnonymousInvalid(MeshError):
    """`anonymous` is none of yes, no and auto."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_ANONYMOUS_VALUE"

    def __init__(self) -> None:
        super().__init__("`anonymous` must be yes, no or auto.", field="anonymous")


class Refusal(MeshError):
    """A rule refuses one destination; the others of the request may still be admitted."""


class DestinationTypeUnsupported(Refusal):
    """Nobody here serves that type of destination."""

    code, reason = StatusCode.INVALID_ARGUMENT, "DESTINATION_TYPE_UNSUPPORTED"

    def __init__(self, index: int, kind: str) -> None:
        super().__init__(
            f"Destination {index} is of type {kind or 'unspecified'}; only tel and sip are served.",
            field=f"destinations[{index}].type",
            index=str(index),
            type=kind,
        )


class IdentityVerificationRequired(Refusal):
    """Only customers whose identity is verified may call telephone numbers."""

    code, reason = StatusCode.PERMISSION_DENIED, "IDENTITY_VERIFICATION_REQUIRED"

    def __init__(self, index: int) -> None:
        super().__init__(
            f"Destination {index} is a telephone number, and the customer's identity is not"
            " verified.",
            index=str(index),
        )


class DestinationInvalid(Refusal):
    """A destination is not a possible number or address."""

    code, reason = StatusCode.INVALID_ARGUMENT, "DESTINATION_INVALID"

    def __init__(self, index: int, target: str) -> None:
        super().__init__(
            f"Destination {index} is not a possible number or address.",
            field=f"destinations[{index}].target",
            index=str(index),
            target=target,
        )


class DestinationNotAllowed(Refusal):
    """The customer may not call the destination's country."""

    code, reason = StatusCode.PERMISSION_DENIED, "DESTINATION_NOT_ALLOWED"

    def __init__(self, index: int, country: str | None) -> None:
        why = (
            "is a number of no country, so no whitelist permits it; check + and the country code."
            if country is None
            else f"is a number of {country}, where the customer may not call; add {country} to"
            " destination_whitelist of its outbound configuration."
        )
        super().__init__(
            f"Destination {index} {why}",
            field=f"destinations[{index}].target",
            index=str(index),
            country=country or "",
        )


class NoDialroute(Refusal):
    """No carrier serves the destination."""

    code, reason = StatusCode.FAILED_PRECONDITION, "NO_DIALROUTE"

    def __init__(self, index: int, target: str) -> None:
        super().__init__(f"No carrier serves destination {index}.", index=str(index), target=target)


class DirectlyDialled(Refusal, Retold):
    """No carrier has a part in the call, and the caller's key is limited to some carriers.

    To the reader it is what the gateway says of a request that such a key does not cover.
    """

    def __init__(self, index: int) -> None:
        super().__init__(
            Verdict(
                StatusCode.PERMISSION_DENIED,
                "KEY_SCOPE_EXCEEDED",
                f"Destination {index} is a SIP address, which no carrier is needed for; the access"
                " key is limited to some carriers.",
                {"limit": "provider_ids", "field": f"destinations[{index}]"},
            )
        )


class SourceRequired(Refusal):
    """No source was given and the customer has no default number."""

    code, reason = StatusCode.INVALID_ARGUMENT, "SOURCE_REQUIRED"

    def __init__(self) -> None:
        super().__init__(
            "A source is required: the customer has no default number.", field="source"
        )


class SourceNotOwned(Refusal):
    """The source is no usable number of the customer's, and there is no default."""

    code, reason = StatusCode.PERMISSION_DENIED, "SOURCE_NOT_OWNED"

    def __init__(self, source: str) -> None:
        super().__init__("The source is not an active number of the customer's.", source=source)


class AnonymousSourceInvalid(Refusal):
    """A hidden caller needs a number to assert."""

    code, reason = StatusCode.INVALID_ARGUMENT, "ANONYMOUS_SOURCE_INVALID"

    def __init__(self, source: str) -> None:
        super().__init__(
            "A hidden caller needs a source number that starts with +.",
            field="source.target",
            source=source,
        )
