"""All SQL about routes. Functions take the transaction they run in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, case, func, insert, select, update

from mesh.database import Transaction
from mesh.pagination import PageRequest, page
from route_manager.provider import repository as providers
from route_manager.route.domain import (
    ALL,
    DEFAULT_CUSTOMER_ID,
    DIALROUTES_MAX,
    Route,
    RouteSettings,
)
from route_manager.route.models import RouteRow
from route_manager.tables import table_of

TABLE: Final = table_of(RouteRow)

_COLUMNS: Final = TABLE.c

# In each of the four steps of the merge a provider stands once, so that many rows always hold
# eight different providers, if there are eight.
_CANDIDATES_MAX: Final = 4 * DIALROUTES_MAX


async def insert_route(tx: Transaction, route: Route) -> None:
    """Store a new route."""
    await tx.run(insert(TABLE).values(id=route.id, **_values(route)))


async def route_by_id(tx: Transaction, route_id: UUID) -> Route | None:
    """Return the route, a deleted one, too, or None."""
    row = await tx.one_or_none(select(TABLE).where(_COLUMNS.id == route_id))
    return None if row is None else _route(row)


async def route_page(
    tx: Transaction, request: PageRequest, customer_id: UUID | None
) -> tuple[Sequence[Route], str]:
    """Return one page of routes that are not deleted, newest first, and the next token."""
    statement = select(TABLE).where(_COLUMNS.tm_delete.is_(None))
    if customer_id is not None:
        statement = statement.where(_COLUMNS.customer_id == customer_id)
    rows, token = request.split(await tx.all(page(statement, TABLE, request)))
    return [_route(row) for row in rows], token


async def update_route(tx: Transaction, route: Route) -> bool:
    """Store a changed route; False when it was deleted meanwhile."""
    statement = (
        update(TABLE)
        .where(_COLUMNS.id == route.id, _COLUMNS.tm_delete.is_(None))
        .values(**_values(route))
    )
    return await tx.run(statement) == 1


async def delete_route(tx: Transaction, route_id: UUID, now: datetime) -> None:
    """Mark the route deleted, unless it is already: the first deletion's time stays."""
    await tx.run(
        update(TABLE)
        .where(_COLUMNS.id == route_id, _COLUMNS.tm_delete.is_(None))
        .values(tm_update=now, tm_delete=now)
    )


async def dialroute_candidates(tx: Transaction, customer_id: UUID, target: str) -> Sequence[Route]:
    """Return the routes that can matter to a merge for this customer and target.

    Neither they nor their providers are deleted. Of several routes of one owner and target to
    one provider only the first is returned, so that the rows are few whatever the table holds.
    """
    order = (_COLUMNS.priority, _COLUMNS.tm_create.desc(), _COLUMNS.id.desc())
    copy = func.row_number().over(
        partition_by=(_COLUMNS.customer_id, _COLUMNS.target, _COLUMNS.provider_id), order_by=order
    )
    candidates = (
        select(TABLE, copy.label("copy"))
        .join(providers.TABLE, providers.TABLE.c.id == _COLUMNS.provider_id)
        .where(
            _COLUMNS.customer_id.in_((customer_id, DEFAULT_CUSTOMER_ID)),
            _COLUMNS.target.in_((target, ALL)),
            _COLUMNS.tm_delete.is_(None),
            providers.TABLE.c.tm_delete.is_(None),
        )
        .subquery()
    )
    found = candidates.c
    statement = (
        select(candidates)
        .where(found.copy == 1)
        .order_by(
            case((found.customer_id == customer_id, 0), else_=1),
            case((found.target == target, 0), else_=1),
            found.priority,
            found.tm_create.desc(),
            found.id.desc(),
        )
        .limit(_CANDIDATES_MAX)
    )
    return [_route(row) for row in await tx.all(statement)]


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
