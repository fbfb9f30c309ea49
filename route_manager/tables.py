"""What all tables of this service share: their base, their kinds of columns, one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, text
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import Field, SQLModel

from mesh.database import Json, UtcDateTime, Uuid, table_registry
from mesh.database import insert_if_absent as mesh_insert


class RouteTable(SQLModel, registry=table_registry()):
    """The base of this service's tables; their MetaData is shared with no other service."""


def table_of(model: type[RouteTable]) -> Table:
    """Return a model's table, on which all statements are written (DESIGN.md, Storage)."""
    table: Table = vars(model)["__table__"]
    return table


def listed_by(*columns: str) -> Index:
    """Return the index of a list, newest first, by these columns.

    It holds what the list shows and nothing else, or a page would look at every deleted row
    between two that it shows.
    """
    alive = text("tm_delete IS NULL")
    return Index(None, *columns, "tm_create", "id", sqlite_where=alive, postgresql_where=alive)


def key_column() -> Any:
    """Return the primary key: a UUID that the service mints."""
    return Field(sa_column=Column(Uuid(), primary_key=True))


def uuid_column(*, nullable: bool = False) -> Any:
    """Return a column of UUIDs."""
    return Field(default=None, sa_column=Column(Uuid(), nullable=nullable))


def string_column(length: int, *, nullable: bool = False) -> Any:
    """Return a column of texts whose length the contract limits."""
    return Field(default=None, sa_column=Column(String(length), nullable=nullable))


def text_column() -> Any:
    """Return a column of longer texts, limited by the contract or by the rules."""
    return Field(default=None, sa_column=Column(Text(), nullable=False))


def integer_column(*, nullable: bool = False) -> Any:
    """Return a column of 32-bit integers."""
    return Field(default=None, sa_column=Column(Integer(), nullable=nullable))


def boolean_column() -> Any:
    """Return a column of truths."""
    return Field(default=None, sa_column=Column(Boolean(), nullable=False))


def bytes_column(*, nullable: bool = False) -> Any:
    """Return a column of octets."""
    return Field(default=None, sa_column=Column(LargeBinary(), nullable=nullable))


def json_column(*, nullable: bool = False) -> Any:
    """Return a column of JSON values."""
    return Field(default=None, sa_column=Column(Json(), nullable=nullable))


def time_column(*, nullable: bool = True) -> Any:
    """Return a column of aware UTC times."""
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=nullable))


def insert_if_absent(
    table: Table, values: Mapping[str, Any], unique: Sequence[str]
) -> ReturningInsert[Any]:
    """Return an INSERT that does nothing where the `unique` columns are taken.

    It returns the new row, or none. SQLite and PostgreSQL share this syntax, and SQLAlchemy
    compiles PostgreSQL's construct for both; a test holds it to that.
    """
    return mesh_insert(table, *unique).values(**values).returning(table)
