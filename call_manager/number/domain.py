"""What a number is, and who may say whose it is. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from call_manager.number.errors import NumberClaimForbidden, NumberInvalid
from mesh.numbers import e164

NUMBERS_MAX: Final = 10_000
"""The most numbers of a customer; deleted ones are not counted."""


class NumberType(enum.StrEnum):
    """What a number may be used for."""

    NORMAL = "normal"
    """Calls may show it as their source."""
    VIRTUAL = "virtual"
    """No call to the telephone network may show it."""


class NumberStatus(enum.StrEnum):
    """Whether a number is in use."""

    ACTIVE = "active"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a customer's."""

    id: UUID
    customer_id: UUID
    number: str
    """E.164 with the plus sign."""
    type: NumberType
    status: NumberStatus
    tm_create: datetime
    call_flow_id: UUID | None = None
    message_flow_id: UUID | None = None
    name: str = ""
    detail: str = ""
    tm_purchase: datetime | None = None
    tm_update: datetime | None = None
    tm_delete: datetime | None = None


@dataclass(frozen=True, slots=True)
class NumberDraft:
    """A number that somebody asks for."""

    number: str
    type: NumberType
    customer_id: UUID | None = None
    """None: the caller's own."""
    call_flow_id: UUID | None = None
    message_flow_id: UUID | None = None
    name: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NumberChange:
    """What to change of a number: columns and their new values."""

    columns: Mapping[str, Any] = field(default_factory=dict)

    def checked(self, number: Number, *, super_admin: bool, now: datetime) -> Mapping[str, Any]:
        """Return the columns to set on `number`. Raises NumberClaimForbidden.

        A number that goes to another customer leaves its flows behind, unless others are named.
        """
        columns = dict(self.columns)
        customer_id = columns.pop("customer_id", None)
        if customer_id is None or customer_id == number.customer_id:
            return columns
        if not super_admin:
            raise NumberClaimForbidden(
                "Only a super-admin gives a number to another customer.", field="customer_id"
            )
        moved = {"customer_id": customer_id, "tm_purchase": now}
        return {"call_flow_id": None, "message_flow_id": None, **columns, **moved}


def accepted_number(text: str) -> str:
    """Return a number in E.164 form. Raises NumberInvalid."""
    number = e164(text)
    if number is None:
        raise NumberInvalid
    return number


def check_claim(type_: NumberType, *, own: bool, super_admin: bool) -> None:
    """Check who brings a number. Raises NumberClaimForbidden.

    Calls may show a customer's normal numbers, so to record one is to say whose it is.
    """
    if super_admin:
        return
    if type_ is NumberType.NORMAL:
        raise NumberClaimForbidden(
            "Only a super-admin records a normal number: calls may show it.", field="type"
        )
    if not own:
        raise NumberClaimForbidden(
            "Only a super-admin records another customer's number.", field="customer_id"
        )
