"""The table of groupcalls."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, String, text
from sqlmodel import Field

from call_manager.tables import Table
from mesh.database import Json, UtcDateTime, Uuid


def _uuid(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Uuid(), nullable=nullable))


def _string(length: int) -> Any:
    return Field(default=None, sa_column=Column(String(length), nullable=False))


def _json(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Json(), nullable=nullable))


def _time(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=nullable))


_ALIVE = text("tm_delete IS NULL")


class GroupcallRow(Table, table=True):
    """One groupcall. Whoever ends or answers a call of it locks this row first."""

    __tablename__ = "groupcall"
    __table_args__ = (
        Index(
            None, "customer_id", "tm_create", "id",
            sqlite_where=_ALIVE, postgresql_where=_ALIVE,
        ),
    )  # fmt: skip

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = _uuid()
    flow_id: UUID | None = _uuid(nullable=True)
    source: dict[str, Any] | None = _json(nullable=True)
    """`call.domain.Address` as JSON, as it was given; unset when none was."""
    destinations: list[dict[str, Any]] = _json()
    """The same of each destination, in order."""
    call_ids: list[str] = _json()
    """Its calls, in the order of the destinations."""
    ring_method: str = _string(16)
    answer_method: str = _string(16)
    status: str = _string(16)
    answer_call_id: UUID | None = _uuid(nullable=True)
    """The call that was answered first."""
    dial_index: int = Field(default=None, sa_column=Column(Integer(), nullable=False))
    """The place of the destination that was handed to the dialer last, from 0."""
    tm_create: datetime = _time(nullable=False)
    tm_update: datetime | None = _time()
    tm_hangup: datetime | None = _time()
    tm_delete: datetime | None = _time()
