"""All SQL about health. Functions take the transaction they run in.

A check begins with a claim, a conditional UPDATE: of several replicas, and of the clock and an
administrator, one makes it. The claim is a lease, so that a process that dies holds nothing up, and
its end is the claim's name: what is recorded after it was lost counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, and_, delete, insert, literal, or_, select, tuple_, update

from mesh.database import Transaction
from mesh.pagination import PageRequest, page
from route_manager.health.domain import Answer, Health, HealthCheck, Target
from route_manager.health.models import ProviderHealthCheckRow
from route_manager.provider.domain import HealthStatus, ProviderSettings, Transport
from route_manager.provider.repository import TABLE as PROVIDERS
from route_manager.tables import table_of

CHECKS: Final = table_of(ProviderHealthCheckRow)

_PROVIDER: Final = PROVIDERS.c
_CHECK: Final = CHECKS.c
_ALIVE: Final = _PROVIDER.tm_delete.is_(None)
_CLAIMED: Final = (
    _PROVIDER.id,
    _PROVIDER.hostname,
    _PROVIDER.port,
    _PROVIDER.transport,
    _PROVIDER.outbound_proxy,
    _PROVIDER.tls_ca,
    _PROVIDER.health_codes,
    _PROVIDER.health_status,
    _PROVIDER.health_streak,
    _PROVIDER.health_leased_until,
)
"""What a claim tells, and what is compared when its check is recorded."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to ask one provider, until it runs out."""

    target: Target
    until: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a provider, read to be changed."""

    claim: Claim | None
    """The one that holds now."""
    health: Health


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is looked for providers, and how far from it what is stored can lie.

    What lies beyond was written by a clock that was set back since, or for a longer interval: it
    would hold checks up for as long.
    """

    now: datetime
    due_latest: datetime
    lease_latest: datetime


async def due(tx: Transaction, at: Moment, most: int) -> Sequence[tuple[UUID, datetime | None]]:
    """Return the providers that are to be asked, the longest overdue first, with their times."""
    statement = (
        select(_PROVIDER.id, _PROVIDER.health_due_at)
        .where(_is_due(at), _is_free(at))
        .order_by(_PROVIDER.health_due_at.is_not(None), _PROVIDER.health_due_at, _PROVIDER.id)
        .limit(most)
    )
    return [(row["id"], row["health_due_at"]) for row in await tx.all(statement)]


async def claim_due(
    tx: Transaction, provider_id: UUID, at: Moment, until: datetime, next_due: datetime
) -> Claim | None:
    """Claim a provider that is to be asked; None when somebody else was faster."""
    statement = (
        update(PROVIDERS)
        .where(_PROVIDER.id == provider_id, _is_due(at), _is_free(at))
        .values(health_leased_until=until, health_due_at=next_due)
        .returning(*_CLAIMED)
    )
    return _claim(await tx.one_or_none(statement))


async def claim_requested(
    tx: Transaction, provider_id: UUID, at: Moment, until: datetime, apart: timedelta
) -> Claim | None:
    """Claim a provider that an administrator asks about; None when it is too soon, or gone."""
    checked_at = _PROVIDER.health_checked_at
    statement = (
        update(PROVIDERS)
        .where(
            _PROVIDER.id == provider_id,
            _ALIVE,
            _is_free(at),
            or_(checked_at.is_(None), checked_at <= at.now - apart, checked_at > at.now),
        )
        .values(health_leased_until=until)
        .returning(*_CLAIMED)
    )
    return _claim(await tx.one_or_none(statement))


async def standing(tx: Transaction, provider_id: UUID) -> Standing | None:
    """Return what is known of a provider, which stays so while `tx` lasts; None when deleted."""
    statement = select(*_CLAIMED).where(_PROVIDER.id == provider_id, _ALIVE).with_for_update()
    row = await tx.one_or_none(statement)
    if row is None:
        return None
    held = row["health_leased_until"]
    health = Health(HealthStatus(row["health_status"]), row["health_streak"])
    return Standing(_claim(row) if held is not None else None, health)


async def record(tx: Transaction, check: HealthCheck, before: Health, after: Health) -> None:
    """Store a check, and what it makes of its provider; the claim ends."""
    values = {
        "health_status": after.status.value,
        "health_streak": after.streak,
        "health_checked_at": check.tm_create,
        "health_latency_ms": check.answer.latency_ms,
        "health_detail": check.detail,
        "health_leased_until": None,
    }
    if after.status is not before.status:
        values["health_changed_at"] = check.tm_create
    # Never tm_update: nobody has changed the provider.
    await tx.run(update(PROVIDERS).where(_PROVIDER.id == check.provider_id).values(**values))
    await tx.run(insert(CHECKS).values(**_values(check)))


async def release(tx: Transaction, claim: Claim) -> None:
    """Give a claim back without a check: its provider is to be asked, as if it were a new one."""
    held = (
        _PROVIDER.id == claim.target.provider_id,
        _PROVIDER.health_leased_until == claim.until,
    )
    await tx.run(
        update(PROVIDERS).where(*held).values(health_leased_until=None, health_due_at=None)
    )


