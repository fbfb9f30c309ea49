"""Between a call and its row in the `call` table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from call_manager.call.domain import (
    Address,
    Anonymous,
    Call,
    CallStatus,
    Dialroute,
    DialState,
    HangupBy,
    HangupReason,
)

_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Call))

_CHANGING: Final[Mapping[str, Callable[[Any], Any] | None]] = {
    "status": CallStatus,
    "dial_state": DialState,
    "hangup_by": HangupBy,
    "hangup_reason": HangupReason,
    "hangup_detail": None,
    "hangup_cause": None,
    "hangup_requested_at": None,
    "provider_id": None,
    "sip_code": None,
    "sip_reason": None,
    "current_action": None,
    "slot_provider_id": None,
    "reserved": None,
    "cost": None,
    "recording_id": None,
    "recording_ids": lambda stored: tuple(UUID(one) for one in stored),
    "dial_not_after": None,
    "owner": None,
    "tm_progressing": None,
    "tm_ringing": None,
    "tm_hangup": None,
    "tm_update": None,
    "tm_delete": None,
}
"""What may change of a call once it is stored, and how it is read."""

CHANGING: Final = tuple(_CHANGING)
"""The columns that may change once a call is stored; all others stay as they are."""

_UNCHANGING: Final = tuple(name for name in _FIELDS if name not in _CHANGING)


def call_of(row: RowMapping) -> Call:
    """Return the call that a row of the `call` table stands for."""
    values = {name: row[name] for name in _FIELDS}
    by, reason = row["hangup_by"], row["hangup_reason"]
    values |= {
        "source": Address.of_plain(row["source"]),
        "destination": Address.of_plain(row["destination"]),
        "anonymous": Anonymous(row["anonymous"]),
        "status": CallStatus(row["status"]),
        "dialroutes": tuple(Dialroute.of_plain(stored) for stored in row["dialroutes"]),
        "dial_state": DialState(row["dial_state"]),
        "error_reason": row["error_reason"] or "",
        "recording_ids": tuple(UUID(one) for one in row["recording_ids"]),
        "hangup_by": HangupBy(by) if by is not None else None,
        "hangup_reason": HangupReason(reason) if reason is not None else None,
    }
    return Call(**values)


def changed_call(call: Call, row: RowMapping) -> Call:
    """Return a call that was read before as it is now; `row` holds the `CHANGING` columns."""
    values = {name: getattr(call, name) for name in _UNCHANGING}
    for name, read in _CHANGING.items():
        value = row[name]
        values[name] = value if read is None or value is None else read(value)
    return Call(**values)


def values_of(call: Call) -> dict[str, Any]:
    """Return the values of a call's row."""
    values: dict[str, Any] = {name: getattr(call, name) for name in _FIELDS}
    return values | {
        "source": call.source.to_plain(),
        "destination": call.destination.to_plain(),
        "metadata": dict(call.metadata),
        "error_reason": call.error_reason or None,
        "dialroutes": [route.to_plain() for route in call.dialroutes],
        "recording_ids": [str(one) for one in call.recording_ids],
    }
