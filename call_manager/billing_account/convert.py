"""Accounts and movements between protobuf and the domain. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from voipbin.call.v1 import billing_account_pb2, billing_pb2
from voipbin.call.v1 import billing_account_service_pb2 as pb
from voipbin.call.v1 import billing_service_pb2 as billings_pb

from call_manager.billing.amounts import amount
from call_manager.billing.domain import Account, AccountStatus, Movement, Plan, dollars
from call_manager.billing_account.domain import (
    AMOUNT_MAX,
    Billing,
    BillingFilter,
    Transfer,
    spent_on,
)
from call_manager.call.convert import moment
from call_manager.wire import masked, optional_id, text
from mesh.errors import InvalidArgument

CURRENCY: Final = "USD"

_PLAN: Final = "BILLING_PLAN_TYPE_"
_STATUS: Final = "BILLING_ACCOUNT_STATUS_"
_TYPE: Final = "BILLING_TRANSACTION_TYPE_"
_REFERENCE: Final = "BILLING_REFERENCE_TYPE_"
_CHANGEABLE: Final = frozenset({"plan_type", "status"})

Moving = pb.BillingAccountBalanceAddForceRequest | pb.BillingAccountBalanceSubtractForceRequest


def change(request: pb.BillingAccountUpdateRequest) -> dict[str, Any]:
    """Read what the update mask names, as columns; raises InvalidArgument."""
    named, columns = masked(request.update_mask, _CHANGEABLE), dict[str, Any]()
    if "plan_type" in named:
        plan = billing_account_pb2.BillingPlanType.Name(request.plan_type)
        columns["plan_type"] = Plan(_stated("plan_type", plan, _PLAN)).value
    if "status" in named:
        status = billing_account_pb2.BillingAccountStatus.Name(request.status)
        columns["status"] = AccountStatus(_stated("status", status, _STATUS)).value
    return columns


def _stated(field: str, name: str, prefix: str) -> str:
    word = name.removeprefix(prefix).lower()
    if word == "unspecified":
        raise InvalidArgument(f"`{field}` is named and not given.", field=field)
    return word


def transfer(request: Moving, movement: Movement) -> Transfer:
    """Read a wish to move money; raises InvalidArgument."""
    return Transfer(
        account_id=UUID(request.id),
        movement=movement,
        amount=amount("amount", request.amount, least=1, most=AMOUNT_MAX),
        detail=text("detail", request.detail),
        agent_id=optional_id(request.agent_id),
        key=request.idempotency_key,
    )


def billing_filter(request: billings_pb.BillingListRequest) -> BillingFilter:
    """Return which movements a list asks for; raises InvalidArgument for what is no time."""
    kind = billing_pb2.BillingTransactionType.Name(request.transaction_type).removeprefix(_TYPE)
    since, before = (
        moment(field, getattr(request, field)) if request.HasField(field) else None
        for field in ("created_after", "created_before")
    )
    return BillingFilter(
        customer_id=UUID(request.customer_id),
        transaction_type=None if kind == "UNSPECIFIED" else Movement[kind],
        reference_id=optional_id(request.reference_id),
        created_after=since,
        created_before=before,
    )


def account_to_proto(account: Account, now: datetime) -> billing_account_pb2.BillingAccount:
    """Write an account as it stands on the day of `now`."""
    message = billing_account_pb2.BillingAccount(
        id=str(account.id),
        customer_id=str(account.customer_id),
        plan_type=billing_account_pb2.BillingPlanType.Value(_PLAN + account.plan_type.name),
        status=billing_account_pb2.BillingAccountStatus.Value(_STATUS + account.status.name),
        currency=CURRENCY,
        balance=dollars(account.balance),
        reserved=dollars(account.reserved),
        available=dollars(account.available),
        spent_today=dollars(spent_on(account, now)),
    )
    message.tm_create.FromDatetime(account.tm_create)
    if account.tm_update is not None:
        message.tm_update.FromDatetime(account.tm_update)
    return message


def billing_to_proto(billing: Billing) -> billing_pb2.Billing:
    """Write a movement."""
    kind, reference = billing.transaction_type.name, billing.reference_type.name
    message = billing_pb2.Billing(
        id=str(billing.id),
        customer_id=str(billing.customer_id),
        account_id=str(billing.account_id),
        transaction_type=billing_pb2.BillingTransactionType.Value(_TYPE + kind),
        amount=dollars(billing.amount),
        reserved_amount=dollars(billing.reserved_amount),
        balance_after=dollars(billing.balance_after),
        reserved_after=dollars(billing.reserved_after),
        reference_type=billing_pb2.BillingReferenceType.Value(_REFERENCE + reference),
        reference_id=str(billing.reference_id),
        provider_id=_shown(billing.provider_id),
        number=billing.number,
        price_per_minute=dollars(billing.price_per_minute),
        price_minimum=dollars(billing.price_minimum),
        increment=billing.increment_s,
        duration=billing.duration_s,
        billed_duration=billing.billed_s,
        detail=billing.detail,
        agent_id=_shown(billing.agent_id),
    )
    message.tm_create.FromDatetime(billing.tm_create)
    return message


def _shown(found: UUID | None) -> str:
    return "" if found is None else str(found)
