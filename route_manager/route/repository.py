"""All SQL about routes. Functions take the transaction they run in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Integer,
    RowMapping,
    Select,
    and_,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)

from mesh.database import Transaction
from mesh.pagination import PageRequest, page
from route_manager.provider import repository as providers
from route_manager.provider.domain import HealthStatus
from route_manager.route.dialroute import (
    DIALROUTES_MAX,
    Candidate,
    InService,
    ProviderCaps,
)
from route_manager.route.domain import (
    ALL,
    DEFAULT_CUSTOMER_ID,
    Route,
    RouteFilter,
    RouteSettings,
)
from route_manager.route.models import RouteRow
from route_manager.tables import table_of

TABLE: Final = table_of(RouteRow)

_COLUMNS: Final = TABLE.c

_CUSTOMER: Final = bindparam("customer", type_=_COLUMNS.customer_id.type)

# With each of two owners and sixteen targets a provider stands once, so that so many rows always
# hold eight different providers, if there are eight.
_CANDIDATES_MAX: Final = 2 * 16 * DIALROUTES_MAX


async def insert_route(tx: Transaction, route: Route) -> None:
    """Store a new route."""
    await tx.run(insert(TABLE).values(id=route.id, **_values(route)))


async def route_by_id(tx: Transaction, route_id: UUID) -> Route | None:
    """Return the route, a deleted one, too, or None."""
    row = await tx.one_or_none(select(TABLE).where(_COLUMNS.id == route_id))
    return None if row is None else _route(row)


async def route_page(
    tx: Transaction, request: PageRequest, wanted: RouteFilter
) -> tuple[Sequence[Route], str]:
    """Return one page of routes that are not deleted, newest first, and the next token."""
    statement = select(TABLE).where(_COLUMNS.tm_delete.is_(None))
    if wanted.customer_id is not None:
        statement = statement.where(_COLUMNS.customer_id == wanted.customer_id)
    if wanted.provider_id is not None:
        statement = statement.where(_COLUMNS.provider_id == wanted.provider_id)
    if wanted.allowed_providers is not None:
        statement = statement.where(_COLUMNS.provider_id.in_(wanted.allowed_providers))
    rows, token = request.split(await tx.all(page(statement, TABLE, request)))
    return [_route(row) for row in rows], token


async def update_route(
    tx: Transaction, route_id: UUID, changes: Mapping[str, Any], now: datetime
) -> Route | None:
    """Change some settings of a route, by name; None when it is deleted.

    What is not named is not written: somebody else may be changing it.
    """
    statement = (
        update(TABLE)
        .where(_COLUMNS.id == route_id, _COLUMNS.tm_delete.is_(None))
        .values(**changes, tm_update=now)
        .returning(TABLE)
    )
    row = await tx.one_or_none(statement)
    return None if row is None else _route(row)


async def delete_route(tx: Transaction, route_id: UUID, now: datetime) -> None:
    """Mark the route deleted, unless it is already: the first deletion's time stays."""
    await tx.run(
        update(TABLE)
        .where(_COLUMNS.id == route_id, _COLUMNS.tm_delete.is_(None))
        .values(tm_update=now, tm_delete=now)
    )


async def candidates_to_try(
    tx: Transaction, customer_id: UUID, targets: Sequence[str]
) -> Sequence[Candidate]:
    """Return the routes for one of the targets that a call can be tried on.

    Neither they nor their providers are deleted. Of several routes of one owner and target to
    one provider only the first is returned, so that the rows are few whatever the table holds.
    """
    return await _candidates(tx, TO_TRY, customer_id, targets)


async def candidates_to_explain(
    tx: Transaction, customer_id: UUID, targets: Sequence[str], limit: int
) -> Sequence[Candidate]:
    """Return the first `limit` routes for one of the targets, in the order of the rules.

    They are not deleted; their providers may be.
    """
    return await _candidates(tx, TO_EXPLAIN, customer_id, targets, limit=limit)


async def _candidates(
    tx: Transaction, statement: Select[Any], customer_id: UUID, targets: Sequence[str], **more: int
) -> Sequence[Candidate]:
    question = {"customer": customer_id, "targets": list(targets), **more}
    return [
        Candidate(
            _route(row),
            row["provider_name"],
            row["provider_in_service"],
            row["provider_shunned"],
            _caps(row),
        )
        for row in await tx.all(statement, question)
    ]


