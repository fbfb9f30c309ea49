"""The tables of accounts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, LargeBinary, String
from sqlmodel import Field, SQLModel

from mesh.database import UtcDateTime, Uuid, table_registry


class Table(SQLModel, registry=table_registry()):
    """The base of this service's tables."""


class Customer(Table, table=True):
    """Who pays: owns agents, calls and flows."""

    __tablename__ = "customer"

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    name: str = Field(sa_column=Column(String(255), nullable=False))
    status: str = Field(sa_column=Column(String(16), nullable=False))
    identity_verification: str = Field(sa_column=Column(String(16), nullable=False))
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))


class Agent(Table, table=True):
    """A person who signs in for a customer."""

    __tablename__ = "agent"
    __table_args__ = (Index("ix_agent_customer_id", "customer_id"),)

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    username: str = Field(sa_column=Column(String(255), nullable=False, unique=True))
    password_hash: str = Field(sa_column=Column(String(255), nullable=False), repr=False)
    permissions: int
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))


class SigningKey(Table, table=True):
    """A private key that tokens are signed with; the newest signs, all verify."""

    __tablename__ = "signing_key"

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    private_der: bytes = Field(sa_column=Column(LargeBinary(), nullable=False), repr=False)
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
