"""Why groupcalls are refused; the reasons are those of `voipbin.call.v1.ErrorReason`."""

from __future__ import annotations

from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError


class GroupcallNotFound(MeshError):
    """No such groupcall, or it is another customer's."""

    code, reason = StatusCode.NOT_FOUND, "GROUPCALL_NOT_FOUND"

    def __init__(self, groupcall_id: UUID) -> None:
        super().__init__(f"No groupcall has the id {groupcall_id}.", groupcall_id=str(groupcall_id))


class GroupcallDeleted(MeshError):
    """A deleted groupcall takes no orders."""

    code, reason = StatusCode.FAILED_PRECONDITION, "STATE_INVALID"

    def __init__(self, groupcall_id: UUID) -> None:
        super().__init__(
            f"The groupcall {groupcall_id} is deleted.", groupcall_id=str(groupcall_id)
        )
