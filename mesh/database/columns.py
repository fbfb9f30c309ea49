"""Column types that mean the same on SQLite and PostgreSQL, and the base of a service's tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import JSON, MetaData, String, Uuid
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["NAMING_CONVENTION", "Json", "UtcDateTime", "Uuid", "table_registry"]

NAMING_CONVENTION: Final[Mapping[str, str]] = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of constraints, so that migrations can name what they drop."""

_SQLITE_LENGTH: Final = 27
_OFFSET: Final = "+00:00"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time to the microsecond.

    PostgreSQL keeps a `timestamptz`. SQLite keeps the text `YYYY-MM-DDTHH:MM:SS.ffffffZ`, whose
    order is the order of time. A naive time is refused with ValueError.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's own type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(String(_SQLITE_LENGTH))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write the time; any zone is converted to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        moment = value if value.tzinfo is UTC else value.astimezone(UTC)
        if dialect.name == "postgresql":
            return moment
        return moment.isoformat(timespec="microseconds").removesuffix(_OFFSET) + "Z"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read the time back, aware and in UTC."""
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return datetime.fromisoformat(value)


def Json() -> TypeEngine[Any]:  # noqa: N802  (it stands where types stand)
    """Return a column type for JSON values; `None` is SQL's NULL."""
    return JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def table_registry() -> registry:
    """Return a registry of its own for one service's models.

    Two services' models in one process then never share a MetaData:

        class Table(SQLModel, registry=table_registry()):
            \"\"\"The base of this service's tables.\"\"\"
    """
    return registry(metadata=MetaData(naming_convention=dict(NAMING_CONVENTION)))
