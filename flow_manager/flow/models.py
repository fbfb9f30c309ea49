"""The tables of flows."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, String, text
from sqlmodel import Field

from flow_manager.tables import Table
from mesh.database import Json, UtcDateTime, Uuid

# What a list shows, so that the lists' index holds nothing else.
_LISTED = text("tm_delete IS NULL AND owner_id IS NULL")


class FlowRow(Table, table=True):
    """One flow."""

    __tablename__ = "flow"
    __table_args__ = (
        Index(
            "ix_flow_listed",
            "customer_id",
            "tm_create",
            "id",
            sqlite_where=_LISTED,
            postgresql_where=_LISTED,
        ),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    owner_id: UUID | None = Field(default=None, sa_column=Column(Uuid()))
    """Set on a temporary flow."""
    name: str = Field(sa_column=Column(String(255), nullable=False))
    detail: str = Field(sa_column=Column(String(1024), nullable=False))
    actions: list[dict[str, Any]] = Field(sa_column=Column(Json(), nullable=False))
    """`action.convert.actions_to_json`."""
    digest: str = Field(sa_column=Column(String(64), nullable=False))
    """`domain.FlowDraft.digest` of the creation, by which a repeated one is known."""
    on_complete_flow_id: UUID | None = Field(default=None, sa_column=Column(Uuid()))
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))


class FlowCountRow(Table, table=True):
    """How many flows a customer has; deleted and temporary ones are not counted."""

    __tablename__ = "flow_count"

    customer_id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    flows: int = Field(sa_column=Column(Integer(), nullable=False))
