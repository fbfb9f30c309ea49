"""The table of placements."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, LargeBinary, String, UniqueConstraint
from sqlmodel import Field

from call_manager.tables import Table
from mesh.database import Json, UtcDateTime, Uuid


def _uuid(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Uuid(), nullable=nullable))


def _string(length: int, *, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(String(length), nullable=nullable))


def _json(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Json(), nullable=nullable))


def _time() -> Any:
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=False))


class CallPlacementRow(Table, table=True):
    """`domain.Placement`; it stays, so that its key stands for it and its flow has an owner."""

    __tablename__ = "call_placement"
    __table_args__ = (
        # A key stands for one request of one customer; requests without one are not limited.
        UniqueConstraint("customer_id", "idempotency_key"),
        # A start looks for the few that are pending among all that ever were.
        Index(None, "status", "id"),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = _uuid()
    idempotency_key: str | None = _string(255, nullable=True)
    fingerprint: str = _string(64)
    content: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))
    call_ids: list[str] = _json()
    groupcall_id: UUID | None = _uuid(nullable=True)
    temporary_flow_id: UUID | None = _uuid(nullable=True)
    provider_ids: list[str] = _json()
    verified: bool = Field(sa_column=Column(Boolean(), nullable=False))
    rtp_debug: bool = Field(sa_column=Column(Boolean(), nullable=False))
    dial_not_after: datetime = _time()
    traceparent: str = _string(64)
    request_id: str = _string(64)
    status: str = _string(16)
    verdict: dict[str, Any] | None = _json(nullable=True)
    """`mesh.verdict.Verdict.to_plain`, as soon as it is decided."""
    tm_create: datetime = _time()
