"""The table of numbers (CONTRACT.md section 2.9), as far as a call's source needs it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, String
from sqlmodel import Field

from call_manager.tables import Table
from mesh.database import UtcDateTime, Uuid


class NumberRow(Table, table=True):
    """One number of a customer's."""

    __tablename__ = "number"
    __table_args__ = (Index(None, "customer_id", "number"),)

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    number: str = Field(sa_column=Column(String(16), nullable=False))
    """E.164 with the plus sign."""
    type: str = Field(sa_column=Column(String(16), nullable=False))
    """`normal` or `virtual`."""
    status: str = Field(sa_column=Column(String(16), nullable=False))
    """`active` or `deleted`."""
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