async def in_service(tx: Transaction, provider_ids: Collection[UUID]) -> Mapping[UUID, InService]:
    """Return what a question wants to know of those providers that are not deleted."""
    rows = await tx.all(_IN_SERVICE, {"among": list(provider_ids)})
    return {row["id"]: InService(row["name"], _caps(row)) for row in rows}


def _caps(row: RowMapping) -> ProviderCaps:
    return ProviderCaps(row["calls_per_second"], row["calls_at_once"], row["duration_max"])


_SHUNNED: Final = and_(
    providers.TABLE.c.health_affects_routing,
    providers.TABLE.c.health_status == HealthStatus.UNHEALTHY.value,
)

_CAPS: Final = (
    providers.TABLE.c.calls_per_second,
    providers.TABLE.c.calls_at_once,
    providers.TABLE.c.duration_max,
)


def _matching() -> Select[Any]:
    """Select the routes of `customer`, and everybody's, for one of `targets`."""
    provider = providers.TABLE.c
    return (
        select(
            TABLE,
            provider.name.label("provider_name"),
            provider.tm_delete.is_(None).label("provider_in_service"),
            _SHUNNED.label("provider_shunned"),
            *_CAPS,
        )
        .join(providers.TABLE, provider.id == _COLUMNS.provider_id)
        .where(
            # With both, the index on customer and target finds the few rows among all.
            _COLUMNS.customer_id.in_((_CUSTOMER, DEFAULT_CUSTOMER_ID)),
            _COLUMNS.target.in_(bindparam("targets", expanding=True)),
            _COLUMNS.tm_delete.is_(None),
        )
    )


def _first_copies() -> Any:
    """Return what `_matching` selects without deleted providers and without copies."""
    copy = func.row_number().over(
        partition_by=(_COLUMNS.customer_id, _COLUMNS.target, _COLUMNS.provider_id),
        order_by=_newest_of_priority(_COLUMNS),
    )
    living = _matching().where(providers.TABLE.c.tm_delete.is_(None))
    return living.add_columns(copy.label("copy")).subquery()


def _newest_of_priority(columns: Any) -> tuple[Any, ...]:
    return columns.priority, columns.tm_create.desc(), columns.id.desc()


def _by_the_rules(columns: Any) -> tuple[Any, ...]:
    """Order as `domain.consider` does."""
    return (
        case((columns.customer_id == _CUSTOMER, 0), else_=1),
        case((columns.target == ALL, 0), else_=func.length(columns.target)).desc(),
        *_newest_of_priority(columns),
    )


def _to_try() -> Select[Any]:
    found = _first_copies()
    first = select(found).where(found.c.copy == 1)
    # Those who are passed by come last, or they could crowd out whoever is left.
    order = (found.c.provider_shunned, *_by_the_rules(found.c))
    return first.order_by(*order).limit(_CANDIDATES_MAX)


_IN_SERVICE: Final = select(providers.TABLE.c.id, providers.TABLE.c.name, *_CAPS).where(
    providers.TABLE.c.id.in_(bindparam("among", expanding=True)),
    providers.TABLE.c.tm_delete.is_(None),
)
TO_TRY: Final = _to_try()
"""Asks for `candidates_to_try`."""

TO_EXPLAIN: Final = (
    _matching().order_by(*_by_the_rules(_COLUMNS)).limit(bindparam("limit", type_=Integer()))
)
"""Asks for `candidates_to_explain`."""


def _values(route: Route) -> Mapping[str, Any]:
    settings = route.settings
    return {
        "customer_id": route.customer_id,
        "provider_id": settings.provider_id,
        "name": settings.name,
        "detail": settings.detail,
        "priority": settings.priority,
        "target": settings.target,
        "tm_create": route.tm_create,
        "tm_update": route.tm_update,
        "tm_delete": route.tm_delete,
    }


def _route(row: RowMapping) -> Route:
    settings = RouteSettings(
        provider_id=row["provider_id"],
        target=row["target"],
        priority=row["priority"],
        name=row["name"],
        detail=row["detail"],
    )
    return Route(
        id=row["id"],
        customer_id=row["customer_id"],
        settings=settings,
        tm_create=row["tm_create"],
        tm_update=row["tm_update"],
        tm_delete=row["tm_delete"],
    )
