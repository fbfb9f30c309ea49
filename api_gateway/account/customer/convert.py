"""Customers between protobuf and the domain. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from voipbin.account.v1 import customer_pb2, customer_service_pb2

from api_gateway.account.convert import masked, stamps, timestamp
from api_gateway.account.customer.domain import CustomerDraft, CustomerRecord

_OWN: Final = {"name": "name", "detail": "detail"}
_CHANGEABLE: Final = {
    **_OWN,
    "identity_verification_status": "identity_verification",
    "rtp_debug": "rtp_debug",
}
_STATUS: Final = "CUSTOMER_STATUS_"
_VERIFICATION: Final = "IDENTITY_VERIFICATION_STATUS_"
_NOT_VERIFIED: Final = "none"


def draft(request: customer_service_pb2.CustomerCreateRequest) -> CustomerDraft:
    """Read what a creation asks for."""
    return CustomerDraft(
        name=request.name,
        detail=request.detail,
        identity_verification=_verification(request.identity_verification_status),
        rtp_debug=request.rtp_debug,
    )


def changes(request: customer_service_pb2.CustomerUpdateRequest) -> Mapping[str, Any]:
    """Read what the update mask names; raises InvalidArgument when that cannot be changed."""
    named = dict(masked(request, request.update_mask, _CHANGEABLE))
    if "identity_verification" in named:
        named["identity_verification"] = _verification(request.identity_verification_status)
    return named


def own_changes(request: customer_service_pb2.OwnCustomerUpdateRequest) -> Mapping[str, Any]:
    """Read what a customer changes of itself; raises InvalidArgument for anything else."""
    return masked(request, request.update_mask, _OWN)


def customer_to_proto(customer: CustomerRecord, now: datetime) -> customer_pb2.Customer:
    """Write a customer as it stands at a time."""
    closure = customer.standing.closure
    status = customer.standing.status_at(now)
    verification = customer.standing.identity_verification
    return customer_pb2.Customer(
        id=str(customer.id),
        name=customer.name,
        detail=customer.detail,
        status=customer_pb2.CustomerStatus.Value(_STATUS + status.upper()),
        identity_verification_status=customer_pb2.IdentityVerificationStatus.Value(
            _VERIFICATION + verification.upper()
        ),
        rtp_debug=customer.standing.rtp_debug,
        tm_deletion_scheduled=timestamp(closure.deletion_scheduled_at if closure else None),
        tm_deletion_effective=timestamp(closure.deletion_effective_at if closure else None),
        **stamps(customer),
    )


def _verification(value: customer_pb2.IdentityVerificationStatus.ValueType) -> str:
    if value == customer_pb2.IDENTITY_VERIFICATION_STATUS_UNSPECIFIED:
        return _NOT_VERIFIED
    return customer_pb2.IdentityVerificationStatus.Name(value).removeprefix(_VERIFICATION).lower()
