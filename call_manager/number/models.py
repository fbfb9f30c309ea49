"""The tables of numbers (CONTRACT.md section 2.9): whose they are, and how many each has."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, Integer, String, text
from sqlmodel import Field

from call_manager.tables import Table
from mesh.database import UtcDateTime, Uuid

_ALIVE = text("tm_delete IS NULL")


class NumberRow(Table, table=True):
    """One number of a customer's."""

    __tablename__ = "number"
    __table_args__ = (
        Index(None, "customer_id", "number"),
        # A number is one customer's at a time.
        Index(
            "ix_number_alive", "number", unique=True, sqlite_where=_ALIVE, postgresql_where=_ALIVE
        ),
        Index(
            "ix_number_listed",
            "customer_id",
            "tm_create",
            "id",
            sqlite_where=_ALIVE,
            postgresql_where=_ALIVE,
        ),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    number: str = Field(sa_column=Column(String(16), nullable=False))
    """E.164 with the plus sign."""
    type: str = Field(sa_column=Column(String(16), nullable=False))
    """`normal` or `virtual`."""
    status: str = Field(sa_column=Column(String(16), nullable=False))
    """`active` or `deleted`."""
    call_flow_id: UUID | None = Field(default=None, sa_column=Column(Uuid()))
    message_flow_id: UUID | None = Field(default=None, sa_column=Column(Uuid()))
    name: str = Field(sa_column=Column(String(255), nullable=False, server_default=""))
    detail: str = Field(sa_column=Column(String(1024), nullable=False, server_default=""))
    tm_purchase: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    """When its customer was given it."""
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))


class NumberCountRow(Table, table=True):
    """How many numbers a customer has; deleted ones are not counted."""

    __tablename__ = "number_count"

    customer_id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    numbers: int = Field(sa_column=Column(Integer(), nullable=False))
