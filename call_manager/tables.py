"""The base of this service's tables, so that they share one MetaData and no other service's."""

from __future__ import annotations

from typing import Final

from sqlmodel import SQLModel

from mesh.database import table_registry
from mesh.outbox import Outbox


class Table(SQLModel, registry=table_registry()):
    """The base of this service's tables."""


EVENTS: Final = Outbox(Table.metadata)
"""What happened to this service's resources."""
