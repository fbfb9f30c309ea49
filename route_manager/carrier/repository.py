"""All SQL about setups. Functions take the transaction they run in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, update

from mesh.database import Transaction
from mesh.pagination import PageRequest, page
from route_manager.carrier.domain import CarrierObject, Setup, SetupOrder, SetupStatus
from route_manager.carrier.models import ProviderSetupRow
from route_manager.provider import repository as providers
from route_manager.tables import table_of

TABLE: Final = table_of(ProviderSetupRow)

_COLUMNS: Final = TABLE.c


async def insert_setup(tx: Transaction, setup: Setup) -> None:
    """Store a new setup."""
    order = setup.order
    values = {
        "id": setup.id,
        "carrier": order.carrier,
        "name": order.name,
        "detail": order.detail,
        "provider_id": setup.provider_id,
        "error_reason": setup.error_reason,
        "error_message": setup.error_message,
        "tm_create": setup.tm_create,
        "tm_update": setup.tm_update,
    }
    await tx.run(
        insert(TABLE).values(
            **values, status=setup.status.value, objects=objects_to_plain(setup.objects)
        )
    )


async def setup_by_id(tx: Transaction, setup_id: UUID) -> Setup | None:
    """Return the setup, or None."""
    row = await tx.one_or_none(select(TABLE).where(_COLUMNS.id == setup_id))
    return None if row is None else _setup(row)


async def setup_page(
    tx: Transaction, request: PageRequest, among: Collection[UUID] | None
) -> tuple[Sequence[Setup], str]:
    """Return one page of setups, newest first, and the next token.

    `among` None means all of them; else those that made one of these providers.
    """
    statement = select(TABLE)
    if among is not None:
        statement = statement.where(_COLUMNS.provider_id.in_(among))
    rows, token = request.split(await tx.all(page(statement, TABLE, request)))
    return [_setup(row) for row in rows], token


async def change(
    tx: Transaction, setup_id: UUID, among: SetupStatus, changes: Mapping[str, Any]
) -> Setup | None:
    """Change a setup that has that status; return it, or None when it has another one."""
    statement = (
        update(TABLE)
        .where(_COLUMNS.id == setup_id, _COLUMNS.status == among.value)
        .values(**changes)
        .returning(TABLE)
    )
    row = await tx.one_or_none(statement)
    return None if row is None else _setup(row)


async def overdue(tx: Transaction, before: datetime, limit: int) -> Sequence[Setup]:
    """Return pending setups that began before that time: nobody works on them any more."""
    statement = (
        select(TABLE)
        .where(_COLUMNS.status == SetupStatus.PENDING.value, _COLUMNS.tm_create < before)
        .order_by(_COLUMNS.tm_create)
        .limit(limit)
    )
    return [_setup(row) for row in await tx.all(statement)]


async def keep_metadata(
    tx: Transaction, provider_id: UUID, metadata: Mapping[str, str], now: datetime
) -> None:
    """Store a provider's metadata, also a deleted one's."""
    table = providers.TABLE
    await tx.run(
        update(table)
        .where(table.c.id == provider_id)
        .values(metadata=dict(metadata), tm_update=now)
    )


def objects_to_plain(objects: Sequence[CarrierObject]) -> list[dict[str, str]]:
    """Return the objects as JSON."""
    return [asdict(one) for one in objects]


def _setup(row: RowMapping) -> Setup:
    return Setup(
        order=SetupOrder(
            id=row["id"], carrier=row["carrier"], name=row["name"], detail=row["detail"]
        ),
        status=SetupStatus(row["status"]),
        objects=tuple(CarrierObject(**one) for one in row["objects"]),
        provider_id=row["provider_id"],
        error_reason=row["error_reason"],
        error_message=row["error_message"],
        tm_create=row["tm_create"],
        tm_update=row["tm_update"],
    )
