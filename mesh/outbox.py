"""Events: what changed, written in the transaction that changed it, so that neither is ever alone.

Each service has one table of its own, made by `Outbox`. An event lives as long as the resource it
tells of; deletes are soft, so that is for as long as the database. Readers go by pages, newest
first, and never trust that a greater id was committed later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Column,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Select,
    String,
    Table,
    bindparam,
    insert,
    select,
)

from mesh.clock import minted_at, new_id
from mesh.database import Transaction, UtcDateTime, Uuid
from mesh.pagination import PageRequest, page

DATA_BYTES_MAX: Final = 64 * 1024
"""The most that is kept of a resource with an event; the data of a larger one is left out."""

EVENTS_PAGE_MAX: Final = 1000
"""The largest page of a timeline (contract section 2.12)."""

TABLE: Final = "event"
TYPE_CHARACTERS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one resource, to be stored."""

    event_type: str
    """What happened: `<resource>_<change>`, at most 64 characters."""
    resource_type: str
    """The resource's kind, one word of at most 64 characters."""
    resource_id: UUID
    customer_id: UUID
    data: bytes
    """The resource as it is after the change: a serialized message of the service's contract."""
    group_id: UUID | None = None
    """What the events of several resources are read together by; None for nothing."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as its row stands."""

    id: UUID
    event_type: str
    resource_type: str
    resource_id: UUID
    customer_id: UUID
    data: bytes | None
    """None when it was larger than `DATA_BYTES_MAX`."""
    group_id: UUID | None
    tm_create: datetime
    """When it was written, to the millisecond."""


class Outbox:
    """A service's events: their table, and all statements over it."""

    def __init__(self, metadata: MetaData) -> None:
        """Add the table to the service's `metadata`; once per service."""
        self.table: Final = Table(
            TABLE,
            metadata,
            Column("id", Uuid(), nullable=False),
            Column("event_type", String(TYPE_CHARACTERS_MAX), nullable=False),
            Column("resource_type", String(TYPE_CHARACTERS_MAX), nullable=False),
            Column("resource_id", Uuid(), nullable=False),
            Column("customer_id", Uuid(), nullable=False),
            Column("data", LargeBinary(), nullable=True),
            Column("group_id", Uuid(), nullable=True),
            Column("tm_create", UtcDateTime(), nullable=False),
            PrimaryKeyConstraint("id"),
            Index(None, "resource_id", "tm_create", "id"),
            Index(None, "group_id", "tm_create", "id"),
        )
        columns = self.table.c
        self._insert = insert(self.table)
        self._of_resource = select(self.table).where(
            columns.resource_type == bindparam("of_type"), columns.resource_id == bindparam("of")
        )
        self._of_group = select(self.table).where(columns.group_id == bindparam("of"))

    async def append(self, tx: Transaction, *events: Event) -> None:
        """Store events, in the order given, in the transaction that made the changes."""
        if events:
            await tx.run(self._insert, [_values(event) for event in events])

    async def by_resource(
        self, tx: Transaction, resource_type: str, resource_id: UUID, request: PageRequest
    ) -> tuple[tuple[StoredEvent, ...], str]:
        """Return a page of one resource's events, newest first, and the next page's token."""
        found = {"of_type": resource_type, "of": resource_id}
        return await self._page(tx, self._of_resource, found, request)

    async def by_group(
        self, tx: Transaction, group_id: UUID, request: PageRequest
    ) -> tuple[tuple[StoredEvent, ...], str]:
        """Return a page of a group's events, newest first, and the next page's token."""
        return await self._page(tx, self._of_group, {"of": group_id}, request)

    async def _page(
        self, tx: Transaction, which: Select[Any], found: dict[str, Any], request: PageRequest
    ) -> tuple[tuple[StoredEvent, ...], str]:
        rows, token = request.split(await tx.all(page(which, self.table, request), found))
        return tuple(StoredEvent(**row) for row in rows), token


def _values(event: Event) -> dict[str, Any]:
    # The time is the id's own, so that events of one process sort as they were written.
    event_id = new_id()
    kept = event.data if len(event.data) <= DATA_BYTES_MAX else None
    # Spelled out: `asdict` copies deeply, which costs more than the rest of an event.
    return {
        "id": event_id,
        "event_type": event.event_type,
        "resource_type": event.resource_type,
        "resource_id": event.resource_id,
        "customer_id": event.customer_id,
        "data": kept,
        "group_id": event.group_id,
        "tm_create": minted_at(event_id),
    }
