"""The table of setups."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index

from route_manager.tables import (
    RouteTable,
    json_column,
    key_column,
    string_column,
    text_column,
    time_column,
    uuid_column,
)


class ProviderSetupRow(RouteTable, table=True):
    """One setup; never deleted, for it says what may be left at the carrier."""

    __tablename__ = "provider_setup"
    __table_args__ = (
        Index(None, "tm_create", "id"),
        # A look for overdue ones finds the few that are pending.
        Index(None, "status", "tm_create"),
    )

    id: UUID = key_column()
    carrier: str = string_column(64)
    name: str = string_column(255)
    detail: str = text_column()
    status: str = string_column(16)
    objects: list[dict[str, str]] = json_column()
    """`domain.Setup.objects`."""
    provider_id: UUID | None = uuid_column(nullable=True)
    error_reason: str = string_column(64)
    error_message: str = text_column()
    tm_create: datetime = time_column(nullable=False)
    tm_update: datetime | None = time_column()
