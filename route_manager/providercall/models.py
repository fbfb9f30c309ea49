"""The table of provider calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index, UniqueConstraint
from sqlmodel import Field

from mesh.database import Uuid
from route_manager.tables import (
    RouteTable,
    bytes_column,
    json_column,
    key_column,
    listed_by,
    string_column,
    time_column,
    uuid_column,
)


def _provider_id() -> Any:
    return Field(sa_column=Column(Uuid(), ForeignKey("provider.id"), nullable=False))


class ProviderCallRow(RouteTable, table=True):
    """One provider call; deleted ones stay."""

    __tablename__ = "provider_call"
    __table_args__ = (
        # A key stands for one request of one customer; requests without one are not limited.
        UniqueConstraint("customer_id", "idempotency_key"),
        listed_by(),
        listed_by("provider_id"),
        listed_by("agent_id"),
        # A start looks for the few that are pending among all that ever were.
        Index(None, "status", "id"),
    )

    id: UUID = key_column()
    customer_id: UUID = uuid_column()
    agent_id: UUID = uuid_column()
    provider_id: UUID = _provider_id()
    named_flow_id: UUID | None = uuid_column(nullable=True)
    temporary_flow_id: UUID | None = uuid_column(nullable=True)
    content: bytes = bytes_column()
    """`domain.Order.content`."""
    fingerprint: bytes = bytes_column()
    idempotency_key: str | None = string_column(255, nullable=True)
    creation_id: UUID = uuid_column()
    call_ids: list[str] = json_column()
    groupcall_id: UUID | None = uuid_column(nullable=True)
    dial_not_after: datetime = time_column(nullable=False)
    traceparent: str = string_column(64)
    request_id: str = string_column(64)
    customer: dict[str, Any] | None = json_column(nullable=True)
    """`domain.CustomerFacts`; unset in records of earlier versions."""
    snapshot: dict[str, Any] = json_column()
    status: str = string_column(16)
    verdict: dict[str, Any] | None = json_column(nullable=True)
    """`mesh.verdict.Verdict`, as soon as it is decided."""
    placed: dict[str, Any] | None = json_column(nullable=True)
    """`domain.Placed`, once completed."""
    tm_hangup: datetime | None = time_column()
    """When all its calls were first asked to end."""
    tm_create: datetime = time_column(nullable=False)
    tm_update: datetime | None = time_column()
    tm_delete: datetime | None = time_column()
