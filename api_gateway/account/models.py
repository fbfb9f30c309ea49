"""The tables of accounts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, text
from sqlmodel import Field, SQLModel

from mesh.database import Json, UtcDateTime, Uuid, table_registry

_LIVING = text("tm_delete IS NULL")


def _living(name: str, *columns: str, unique: bool = False) -> Index:
    """Return an index over rows that are not deleted: lists show no others."""
    return Index(name, *columns, unique=unique, sqlite_where=_LIVING, postgresql_where=_LIVING)


class Table(SQLModel, registry=table_registry()):
    """The base of this service's tables."""


class Customer(Table, table=True):
    """Who pays: owns agents, access keys, calls and flows."""

    __tablename__ = "customer"
    __table_args__ = (_living("ix_customer_listed", "tm_create", "id"),)

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    name: str = Field(sa_column=Column(String(255), nullable=False))
    detail: str = Field(default="", sa_column=Column(String(1024), nullable=False))
    status: str = Field(sa_column=Column(String(16), nullable=False))
    """`domain.CustomerStatus`, but never `expired`: that is a frozen one whose time is over."""
    identity_verification: str = Field(sa_column=Column(String(16), nullable=False))
    rtp_debug: bool = Field(default=False, sa_column=Column(Boolean(), nullable=False))
    tm_frozen: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    """When its closure was asked for; null unless it is frozen."""
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))


class Agent(Table, table=True):
    """A person who signs in for a customer."""

    __tablename__ = "agent"
    __table_args__ = (
        _living("ix_agent_listed", "customer_id", "tm_create", "id"),
        _living("ix_agent_username", "username", unique=True),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    username: str = Field(sa_column=Column(String(255), nullable=False))
    name: str = Field(default="", sa_column=Column(String(255), nullable=False))
    detail: str = Field(default="", sa_column=Column(String(1024), nullable=False))
    password_hash: str = Field(sa_column=Column(String(255), nullable=False), repr=False)
    token_generation: int = Field(default=0, sa_column=Column(Integer(), nullable=False))
    """Grows when older tokens are to end; a token of another generation is worth nothing."""
    permissions: int
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))


class AccessKeyRow(Table, table=True):
    """A credential of a program."""

    __tablename__ = "access_key"
    __table_args__ = (_living("ix_access_key_listed", "customer_id", "tm_create", "id"),)

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    agent_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    """Who made it, and is named in records of what it does."""
    name: str = Field(sa_column=Column(String(255), nullable=False))
    detail: str = Field(sa_column=Column(String(1024), nullable=False))
    digest: str = Field(sa_column=Column(String(64), nullable=False, unique=True), repr=False)
    """The SHA-256 of the token, in hexadecimal; the token itself is kept nowhere."""
    token_prefix: str = Field(sa_column=Column(String(11), nullable=False))
    permissions: int = Field(sa_column=Column(Integer(), nullable=False))
    rpcs: list[str] = Field(sa_column=Column(Json(), nullable=False))
    provider_ids: list[str] = Field(sa_column=Column(Json(), nullable=False))
    calls_per_day: int | None = Field(default=None, sa_column=Column(Integer()))
    tm_expire: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))


class AccessKeyCallsRow(Table, table=True):
    """How many calls an access key has placed on the last day it placed any."""

    __tablename__ = "access_key_calls"

    key_id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    day: str = Field(sa_column=Column(String(10), nullable=False))
    """`YYYY-MM-DD` in UTC, whose order is the order of time."""
    calls: int = Field(sa_column=Column(Integer(), nullable=False))


class DelegationRow(Table, table=True):
    """That a super-admin acted for a customer, and why. Never changed, never deleted."""

    __tablename__ = "delegation"

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    agent_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    reason: str = Field(sa_column=Column(String(200), nullable=False))
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_expire: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))


class SigningKey(Table, table=True):
    """A private key that tokens are signed with; the newest signs, all verify."""

    __tablename__ = "signing_key"

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    private_der: bytes = Field(sa_column=Column(LargeBinary(), nullable=False), repr=False)
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
