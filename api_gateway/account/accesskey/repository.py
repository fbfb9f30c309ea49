"""All SQL over access keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, Select, and_, bindparam, case, insert, select, update

# Its ON CONFLICT is compiled by both engines; the one of the SQLite dialect is not.
from sqlalchemy.dialects.postgresql import insert as upsert

from api_gateway.account.accesskey.domain import AccessKey, Scope
from api_gateway.account.domain import Standing
from api_gateway.account.models import AccessKeyCallsRow, AccessKeyRow
from api_gateway.account.repository import AGENTS, CUSTOMERS, STANDING, standing
from mesh.database import Transaction
from mesh.pagination import PageRequest, page

_KEYS: Final = AccessKeyRow.__table__  # type: ignore[attr-defined]
_CALLS: Final = AccessKeyCallsRow.__table__  # type: ignore[attr-defined]

# Every request with a key asks; see account/repository.py.
_BY_DIGEST: Final[Select[Any]] = (
    select(_KEYS, *STANDING, AGENTS.c.permissions.label("makers_permissions"))
    .join(CUSTOMERS, CUSTOMERS.c.id == _KEYS.c.customer_id)
    .outerjoin(AGENTS, and_(AGENTS.c.id == _KEYS.c.agent_id, AGENTS.c.tm_delete.is_(None)))
    .where(
        _KEYS.c.digest == bindparam("of"),
        _KEYS.c.tm_delete.is_(None),
        CUSTOMERS.c.tm_delete.is_(None),
    )
)


async def by_digest(tx: Transaction, digest: str) -> tuple[AccessKey, Standing, int] | None:
    """Return the living key with that digest, its customer's facts, and what its maker holds now.

    That is 0 when the maker is deleted.
    """
    row = await tx.one_or_none(_BY_DIGEST, {"of": digest})
    return (
        None if row is None else (to_key(row), standing(row), int(row["makers_permissions"] or 0))
    )


async def add(tx: Transaction, key: AccessKey, digest: str) -> None:
    """Store a new key."""
    values = {
        "id": key.id,
        "customer_id": key.customer_id,
        "agent_id": key.agent_id,
        "name": key.name,
        "detail": key.detail,
        "digest": digest,
        "token_prefix": key.token_prefix,
        "permissions": key.permissions,
        "rpcs": list(key.scope.rpcs),
        "provider_ids": list(key.scope.provider_ids),
        "calls_per_day": key.scope.calls_per_day,
        "tm_expire": key.tm_expire,
        "tm_create": key.tm_create,
    }
    await tx.run(insert(_KEYS), values)


async def get(tx: Transaction, key_id: UUID) -> AccessKey | None:
    """Return the key, deleted or not, or None."""
    row = await tx.one_or_none(select(_KEYS).where(_KEYS.c.id == key_id))
    return None if row is None else to_key(row)


async def listed(tx: Transaction, customer_id: UUID, request: PageRequest) -> Sequence[RowMapping]:
    """Return a page's rows, newest first, and one more when more exist."""
    statement = select(_KEYS).where(_KEYS.c.customer_id == customer_id, _KEYS.c.tm_delete.is_(None))
    return await tx.all(page(statement, AccessKeyRow, request))


async def change(
    tx: Transaction, key_id: UUID, columns: Mapping[str, Any], now: datetime
) -> AccessKey | None:
    """Change columns of a key that is not deleted; None when there is no such key."""
    statement = (
        update(_KEYS)
        .where(_KEYS.c.id == key_id, _KEYS.c.tm_delete.is_(None))
        .values(**columns, tm_update=now)
        .returning(_KEYS)
    )
    row = await tx.one_or_none(statement)
    return None if row is None else to_key(row)


async def end_all_of(tx: Transaction, customer_id: UUID, now: datetime) -> None:
    """Mark every key of a customer deleted."""
    await tx.run(
        update(_KEYS)
        .where(_KEYS.c.customer_id == customer_id, _KEYS.c.tm_delete.is_(None))
        .values(tm_update=now, tm_delete=now)
    )


async def spend(tx: Transaction, key_id: UUID, day: date, calls: tuple[int, int]) -> bool:
    """Count calls of a key on a day; False, and nothing is counted, when that is too many.

    `calls` are how many, and how many a day may have. An earlier day's count is dropped; with
    clocks that differ at midnight, the later day counts on.
    """
    count, limit = calls
    if count > limit:
        return False
    today = day.isoformat()
    spent = case((_CALLS.c.day >= today, _CALLS.c.calls), else_=0) + count
    # One conditional statement: a check before it would let two requests through at once.
    statement = (
        upsert(_CALLS)
        .values(key_id=key_id, day=today, calls=count)
        .on_conflict_do_update(
            index_elements=["key_id"],
            set_={
                "calls": spent,
                "day": case((_CALLS.c.day >= today, _CALLS.c.day), else_=today),
            },
            where=spent <= limit,
        )
        .returning(_CALLS.c.calls)
    )
    return await tx.one_or_none(statement) is not None


def to_key(row: RowMapping) -> AccessKey:
    """Return the key of a row."""
    return AccessKey(
        id=row["id"],
        customer_id=row["customer_id"],
        agent_id=row["agent_id"],
        name=row["name"],
        detail=row["detail"],
        token_prefix=row["token_prefix"],
        permissions=row["permissions"],
        scope=Scope(tuple(row["rpcs"]), tuple(row["provider_ids"]), row["calls_per_day"]),
        tm_expire=row["tm_expire"],
        tm_create=row["tm_create"],
        tm_update=row["tm_update"],
        tm_delete=row["tm_delete"],
    )
