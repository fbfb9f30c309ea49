"""Why call_manager refuses; the reasons are those of `voipbin.call.v1.ErrorReason`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError


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


class NoDialroute(Refusal):
    """No carrier serves the destination."""

    code, reason = StatusCode.FAILED_PRECONDITION, "NO_DIALROUTE"

    def __init__(self, index: int, target: str) -> None:
        super().__init__(f"No carrier serves destination {index}.", index=str(index), target=target)


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
