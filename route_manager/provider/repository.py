"""All SQL about providers. Functions take the transaction they run in.

Secrets are sealed on their way in and opened on their way out (`vault.py`); who needs none of a
provider's settings needs no vault.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, delete, insert, select, update

from mesh.database import Transaction
from mesh.pagination import PageRequest, page
from route_manager.provider.domain import (
    HealthStatus,
    NumberFormat,
    OwnHost,
    Provider,
    ProviderSettings,
    ProviderType,
    Transport,
    own_hosts,
)
from route_manager.provider.models import ProviderHostRow, ProviderRow
from route_manager.provider.vault import StoredSecrets, Vault
from route_manager.route.models import RouteRow
from route_manager.tables import table_of

TABLE: Final = table_of(ProviderRow)
"""The table, for statements of other resources that join it."""

_COLUMNS: Final = TABLE.c
_ROUTES: Final = table_of(RouteRow)
_HOSTS: Final = table_of(ProviderHostRow)

_PROVIDER: Final = select(TABLE).where(_COLUMNS.id == bindparam("of"))
_SECRETS: Final = select(
    _COLUMNS.id, _COLUMNS.tech_headers, _COLUMNS.sip_password, _COLUMNS.sealed_by
)
_LIVING: Final = select(_COLUMNS.id).where(
    _COLUMNS.id == bindparam("of"), _COLUMNS.tm_delete.is_(None)
)
# SQLite has one writer and leaves the lock out.
_LIVING_HELD: Final = _LIVING.with_for_update(read=True)
_PROVIDER_IN_SERVICE: Final = _PROVIDER.where(_COLUMNS.tm_delete.is_(None)).with_for_update(
    read=True
)
_IDS_IN_SERVICE: Final = select(_COLUMNS.id).where(
    _COLUMNS.id.in_(bindparam("among", expanding=True)), _COLUMNS.tm_delete.is_(None)
)

_HOSTS_IN_SERVICE: Final = (
    select(_HOSTS.c.host, _HOSTS.c.port)
    .distinct()
    .join(TABLE, _COLUMNS.id == _HOSTS.c.provider_id)
    .where(_HOSTS.c.host.in_(bindparam("among", expanding=True)), _COLUMNS.tm_delete.is_(None))
)


async def insert_provider(tx: Transaction, vault: Vault, provider: Provider) -> None:
    """Store a new provider."""
    await tx.run(insert(TABLE).values(id=provider.id, **_values(vault, provider)))
    await _insert_hosts(tx, provider)


async def _insert_hosts(tx: Transaction, provider: Provider) -> None:
    for one in own_hosts(provider.settings):
        values = {"host": one.host, "port": one.port, "provider_id": provider.id}
        await tx.run(insert(_HOSTS).values(values))


async def hosts_in_service(tx: Transaction, hosts: Collection[str]) -> set[OwnHost]:
    """Return where providers that are not deleted are, of these comparable hosts."""
    rows = await tx.all(_HOSTS_IN_SERVICE, {"among": list(hosts)})
    return {OwnHost(row["host"], row["port"]) for row in rows}


async def provider_by_id(tx: Transaction, vault: Vault, provider_id: UUID) -> Provider | None:
    """Return the provider, a deleted one, too, or None. Raises ProviderSecretsUnreadable."""
    row = await tx.one_or_none(_PROVIDER, {"of": provider_id})
    return None if row is None else _provider(vault, row)


async def provider_without_secrets(tx: Transaction, provider_id: UUID) -> Provider | None:
    """Return the provider without headers and password, a deleted one, too, or None."""
    row = await tx.one_or_none(_PROVIDER, {"of": provider_id})
    return None if row is None else _opened(row, {}, "")


async def provider_in_service(tx: Transaction, vault: Vault, provider_id: UUID) -> Provider | None:
    """Return the provider unless it is deleted; it cannot be deleted while `tx` lasts.

    Raises ProviderSecretsUnreadable.
    """
    row = await tx.one_or_none(_PROVIDER_IN_SERVICE, {"of": provider_id})
    return None if row is None else _provider(vault, row)


async def is_in_service(tx: Transaction, provider_id: UUID) -> bool:
    """Tell whether there is such a provider; it cannot be deleted while `tx` lasts."""
    return await tx.one_or_none(_LIVING_HELD, {"of": provider_id}) is not None


async def ids_in_service(tx: Transaction, provider_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the ids that name providers which are not deleted."""
    rows = await tx.all(_IDS_IN_SERVICE, {"among": list(provider_ids)})
    return {row["id"] for row in rows}


