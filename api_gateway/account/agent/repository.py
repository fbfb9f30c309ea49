"""All SQL over agents, but that of signing in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, Select, bindparam, select, update

from api_gateway.account.agent.domain import AgentRecord
from api_gateway.account.models import Agent
from api_gateway.account.repository import AGENTS, CUSTOMERS
from api_gateway.account.rights import SUPER_ADMIN
from mesh.database import Transaction, insert_if_absent
from mesh.pagination import PageRequest, page

_BY_ID: Final[Select[Any]] = select(AGENTS).where(AGENTS.c.id == bindparam("of"))
# Whatever unique value is taken, it is the user name: the id was minted just now.
_INSERT: Final = insert_if_absent(AGENTS).returning(AGENTS.c.id)


async def add(tx: Transaction, agent: AgentRecord, password_hash: str) -> bool:
    """Store a new agent; False, and nothing is stored, when its user name is taken."""
    values = {
        "id": agent.id,
        "customer_id": agent.customer_id,
        "username": agent.username,
        "name": agent.name,
        "detail": agent.detail,
        "password_hash": password_hash,
        "token_generation": 0,
        "permissions": agent.permissions,
        "tm_create": agent.tm_create,
    }
    return await tx.one_or_none(_INSERT, values) is not None


async def get(tx: Transaction, agent_id: UUID) -> AgentRecord | None:
    """Return the agent, deleted or not, or None."""
    row = await tx.one_or_none(_BY_ID, {"of": agent_id})
    return None if row is None else to_agent(row)


async def held(tx: Transaction, agent_id: UUID) -> AgentRecord | None:
    """Return the agent as `get` does; it stays as it is until the transaction ends.

    For whoever changes it because of what it holds.
    """
    row = await tx.one_or_none(_BY_ID.with_for_update(), {"of": agent_id})
    return None if row is None else to_agent(row)


async def listed(tx: Transaction, customer_id: UUID, request: PageRequest) -> Sequence[RowMapping]:
    """Return a page's rows, newest first, and one more when more exist."""
    statement = select(AGENTS).where(
        AGENTS.c.customer_id == customer_id, AGENTS.c.tm_delete.is_(None)
    )
    return await tx.all(page(statement, Agent, request))


async def change(
    tx: Transaction, agent_id: UUID, columns: Mapping[str, Any], now: datetime
) -> AgentRecord | None:
    """Change columns of an agent that is not deleted; None when there is no such agent."""
    statement = (
        update(AGENTS)
        .where(AGENTS.c.id == agent_id, AGENTS.c.tm_delete.is_(None))
        .values(**columns, tm_update=now)
        .returning(AGENTS)
    )
    row = await tx.one_or_none(statement)
    return None if row is None else to_agent(row)


async def set_password(
    tx: Transaction, agent_id: UUID, password_hash: str, now: datetime
) -> AgentRecord | None:
    """Set the password and end every token made before; None when there is no such agent."""
    columns = {
        "password_hash": password_hash,
        "token_generation": AGENTS.c.token_generation + 1,
    }
    return await change(tx, agent_id, columns, now)


async def end_all_of(tx: Transaction, customer_id: UUID, now: datetime) -> None:
    """Mark every agent of a customer deleted."""
    await tx.run(
        update(AGENTS)
        .where(AGENTS.c.customer_id == customer_id, AGENTS.c.tm_delete.is_(None))
        .values(tm_update=now, tm_delete=now)
    )


async def other_super_admins(
    tx: Transaction, *, than_agent: UUID | None = None, than_customer: UUID | None = None
) -> int:
    """Count the living super-admins, but this agent, or but those of this customer.

    They are locked until the transaction ends, in one order, so that of two who would remove
    each other the second sees what the first did. SQLite has one writer anyway.
    """
    statement = (
        select(AGENTS.c.id, AGENTS.c.customer_id)
        .join(CUSTOMERS, CUSTOMERS.c.id == AGENTS.c.customer_id)
        .where(
            AGENTS.c.permissions.op("&")(SUPER_ADMIN) != 0,
            AGENTS.c.tm_delete.is_(None),
            CUSTOMERS.c.tm_delete.is_(None),
        )
        .order_by(AGENTS.c.id)
        .with_for_update()
    )
    rows = await tx.all(statement)
    return sum(row["id"] != than_agent and row["customer_id"] != than_customer for row in rows)


def to_agent(row: RowMapping) -> AgentRecord:
    """Return the agent of a row."""
    return AgentRecord(
        id=row["id"],
        customer_id=row["customer_id"],
        username=row["username"],
        name=row["name"],
        detail=row["detail"],
        permissions=row["permissions"],
        tm_create=row["tm_create"],
        tm_update=row["tm_update"],
        tm_delete=row["tm_delete"],
    )
