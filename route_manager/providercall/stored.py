"""Provider calls between the domain and the columns of their table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from mesh.verdict import Verdict, storable
from route_manager.provider.domain import NumberFormat, Transport
from route_manager.providercall.domain import (
    NOTHING_KNOWN,
    CustomerFacts,
    Order,
    Outcome,
    Placed,
    ProviderCall,
    Snapshot,
    Status,
    Wish,
)

Plain = dict[str, Any]
"""A JSON object."""


def values_of(record: ProviderCall) -> Mapping[str, Any]:
    """Return the columns of a new record; raises ValueError for one without a snapshot."""
    if record.snapshot is None:
        raise ValueError("a record is stored with its provider's snapshot")
    wish, order = record.wish, record.wish.order
    return {
        "id": record.id,
        "customer_id": wish.customer_id,
        "agent_id": wish.agent_id,
        "provider_id": order.provider_id,
        "named_flow_id": order.flow_id,
        "temporary_flow_id": record.temporary_flow_id,
        "content": order.content,
        "fingerprint": order.fingerprint,
        "idempotency_key": wish.idempotency_key,
        "creation_id": record.creation_id,
        "call_ids": [str(call_id) for call_id in record.call_ids],
        "groupcall_id": record.groupcall_id,
        "dial_not_after": record.dial_not_after,
        "traceparent": record.traceparent,
        "request_id": record.request_id,
        "customer": asdict(wish.customer),
        "snapshot": _snapshot_to_plain(record.snapshot),
        "status": record.status.value,
        "verdict": None,
        "placed": None,
        "tm_hangup": record.tm_hangup,
        "tm_create": record.tm_create,
        "tm_update": record.tm_update,
        "tm_delete": record.tm_delete,
    }


def record_of(row: RowMapping) -> ProviderCall:
    """Return the record that a row holds."""
    return ProviderCall(
        id=row["id"],
        wish=_wish(row),
        creation_id=row["creation_id"],
        call_ids=tuple(UUID(text) for text in row["call_ids"]),
        groupcall_id=row["groupcall_id"],
        temporary_flow_id=row["temporary_flow_id"],
        dial_not_after=row["dial_not_after"],
        traceparent=row["traceparent"],
        request_id=row["request_id"],
        tm_create=row["tm_create"],
        snapshot=_snapshot(row["snapshot"]),
        status=Status(row["status"]),
        verdict=None if row["verdict"] is None else Verdict.of_plain(row["verdict"]),
        placed=None if row["placed"] is None else _placed(row["placed"]),
        tm_hangup=row["tm_hangup"],
        tm_update=row["tm_update"],
        tm_delete=row["tm_delete"],
    )


def _wish(row: RowMapping) -> Wish:
    order = Order(
        provider_id=row["provider_id"],
        flow_id=row["named_flow_id"],
        has_inline_actions=row["temporary_flow_id"] is not None,
        destination_count=len(row["call_ids"]),
        is_group=row["groupcall_id"] is not None,
        content=row["content"],
    )
    # Records of earlier versions know nothing of it.
    known = row["customer"]
    customer = NOTHING_KNOWN if known is None else CustomerFacts(**known)
    return Wish(order, row["customer_id"], row["agent_id"], row["idempotency_key"], customer)


def _snapshot_to_plain(snapshot: Snapshot) -> Plain:
    return {
        **asdict(snapshot),
        "tech_headers": dict(snapshot.tech_headers),
        "transport": snapshot.transport.value,
        "number_format": snapshot.number_format.value,
    }


def _snapshot(plain: Plain) -> Snapshot:
    kinds = {"transport": Transport, "number_format": NumberFormat}
    kept = {name: kind(plain[name]) for name, kind in kinds.items() if name in plain}
    return Snapshot(**{**plain, **kept})


def placed_to_plain(placed: Placed) -> Plain:
    """Return what was placed as JSON."""
    return {
        "groupcall_ids": [str(groupcall_id) for groupcall_id in placed.groupcall_ids],
        "outcomes": [
            {
                "call_id": str(outcome.call_id),
                "admitted": outcome.admitted,
                "reason": outcome.reason,
                "message": storable(outcome.message),
            }
            for outcome in placed.outcomes
        ],
    }


def _placed(plain: Plain) -> Placed:
    outcomes = tuple(
        Outcome(UUID(one["call_id"]), one["admitted"], one["reason"], one["message"])
        for one in plain["outcomes"]
    )
    return Placed(outcomes, tuple(UUID(text) for text in plain["groupcall_ids"]))