async def provider_page(
    tx: Transaction, vault: Vault, request: PageRequest, among: Collection[UUID] | None
) -> tuple[Sequence[Provider], str]:
    """Return one page of providers that are not deleted, newest first, and the next token.

    `among` None means all of them. Raises ProviderSecretsUnreadable.
    """
    statement = select(TABLE).where(_COLUMNS.tm_delete.is_(None))
    if among is not None:
        statement = statement.where(_COLUMNS.id.in_(among))
    rows, token = request.split(await tx.all(page(statement, TABLE, request)))
    return [_provider(vault, row) for row in rows], token


async def update_provider(tx: Transaction, vault: Vault, provider: Provider) -> bool:
    """Store a changed provider; False when it was deleted meanwhile."""
    values = dict(_values(vault, provider))
    if provider.health_checked_at is None:
        # Nothing is known of its health, perhaps no more: it is to be asked as if it were new.
        values.update(health_due_at=None, health_streak=0)
    statement = (
        update(TABLE)
        .where(_COLUMNS.id == provider.id, _COLUMNS.tm_delete.is_(None))
        .values(**values)
    )
    if await tx.run(statement) != 1:
        return False
    await tx.run(delete(_HOSTS).where(_HOSTS.c.provider_id == provider.id))
    await _insert_hosts(tx, provider)
    return True


async def delete_provider(tx: Transaction, provider_id: UUID, now: datetime) -> bool:
    """Mark the provider deleted; False when it was already: the first deletion's time stays."""
    statement = (
        update(TABLE)
        .where(_COLUMNS.id == provider_id, _COLUMNS.tm_delete.is_(None))
        .values(tm_update=now, tm_delete=now)
    )
    return await tx.run(statement) == 1


async def routes_to(tx: Transaction, provider_id: UUID, most: int) -> Sequence[UUID]:
    """Return the ids of the oldest routes that name a provider and are not deleted."""
    living = (_ROUTES.c.provider_id == provider_id, _ROUTES.c.tm_delete.is_(None))
    rows = await tx.all(select(_ROUTES.c.id).where(*living).order_by(_ROUTES.c.id).limit(most))
    return [row["id"] for row in rows]


async def seals(tx: Transaction) -> set[str | None]:
    """Return the ids of the keys that something is sealed with; None for what is not sealed."""
    rows = await tx.all(select(_COLUMNS.sealed_by).distinct())
    return {row["sealed_by"] for row in rows}


async def to_be_sealed(
    tx: Transaction, newest: str | None, most: int, by: str | None = None
) -> Sequence[StoredSecrets]:
    """Return the secrets of some providers, deleted ones, too, that another key sealed.

    That is any other key than the newest, or the one that is named. Without a newest, those that
    none has sealed.
    """
    seal = _COLUMNS.sealed_by
    wanted = seal.is_(None) if newest is None else seal.is_distinct_from(newest)
    if by is not None:
        wanted &= seal == by
    rows = await tx.all(_SECRETS.where(wanted).order_by(_COLUMNS.id).limit(most))
    return [StoredSecrets(**row) for row in rows]


