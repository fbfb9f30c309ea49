"""The table of providers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint
from sqlmodel import Field

from mesh.database import Json, Uuid
from mesh.sealing import KEY_ID_MAX
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


class ProviderRow(RouteTable, table=True):
    """One provider; deleted ones stay."""

    __tablename__ = "provider"
    __table_args__ = (Index(None, "tm_create", "id"),)

    id: UUID = key_column()
    type: str = string_column(16)
    hostname: str = string_column(255)
    tech_prefix: str = string_column(64)
    tech_postfix: str = string_column(255)
    tech_headers: str = text_column()
    """A JSON object, sealed."""
    secret_headers: list[str] = json_column()
    name: str = string_column(255)
    detail: str = text_column()
    metadata_: dict[str, str] = Field(sa_column=Column("metadata", Json(), nullable=False))
    codecs: str = string_column(255)
    sip_username: str = string_column(128)
    sip_password: str = text_column()
    """Sealed."""
    sealed_by: str | None = string_column(KEY_ID_MAX, nullable=True)
    """The key that sealed them; null where an earlier version stored them as they are."""
    transport: str = string_column(8)
    port: int = integer_column()
    outbound_proxy: str = string_column(255)
    tls_ca: str = text_column()
    session_expires: int = integer_column()
    number_format: str = string_column(16)
    failover_codes: list[str] = json_column()
    health_codes: list[str] = json_column()
    health_affects_routing: bool = boolean_column()
    health_checks_paused: bool = boolean_column()
    calls_per_second: int = integer_column()
    calls_at_once: int = integer_column()
    duration_max: int = integer_column()
    health_status: str = string_column(16)
    health_checked_at: datetime | None = time_column()
    health_changed_at: datetime | None = time_column()
    health_latency_ms: int | None = integer_column(nullable=True)
    health_detail: str = text_column()
    health_streak: int = integer_column()
    """How many checks in a row spoke against the status."""
    health_due_at: datetime | None = time_column()
    """When it is to be asked next; null: now, and as if it were new."""
    health_leased_until: datetime | None = time_column()
    """Until when somebody has the right to ask it; null: nobody has."""
    tm_create: datetime = time_column(nullable=False)
    tm_update: datetime | None = time_column()
    tm_delete: datetime | None = time_column()


class ProviderHostRow(RouteTable, table=True):
    """One host where a provider is (`domain.own_hosts`); written with the provider's settings."""

    __tablename__ = "provider_host"
    __table_args__ = (
        PrimaryKeyConstraint("host", "port", "provider_id"),
        Index(None, "provider_id"),
    )

    host: str = string_column(255)
    port: int = integer_column()
    provider_id: UUID = Field(sa_column=Column(Uuid(), ForeignKey("provider.id"), nullable=False))
