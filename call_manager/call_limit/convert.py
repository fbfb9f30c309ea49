"""Limits between protobuf and the domain. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from voipbin.call.v1 import call_limit_pb2
from voipbin.call.v1 import call_limit_service_pb2 as pb

from call_manager.billing.amounts import amount
from call_manager.billing.domain import Account, dollars
from call_manager.billing_account.domain import AMOUNT_MAX, spent_on
from call_manager.wire import masked

_COLUMNS: Final[Mapping[str, str]] = {
    "calls_per_second": "calls_per_second",
    "calls_at_once": "calls_at_once",
    "duration_max": "duration_max_s",
    "daily_spend": "daily_spend",
    "calls_per_number": "calls_per_number",
}


def change(request: pb.CallLimitUpdateRequest) -> dict[str, Any]:
    """Read what the update mask names, as columns; raises InvalidArgument."""
    named = masked(request.update_mask, _COLUMNS)
    columns = {_COLUMNS[field]: getattr(request, field) for field in named}
    if "daily_spend" in columns:
        stated = request.daily_spend
        columns["daily_spend"] = amount("daily_spend", stated, most=AMOUNT_MAX) if stated else None
    return columns


def limit_to_proto(account: Account, now: datetime) -> call_limit_pb2.CallLimit:
    """Write a customer's limits, and what of them is in use on the day of `now`."""
    caps = account.caps
    message = call_limit_pb2.CallLimit(
        customer_id=str(account.customer_id),
        calls_per_second=caps.calls_per_second,
        calls_at_once=caps.calls_at_once,
        duration_max=caps.duration_max_s,
        daily_spend="" if caps.daily_spend is None else dollars(caps.daily_spend),
        calls_per_number=caps.calls_per_number,
        live_calls=account.live_calls,
        spent_today=dollars(spent_on(account, now)),
        reserved=dollars(account.reserved),
    )
    if account.tm_update is not None:
        message.tm_update.FromDatetime(account.tm_update)
    return message
