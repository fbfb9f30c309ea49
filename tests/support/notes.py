"""A table of no use: what the database, migrations and pages are tested with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Table
from sqlmodel import Field, SQLModel

from mesh.clock import new_id
from mesh.database import Json, UtcDateTime, Uuid, table_registry

MIGRATIONS = Path(__file__).parents[1] / "unit" / "mesh" / "migrations"


class NotesTable(SQLModel, registry=table_registry()):
    """The base of the tests' tables."""


class Note(NotesTable, table=True):
    __table_args__ = (Index("ix_note_tm_create_id", "tm_create", "id"),)

    id: UUID = Field(primary_key=True, sa_type=Uuid)
    tm_create: datetime = Field(sa_type=UtcDateTime)
    text: str = Field(unique=True)
    count: int = 0
    facts: dict[str, Any] | None = Field(default=None, sa_type=Json())


NOTES: Table = Note.__table__  # type: ignore[attr-defined]


def a_note(text: str, **values: Any) -> dict[str, Any]:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    return {"id": new_id(), "tm_create": moment, "text": text, "count": 0, **values}
