"""Why a question about money is refused; reasons of `voipbin.call.v1.ErrorReason`."""

from __future__ import annotations

from uuid import UUID

from grpc import StatusCode

from call_manager.billing.domain import dollars
from mesh.errors import MeshError


class BillingAccountNotFound(MeshError):
    """No such billing account."""

    code, reason = StatusCode.NOT_FOUND, "BILLING_ACCOUNT_NOT_FOUND"

    def __init__(self, account_id: UUID) -> None:
        super().__init__(
            f"No billing account has the id {account_id}.", billing_account_id=str(account_id)
        )


class BillingNotFound(MeshError):
    """No such movement, or it is another customer's."""

    code, reason = StatusCode.NOT_FOUND, "BILLING_NOT_FOUND"

    def __init__(self, billing_id: UUID) -> None:
        super().__init__(f"No billing has the id {billing_id}.", billing_id=str(billing_id))


class BalanceNotAvailable(MeshError):
    """So much is not there, or is reserved for calls; amounts are millionths of a US dollar."""

    code, reason = StatusCode.FAILED_PRECONDITION, "BALANCE_NOT_AVAILABLE"

    def __init__(self, *, available: int, reserved: int) -> None:
        super().__init__(
            f"Only {dollars(available)} US dollars may be taken out; {dollars(reserved)} are"
            " reserved for calls.",
            available=dollars(available),
            reserved=dollars(reserved),
        )
