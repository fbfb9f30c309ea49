"""All SQL over accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, Select, bindparam, insert, select
from sqlmodel import col

from api_gateway.account.domain import Account
from api_gateway.account.models import Agent, Customer, SigningKey
from api_gateway.account.tokens import StoredKey
from mesh.database import Transaction

_CUSTOMERS = Customer.__table__  # type: ignore[attr-defined]
_AGENTS = Agent.__table__  # type: ignore[attr-defined]
_KEYS = SigningKey.__table__  # type: ignore[attr-defined]

# Built once: every request asks, and building a statement costs more than running it.
_ACCOUNTS: Final[Select[Any]] = (
    select(_AGENTS, _CUSTOMERS.c.status, _CUSTOMERS.c.identity_verification)
    .join(_CUSTOMERS, _CUSTOMERS.c.id == _AGENTS.c.customer_id)
    .where(col(Agent.tm_delete).is_(None), col(Customer.tm_delete).is_(None))
)
_BY_AGENT_ID: Final = _ACCOUNTS.where(col(Agent.id) == bindparam("of"))
_BY_USERNAME: Final = _ACCOUNTS.where(col(Agent.username) == bindparam("of"))


async def by_agent_id(tx: Transaction, agent_id: UUID) -> Account | None:
    """Return the living account of an agent, or None."""
    return _account(await tx.one_or_none(_BY_AGENT_ID, {"of": agent_id}))


async def by_username(tx: Transaction, username: str) -> Account | None:
    """Return the living account with that user name, or None."""
    return _account(await tx.one_or_none(_BY_USERNAME, {"of": username}))


async def add(tx: Transaction, customer: Customer, agent: Agent) -> None:
    """Store a customer with its first agent; raises IntegrityError when the name is taken."""
    await tx.run(insert(_CUSTOMERS), customer.model_dump())
    await tx.run(insert(_AGENTS), agent.model_dump())


async def keys(tx: Transaction) -> Sequence[StoredKey]:
    """Return every signing key."""
    rows = await tx.all(select(_KEYS))
    return [StoredKey(row["id"], row["private_der"], row["tm_create"]) for row in rows]


async def add_key(tx: Transaction, key: StoredKey) -> None:
    """Store a signing key."""
    values = {"id": key.id, "private_der": key.private_der, "tm_create": key.tm_create}
    await tx.run(insert(_KEYS), values)


def _account(row: RowMapping | None) -> Account | None:
    if row is None:
        return None
    return Account(
        agent_id=row["id"],
        customer_id=row["customer_id"],
        username=row["username"],
        password_hash=row["password_hash"],
        permissions=row["permissions"],
        customer_status=row["status"],
        identity_verification=row["identity_verification"],
    )
