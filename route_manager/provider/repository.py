"""All SQL about providers. Functions take the transaction they run in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, insert, select, update

from mesh.database import Transaction
from mesh.pagination import PageRequest, page
from route_manager.provider.domain import HealthStatus, Provider, ProviderSettings, ProviderType
from route_manager.provider.models import ProviderRow
from route_manager.tables import table_of

TABLE: Final = table_of(ProviderRow)
"""The table, for statements of other resources that join it."""

_COLUMNS: Final = TABLE.c

_PROVIDER: Final = select(TABLE).where(_COLUMNS.id == bindparam("of"))
# SQLite has one writer and leaves the lock out.
_PROVIDER_IN_SERVICE: Final = _PROVIDER.where(_COLUMNS.tm_delete.is_(None)).with_for_update(
    read=True
)
_IDS_IN_SERVICE: Final = select(_COLUMNS.id).where(
    _COLUMNS.id.in_(bindparam("among", expanding=True)), _COLUMNS.tm_delete.is_(None)
)


async def insert_provider(tx: Transaction, provider: Provider) -> None:
    """Store a new provider."""
    await tx.run(insert(TABLE).values(id=provider.id, **_values(provider)))


async def provider_by_id(tx: Transaction, provider_id: UUID) -> Provider | None:
    """Return the provider, a deleted one, too, or None."""
    row = await tx.one_or_none(_PROVIDER, {"of": provider_id})
    return None if row is None else _provider(row)


async def provider_in_service(tx: Transaction, provider_id: UUID) -> Provider | None:
    """Return the provider unless it is deleted; it cannot be deleted while `tx` lasts."""
    row = await tx.one_or_none(_PROVIDER_IN_SERVICE, {"of": provider_id})
    return None if row is None else _provider(row)


async def ids_in_service(tx: Transaction, provider_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the ids that name providers which are not deleted."""
    rows = await tx.all(_IDS_IN_SERVICE, {"among": list(provider_ids)})
    return {row["id"] for row in rows}


async def provider_page(tx: Transaction, request: PageRequest) -> tuple[Sequence[Provider], str]:
    """Return one page of providers that are not deleted, newest first, and the next token."""
    statement = page(select(TABLE).where(_COLUMNS.tm_delete.is_(None)), TABLE, request)
    rows, token = request.split(await tx.all(statement))
    return [_provider(row) for row in rows], token


async def update_provider(tx: Transaction, provider: Provider) -> bool:
    """Store a changed provider; False when it was deleted meanwhile."""
    statement = (
        update(TABLE)
        .where(_COLUMNS.id == provider.id, _COLUMNS.tm_delete.is_(None))
        .values(**_values(provider))
    )
    return await tx.run(statement) == 1


async def delete_provider(tx: Transaction, provider_id: UUID, now: datetime) -> None:
    """Mark the provider deleted, unless it is already: the first deletion's time stays."""
    await tx.run(
        update(TABLE)
        .where(_COLUMNS.id == provider_id, _COLUMNS.tm_delete.is_(None))
        .values(tm_update=now, tm_delete=now)
    )


def _values(provider: Provider) -> Mapping[str, Any]:
    settings = provider.settings
    return {
        "type": settings.type.value,
        "hostname": settings.hostname,
        "tech_prefix": settings.tech_prefix,
        "tech_postfix": settings.tech_postfix,
        "tech_headers": dict(settings.tech_headers),
        "name": settings.name,
        "detail": settings.detail,
        "codecs": settings.codecs,
        "sip_username": settings.sip_username,
        "sip_password": settings.sip_password,
        "metadata": dict(provider.metadata),
        "health_status": provider.health_status.value,
        "health_checked_at": provider.health_checked_at,
        "tm_create": provider.tm_create,
        "tm_update": provider.tm_update,
        "tm_delete": provider.tm_delete,
    }


def _provider(row: RowMapping) -> Provider:
    settings = ProviderSettings(
        type=ProviderType(row["type"]),
        hostname=row["hostname"],
        tech_prefix=row["tech_prefix"],
        tech_postfix=row["tech_postfix"],
        tech_headers=row["tech_headers"],
        name=row["name"],
        detail=row["detail"],
        codecs=row["codecs"],
        sip_username=row["sip_username"],
        sip_password=row["sip_password"],
    )
    return Provider(
        id=row["id"],
        settings=settings,
        metadata=row["metadata"],
        health_status=HealthStatus(row["health_status"]),
        health_checked_at=row["health_checked_at"],
        tm_create=row["tm_create"],
        tm_update=row["tm_update"],
        tm_delete=row["tm_delete"],
    )
