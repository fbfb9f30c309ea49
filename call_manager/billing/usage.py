"""The SQL of what is in use of caps: of a provider's, and how often a number was called."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update

from call_manager.billing.models import NumberUsageRow, ProviderUsageRow
from mesh.database import Transaction, insert_if_absent

PROVIDERS: Final = ProviderUsageRow.__table__  # type: ignore[attr-defined]
NUMBERS: Final = NumberUsageRow.__table__  # type: ignore[attr-defined]

_HELD: Final = (
    select(PROVIDERS)
    .where(PROVIDERS.c.provider_id.in_(bindparam("providers", expanding=True)))
    .order_by(PROVIDERS.c.provider_id)
    .with_for_update()
)
_OPEN: Final = insert_if_absent(PROVIDERS, "provider_id")
_OF_PROVIDER: Final = update(PROVIDERS).where(PROVIDERS.c.provider_id == bindparam("of"))
_FREE: Final = _OF_PROVIDER.values(live_calls=PROVIDERS.c.live_calls - 1)

_ADD: Final = _OF_PROVIDER.values(live_calls=PROVIDERS.c.live_calls + bindparam("more"))

_NUMBERS: Final = select(NUMBERS.c.number, NUMBERS.c.calls).where(
    NUMBERS.c.customer_id == bindparam("customer"),
    NUMBERS.c.day == bindparam("today"),
    NUMBERS.c.number.in_(bindparam("numbers", expanding=True)),
)
_NUMBER_INSERT: Final = insert(NUMBERS)
_NUMBER_UPDATE: Final = update(NUMBERS).where(
    NUMBERS.c.customer_id == bindparam("customer"),
    NUMBERS.c.day == bindparam("today"),
    NUMBERS.c.number == bindparam("called"),
)
_FORGET: Final = delete(NUMBERS).where(
    NUMBERS.c.customer_id == bindparam("customer"), NUMBERS.c.day < bindparam("today")
)


@dataclass(frozen=True, slots=True)
class ProviderUsage:
    """What of a provider's caps is in use."""

    provider_id: UUID
    live_calls: int = 0
    next_call_us: int = 0


async def held_providers(
    tx: Transaction, provider_ids: Collection[UUID]
) -> dict[UUID, ProviderUsage]:
    """Return what is in use of these providers, locked until the transaction's end."""
    if not provider_ids:
        return {}
    wanted = {"providers": sorted(provider_ids)}
    rows = await tx.all(_HELD, wanted)
    if len(rows) < len(provider_ids):
        # In the order of their ids, as they are locked everywhere.
        for provider_id in sorted(provider_ids):
            await _open(tx, provider_id)
        rows = await tx.all(_HELD, wanted)
    return {row["provider_id"]: ProviderUsage(**row) for row in rows}


async def keep_provider(tx: Transaction, usage: ProviderUsage) -> None:
    """Store what is in use of a provider that is held."""
    values = {"live_calls": usage.live_calls, "next_call_us": usage.next_call_us}
    await tx.run(_OF_PROVIDER, {"of": usage.provider_id, **values})


async def add_calls(tx: Transaction, provider_id: UUID, more: int) -> None:
    """Count further calls of a provider that is not held, for it has no caps."""
    added = {"of": provider_id, "more": more}
    if not await tx.run(_ADD, added):
        await _open(tx, provider_id)
        await tx.run(_ADD, added)


async def _open(tx: Transaction, provider_id: UUID) -> None:
    await tx.run(_OPEN, {"provider_id": provider_id, "live_calls": 0, "next_call_us": 0})


async def free_slot(tx: Transaction, provider_id: UUID) -> None:
    """Give back one of a provider's calls at once."""
    await tx.run(_FREE, {"of": provider_id})


async def calls_to(
    tx: Transaction, customer_id: UUID, today: date, numbers: Collection[str]
) -> dict[str, int]:
    """Return how often the customer, whose account is held, called each number today."""
    if not numbers:
        return {}
    asked = {"customer": customer_id, "today": today.isoformat(), "numbers": sorted(numbers)}
    return {row["number"]: row["calls"] for row in await tx.all(_NUMBERS, asked)}


async def keep_calls_to(
    tx: Transaction, customer_id: UUID, today: date, before: Mapping[str, int],
    after: Mapping[str, int],
) -> None:  # fmt: skip
    """Store how often the customer, whose account is held, called each number today.

    With each number that is new today, days that are over are forgotten: they are few by then.
    """
    day = today.isoformat()
    if after.keys() - before.keys():
        await tx.run(_FORGET, {"customer": customer_id, "today": day})
    for number, calls in after.items():
        if number not in before:
            values = {"customer_id": customer_id, "day": day, "number": number, "calls": calls}
            await tx.run(_NUMBER_INSERT, values)
        elif calls != before[number]:
            asked = {"customer": customer_id, "today": day, "called": number, "calls": calls}
            await tx.run(_NUMBER_UPDATE, asked)