async def replace_secrets(tx: Transaction, old: StoredSecrets, new: StoredSecrets) -> bool:
    """Store secrets sealed anew; False when they were changed meanwhile."""
    # A sealed value is never made twice, so an equal one is the very same.
    unchanged = (
        _COLUMNS.id == old.id,
        _COLUMNS.sealed_by.is_not_distinct_from(old.sealed_by),
        _COLUMNS.tech_headers == old.tech_headers,
        _COLUMNS.sip_password == old.sip_password,
    )
    values = {
        "tech_headers": new.tech_headers,
        "sip_password": new.sip_password,
        "sealed_by": new.sealed_by,
    }
    return await tx.run(update(TABLE).where(*unchanged).values(**values)) == 1


def _values(vault: Vault, provider: Provider) -> Mapping[str, Any]:
    settings = provider.settings
    secrets = vault.seal(provider.id, settings.tech_headers, settings.sip_password)
    return {
        "type": settings.type.value,
        "hostname": settings.hostname,
        "tech_prefix": settings.tech_prefix,
        "tech_postfix": settings.tech_postfix,
        "tech_headers": secrets.tech_headers,
        "secret_headers": list(settings.secret_headers),
        "name": settings.name,
        "detail": settings.detail,
        "codecs": settings.codecs,
        "sip_username": settings.sip_username,
        "sip_password": secrets.sip_password,
        "sealed_by": secrets.sealed_by,
        "transport": settings.transport.value,
        "port": settings.port,
        "outbound_proxy": settings.outbound_proxy,
        "tls_ca": settings.tls_ca,
        "session_expires": settings.session_expires,
        "number_format": settings.number_format.value,
        "failover_codes": list(settings.failover_codes),
        "health_codes": list(settings.health_codes),
        "health_affects_routing": settings.health_affects_routing,
        "health_checks_paused": settings.health_checks_paused,
        "calls_per_second": settings.calls_per_second,
        "calls_at_once": settings.calls_at_once,
        "duration_max": settings.duration_max,
        "metadata": dict(provider.metadata),
        "health_status": provider.health_status.value,
        "health_checked_at": provider.health_checked_at,
        "health_changed_at": provider.health_changed_at,
        "health_latency_ms": provider.health_latency_ms,
        "health_detail": provider.health_detail,
        "tm_create": provider.tm_create,
        "tm_update": provider.tm_update,
        "tm_delete": provider.tm_delete,
    }


def _provider(vault: Vault, row: RowMapping) -> Provider:
    stored = StoredSecrets(row["id"], row["tech_headers"], row["sip_password"], row["sealed_by"])
    return _opened(row, *vault.open(stored))


def _opened(row: RowMapping, headers: Mapping[str, str], password: str) -> Provider:
    settings = ProviderSettings(
        type=ProviderType(row["type"]),
        hostname=row["hostname"],
        tech_prefix=row["tech_prefix"],
        tech_postfix=row["tech_postfix"],
        tech_headers=headers,
        name=row["name"],
        detail=row["detail"],
        codecs=row["codecs"],
        sip_username=row["sip_username"],
        sip_password=password,
        secret_headers=tuple(row["secret_headers"]),
        transport=Transport(row["transport"]),
        port=row["port"],
        outbound_proxy=row["outbound_proxy"],
        tls_ca=row["tls_ca"],
        session_expires=row["session_expires"],
        number_format=NumberFormat(row["number_format"]),
        failover_codes=tuple(row["failover_codes"]),
        health_codes=tuple(row["health_codes"]),
        health_affects_routing=row["health_affects_routing"],
        health_checks_paused=row["health_checks_paused"],
        calls_per_second=row["calls_per_second"],
        calls_at_once=row["calls_at_once"],
        duration_max=row["duration_max"],
    )
    return Provider(
        id=row["id"],
        settings=settings,
        metadata=row["metadata"],
        health_status=HealthStatus(row["health_status"]),
        health_checked_at=row["health_checked_at"],
        health_changed_at=row["health_changed_at"],
        health_latency_ms=row["health_latency_ms"],
        health_detail=row["health_detail"],
        tm_create=row["tm_create"],
        tm_update=row["tm_update"],
        tm_delete=row["tm_delete"],
    )
