"""The table of routes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index
from sqlmodel import Field

from mesh.database import Uuid
from route_manager.tables import (
    RouteTable,
    integer_column,
    key_column,
    listed_by,
    string_column,
    text_column,
    time_column,
    uuid_column,
)


def _provider_id() -> Any:
    return Field(sa_column=Column(Uuid(), ForeignKey("provider.id"), nullable=False))


class RouteRow(RouteTable, table=True):
    """One route; deleted ones stay."""

    __tablename__ = "route"
    __table_args__ = (
        listed_by(),
        listed_by("customer_id"),
        listed_by("provider_id"),
        # Every call asks where to go by customer and target.
        Index(None, "customer_id", "target", "priority"),
    )

    id: UUID = key_column()
    customer_id: UUID = uuid_column()
    provider_id: UUID = _provider_id()
    name: str = string_column(255)
    detail: str = text_column()
    priority: int = integer_column()
    target: str = string_column(16)
    tm_create: datetime = time_column(nullable=False)
    tm_update: datetime | None = time_column()
    tm_delete: datetime | None = time_column()
