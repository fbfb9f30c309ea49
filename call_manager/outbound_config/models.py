"""The table of outbound configurations (CONTRACT.md section 2.8)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, String, false, text
from sqlmodel import Field

from call_manager.tables import Table
from mesh.database import Json, UtcDateTime, Uuid

_ALIVE = text("tm_delete IS NULL")


class OutboundConfigRow(Table, table=True):
    """One customer's outbound configuration; a customer has at most one that is not deleted."""

    __tablename__ = "outbound_config"
    __table_args__ = (
        Index(None, "customer_id", unique=True, sqlite_where=_ALIVE, postgresql_where=_ALIVE),
        Index(
            "ix_outbound_config_listed",
            "tm_create",
            "id",
            sqlite_where=_ALIVE,
            postgresql_where=_ALIVE,
        ),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    name: str = Field(sa_column=Column(String(255), nullable=False, server_default=""))
    detail: str = Field(sa_column=Column(String(1024), nullable=False, server_default=""))
    destination_whitelist: list[str] | None = Field(default=None, sa_column=Column(Json()))
    """Lower-case ISO 3166-1 alpha-2 codes; unset for none."""
    allowed_number_types: list[str] = Field(
        default=None, sa_column=Column(Json(), nullable=False, server_default="[]")
    )
    """`number_types.NumberType`s that may be called although they are blocked by default."""
    codecs: str = Field(sa_column=Column(String(255), nullable=False, server_default=""))
    everywhere: bool = Field(sa_column=Column(Boolean(), nullable=False, server_default=false()))
    """Whether a lab let the customer call everywhere; ends when a whitelist is set."""
    default_outgoing_source_number_id: UUID | None = Field(default=None, sa_column=Column(Uuid()))
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
