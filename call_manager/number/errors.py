"""Why a number is refused; the reasons are those of `voipbin.call.v1.ErrorReason`."""

from __future__ import annotations

from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError


class NumberNotFound(MeshError):
    """No such number, or it is another customer's."""

    code, reason = StatusCode.NOT_FOUND, "NUMBER_NOT_FOUND"

    def __init__(self, number_id: UUID) -> None:
        super().__init__(f"No number has the id {number_id}.", number_id=str(number_id))


class NumberInvalid(MeshError):
    """A number is not in E.164 form, or impossible."""

    code, reason = StatusCode.INVALID_ARGUMENT, "NUMBER_INVALID"

    def __init__(self) -> None:
        super().__init__("The number is no possible number in E.164 form.", field="number")


class NumberInUse(MeshError):
    """The number is somebody's already."""

    code, reason = StatusCode.ALREADY_EXISTS, "NUMBER_IN_USE"

    def __init__(self, number: str) -> None:
        # Whose it is, only the platform may know.
        super().__init__(f"The number {number} is in use already.", number=number)


class NumbersTooMany(MeshError):
    """The customer has as many numbers as a customer may have."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "NUMBERS_TOO_MANY"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The customer has {limit} numbers already.", limit=str(limit))


class NumberClaimForbidden(MeshError):
    """Only a super-admin says whose a number is."""

    code, reason = StatusCode.PERMISSION_DENIED, "NUMBER_CLAIM_FORBIDDEN"

    def __init__(self, problem: str, *, field: str) -> None:
        super().__init__(problem, field=field)
