"""The base of this service's tables, so that they share one MetaData and no other service's."""

from __future__ import annotations

from sqlmodel import SQLModel

from mesh.database import table_registry


class Table(SQLModel, registry=table_registry()):
    """The base of this service's tables."""