async def exists(tx: Transaction, provider_id: UUID, *, deleted: bool) -> bool:
    """Tell whether there is such a provider; with `deleted` those that are deleted count, too."""
    statement = select(_PROVIDER.id).where(_PROVIDER.id == provider_id)
    if not deleted:
        statement = statement.where(_ALIVE)
    return await tx.one_or_none(statement) is not None


async def check_page(
    tx: Transaction, provider_id: UUID, request: PageRequest
) -> tuple[Sequence[HealthCheck], str]:
    """Return one page of a provider's checks, newest first, and the next page's token."""
    statement = select(CHECKS).where(_CHECK.provider_id == provider_id)
    rows, token = request.split(await tx.all(page(statement, CHECKS, request)))
    return [_check(row) for row in rows], token


async def statuses(tx: Transaction, most: int) -> Mapping[UUID, HealthStatus]:
    """Return the status of every provider that is not deleted, `most` of them."""
    statement = select(_PROVIDER.id, _PROVIDER.health_status).where(_ALIVE).limit(most)
    return {row["id"]: HealthStatus(row["health_status"]) for row in await tx.all(statement)}


async def provider_ids(tx: Transaction, after: UUID | None, most: int) -> Sequence[UUID]:
    """Return the ids of some providers, deleted ones, too, in their order, after one of them."""
    statement = select(_PROVIDER.id).order_by(_PROVIDER.id).limit(most)
    if after is not None:
        statement = statement.where(_PROVIDER.id > after)
    return [row["id"] for row in await tx.all(statement)]


async def forget(
    tx: Transaction, provider_id: UUID, *, before: datetime, keep: int, most: int
) -> int:
    """Remove checks of a provider that are older than `before` or beyond the newest `keep`.

    `most` are removed at once; return how many were.
    """
    newest_first = (_CHECK.tm_create.desc(), _CHECK.id.desc())
    of_provider = select(_CHECK.id, _CHECK.tm_create).where(_CHECK.provider_id == provider_id)
    beyond = await tx.one_or_none(of_provider.order_by(*newest_first).offset(keep).limit(1))
    too_old = _CHECK.tm_create < before
    if beyond is not None:
        end = tuple_(
            literal(beyond["tm_create"], _CHECK.tm_create.type),
            literal(beyond["id"], _CHECK.id.type),
        )
        too_old = or_(too_old, tuple_(_CHECK.tm_create, _CHECK.id) <= end)
    oldest = of_provider.where(too_old).order_by(_CHECK.tm_create, _CHECK.id).limit(most)
    found = [row["id"] for row in await tx.all(oldest)]
    if found:
        await tx.run(delete(CHECKS).where(_CHECK.id.in_(found)))
    return len(found)


def _is_due(at: Moment) -> Any:
    due_at = _PROVIDER.health_due_at
    return and_(
        _ALIVE,
        _PROVIDER.health_checks_paused.is_(False),
        or_(due_at.is_(None), due_at <= at.now, due_at > at.due_latest),
    )


def _is_free(at: Moment) -> Any:
    until = _PROVIDER.health_leased_until
    return or_(until.is_(None), until <= at.now, until > at.lease_latest)


def _claim(row: RowMapping | None) -> Claim | None:
    if row is None:
        return None
    reached_by = ProviderSettings(
        hostname=row["hostname"],
        port=row["port"],
        transport=Transport(row["transport"]),
        outbound_proxy=row["outbound_proxy"],
        tls_ca=row["tls_ca"],
    )
    target = Target(row["id"], reached_by, tuple(row["health_codes"]))
    return Claim(target, row["health_leased_until"])


def _values(check: HealthCheck) -> Mapping[str, Any]:
    answer = check.answer
    return {
        "id": check.id,
        "provider_id": check.provider_id,
        "healthy": check.healthy,
        "status": check.status.value,
        "requested": check.requested,
        "sip_code": answer.code,
        "sip_reason": answer.reason_phrase,
        "latency_ms": answer.latency_ms,
        "transport": answer.transport,
        "remote_address": answer.remote_address,
        "dns": [dict(record) for record in answer.dns],
        "tls": None if answer.tls is None else dict(answer.tls),
        "detail": check.detail,
        "tm_create": check.tm_create,
    }


def _check(row: RowMapping) -> HealthCheck:
    return HealthCheck(
        id=row["id"],
        provider_id=row["provider_id"],
        healthy=row["healthy"],
        status=HealthStatus(row["status"]),
        requested=row["requested"],
        detail=row["detail"],
        tm_create=row["tm_create"],
        answer=Answer(
            code=row["sip_code"],
            reason_phrase=row["sip_reason"],
            latency_ms=row["latency_ms"],
            transport=row["transport"],
            remote_address=row["remote_address"],
            dns=row["dns"],
            tls=row["tls"],
        ),
    )
