"""Whether money and use agree with the rows they sum up (RELIABILITY.md I7).

They agree by construction: each changes in the transaction that stores the row it counts. This
looks all the same, so that a defect shows before a customer finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, func, select

from call_manager.billing import metrics
from call_manager.billing.repository import ACCOUNTS, BILLINGS
from call_manager.billing.usage import PROVIDERS
from call_manager.call.domain import CallStatus
from call_manager.call.repository import CALLS
from mesh.database import Database, Transaction
from mesh.errors import MeshError
from mesh.tasks import TaskOwner

SHOWN_MAX: Final = 20
"""The most mistakes that the log tells one by one."""

_LIVE: Final = CALLS.c.status != CallStatus.HANGUP.value
_COUNTED: Final = CALLS.c.duration_max_s > 0

_ACCOUNTS: Final = select(
    ACCOUNTS.c.customer_id,
    ACCOUNTS.c.balance,
    ACCOUNTS.c.reserved,
    ACCOUNTS.c.live_calls,
)
_MOVED: Final = select(
    BILLINGS.c.customer_id,
    func.sum(BILLINGS.c.amount).label("balance"),
    func.sum(BILLINGS.c.reserved_amount).label("reserved"),
).group_by(BILLINGS.c.customer_id)
_OPEN: Final = (
    select(
        CALLS.c.customer_id,
        func.sum(CALLS.c.reserved).label("reserved"),
        func.count().label("live_calls"),
    )
    .where(_LIVE, _COUNTED)
    .group_by(CALLS.c.customer_id)
)
_USED: Final = select(PROVIDERS.c.provider_id, PROVIDERS.c.live_calls)


def _slots(which: ColumnElement[bool]) -> Select[Any]:
    columns = (CALLS.c.slot_provider_id.label("provider_id"), func.count().label("live_calls"))
    held = CALLS.c.slot_provider_id.is_not(None)
    return select(*columns).where(which, held).group_by(CALLS.c.slot_provider_id)


_SLOTS: Final = _slots(_LIVE)
_SLOTS_OF_OVER: Final = _slots(~_LIVE)


async def mistakes(tx: Transaction) -> tuple[str, ...]:
    """Return what does not agree, one sentence each; in one snapshot, nothing when all does."""
    moved, open_calls = await _by(tx, _MOVED), await _by(tx, _OPEN)
    found: list[str] = []
    for customer, account in (await _by(tx, _ACCOUNTS)).items():
        booked, live = moved.pop(customer, {}), open_calls.pop(customer, {})
        found += _differences(
            f"the account of customer {customer}",
            account,
            {
                "balance": [_of(booked, "balance")],
                "reserved": [_of(booked, "reserved"), _of(live, "reserved")],
                "live_calls": [_of(live, "live_calls")],
            },
        )
    found += [f"customer {customer} has movements and no account" for customer in moved]
    found += [f"customer {customer} has calls and no account" for customer in open_calls]
    slots = await _by(tx, _SLOTS)
    for provider, used in (await _by(tx, _USED)).items():
        counted = {"live_calls": [_of(slots.pop(provider, {}), "live_calls")]}
        found += _differences(f"the use of provider {provider}", used, counted)
    found += [f"provider {provider} has calls that nothing counts" for provider in slots]
    over = await _by(tx, _SLOTS_OF_OVER)
    return (*found, *(f"calls that are over still count at provider {one}" for one in over))


def _of(row: Mapping[str, Any], name: str) -> int:
    # PostgreSQL sums into a decimal number.
    return int(row.get(name) or 0)


def _differences(
    whose: str, kept: Mapping[str, Any], counted: Mapping[str, list[int]]
) -> list[str]:
    return [
        f"`{name}` of {whose} is {kept[name]}, and its rows make {sums}"
        for name, sums in counted.items()
        if any(kept[name] != one for one in sums)
    ]


async def _by(tx: Transaction, statement: Select[Any]) -> dict[UUID, Mapping[str, Any]]:
    rows = [dict(row) for row in await tx.all(statement)]
    return {next(iter(row.values())): row for row in rows}


class LedgerCheck:
    """Looks once, when the service has started, and tells what it finds; a part of the node."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks = TaskOwner("ledger_check")
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look, in the background."""
        self._looking = self._tasks.spawn(self._look(), name="look")

    async def stop(self) -> None:
        """Look no longer."""
        await self._tasks.stop()

    async def _look(self) -> None:
        log = structlog.get_logger()
        try:
            found = await self._database.survey(mistakes, name="ledger_check")
        except MeshError as error:
            log.warning("the ledger could not be looked at", error=error.message)
            return
        metrics.LEDGER_MISTAKES.set(len(found))
        for mistake in found[:SHOWN_MAX]:
            log.error("the ledger does not agree with its rows", mistake=mistake)
