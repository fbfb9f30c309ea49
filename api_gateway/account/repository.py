"""The SQL of signing in and of being recognised, and of the keys that tokens are signed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, Select, bindparam, delete, insert, select

from api_gateway.account.domain import Account, Standing
from api_gateway.account.models import Agent, Customer, DelegationRow, SigningKey
from api_gateway.account.tokens import StoredKey
from mesh.database import Transaction

CUSTOMERS: Final = Customer.__table__  # type: ignore[attr-defined]
AGENTS: Final = Agent.__table__  # type: ignore[attr-defined]
_KEYS: Final = SigningKey.__table__  # type: ignore[attr-defined]
_DELEGATIONS: Final = DelegationRow.__table__  # type: ignore[attr-defined]

STANDING: Final = (
    CUSTOMERS.c.id.label("standing_id"),
    CUSTOMERS.c.status,
    CUSTOMERS.c.identity_verification,
    CUSTOMERS.c.rtp_debug,
    CUSTOMERS.c.tm_frozen,
)
"""What `standing` reads, for a join of whoever belongs to a customer."""

# Built once: every request asks, and building a statement costs more than running it.
_ACCOUNTS: Final[Select[Any]] = (
    select(
        AGENTS.c.id,
        AGENTS.c.username,
        AGENTS.c.password_hash,
        AGENTS.c.token_generation,
        AGENTS.c.permissions,
        *STANDING,
    )
    .join(CUSTOMERS, CUSTOMERS.c.id == AGENTS.c.customer_id)
    .where(AGENTS.c.tm_delete.is_(None), CUSTOMERS.c.tm_delete.is_(None))
)
_BY_AGENT_ID: Final = _ACCOUNTS.where(AGENTS.c.id == bindparam("of"))
_BY_USERNAME: Final = _ACCOUNTS.where(AGENTS.c.username == bindparam("of"))
_STANDING_OF: Final[Select[Any]] = select(*STANDING).where(
    CUSTOMERS.c.id == bindparam("of"), CUSTOMERS.c.tm_delete.is_(None)
)


async def by_agent_id(tx: Transaction, agent_id: UUID) -> Account | None:
    """Return the living account of an agent, or None."""
    return _account(await tx.one_or_none(_BY_AGENT_ID, {"of": agent_id}))


async def by_username(tx: Transaction, username: str) -> Account | None:
    """Return the living account with that user name, or None."""
    return _account(await tx.one_or_none(_BY_USERNAME, {"of": username}))


async def standing_of(tx: Transaction, customer_id: UUID) -> Standing | None:
    """Return the facts of a customer that is not deleted, or None."""
    row = await tx.one_or_none(_STANDING_OF, {"of": customer_id})
    return None if row is None else standing(row)


async def customer_held(tx: Transaction, customer_id: UUID) -> bool:
    """Tell whether there is such a customer; it is not deleted before the transaction ends."""
    row = await tx.one_or_none(_STANDING_OF.with_for_update(read=True), {"of": customer_id})
    return row is not None


async def add(tx: Transaction, customer: Customer, agent: Agent) -> None:
    """Store a customer with its first agent; raises IntegrityError when the name is taken."""
    await tx.run(insert(CUSTOMERS), customer.model_dump())
    await tx.run(insert(AGENTS), agent.model_dump())


async def add_delegation(tx: Transaction, delegation: DelegationRow) -> None:
    """Record that somebody acts for a customer."""
    await tx.run(insert(_DELEGATIONS), delegation.model_dump())


async def keys(tx: Transaction) -> Sequence[StoredKey]:
    """Return every signing key."""
    rows = await tx.all(select(_KEYS))
    return [StoredKey(row["id"], row["private_der"], row["tm_create"]) for row in rows]


async def add_key(tx: Transaction, key: StoredKey) -> None:
    """Store a signing key."""
    values = {"id": key.id, "private_der": key.private_der, "tm_create": key.tm_create}
    await tx.run(insert(_KEYS), values)


async def remove_key(tx: Transaction, key_id: UUID) -> None:
    """Remove a signing key for good: nobody must sign with it again."""
    await tx.run(delete(_KEYS).where(_KEYS.c.id == key_id))


def standing(row: RowMapping) -> Standing:
    """Return the facts of the customer that a row with `STANDING` holds."""
    return Standing(
        customer_id=row["standing_id"],
        status=row["status"],
        identity_verification=row["identity_verification"],
        rtp_debug=row["rtp_debug"],
        tm_frozen=row["tm_frozen"],
    )


def _account(row: RowMapping | None) -> Account | None:
    if row is None:
        return None
    return Account(
        agent_id=row["id"],
        username=row["username"],
        password_hash=row["password_hash"],
        token_generation=row["token_generation"],
        permissions=row["permissions"],
        standing=standing(row),
    )
