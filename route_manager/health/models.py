"""The table of health checks."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index
from sqlmodel import Field

from mesh.database import Uuid
from route_manager.tables import (
    RouteTable,
    boolean_column,
    integer_column,
    json_column,
    key_column,
    string_column,
    text_column,
    time_column,
)


def _provider_id() -> Any:
    return Field(sa_column=Column(Uuid(), ForeignKey("provider.id"), nullable=False))


class ProviderHealthCheckRow(RouteTable, table=True):
    """One check; old ones are removed."""

    __tablename__ = "provider_health_check"
    __table_args__ = (Index(None, "provider_id", "tm_create", "id"),)

    id: UUID = key_column()
    provider_id: UUID = _provider_id()
    healthy: bool = boolean_column()
    status: str = string_column(16)
    requested: bool = boolean_column()
    sip_code: int = integer_column()
    sip_reason: str = text_column()
    latency_ms: int | None = integer_column(nullable=True)
    transport: str = string_column(8)
    remote_address: str = text_column()
    dns: list[dict[str, Any]] = json_column()
    tls: dict[str, Any] | None = json_column(nullable=True)
    detail: str = text_column()
    tm_create: datetime = time_column(nullable=False)
