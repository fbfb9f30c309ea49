"""What an agent is. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AgentDraft:
    """What a new agent is to be."""

    customer_id: UUID | None
    """None: the caller's own customer."""
    username: str
    password: str = field(repr=False)
    name: str
    detail: str
    permissions: int


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """A person who signs in, without its password."""

    id: UUID
    customer_id: UUID
    username: str
    name: str
    detail: str
    permissions: int
    tm_create: datetime
    tm_update: datetime | None
    tm_delete: datetime | None
