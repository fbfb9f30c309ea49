"""What can be done with agents: one use case for each RPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from voipbin.mesh.v1.options_pb2 import PERMISSION_CUSTOMER_ADMIN

from api_gateway.account.accesskey.service import (
    check_customer,
    check_may_make_credentials,
)
from api_gateway.account.agent import repository
from api_gateway.account.agent.domain import AgentDraft, AgentRecord
from api_gateway.account.passwords import Passwords, mint_password
from api_gateway.account.repository import by_username, customer_held
from api_gateway.account.rights import check_held, is_super_admin
from api_gateway.errors import (
    AgentNotFound,
    CustomerNotFound,
    LastSuperAdmin,
    UsernameTaken,
)
from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest

log = structlog.get_logger()


class AgentService:
    """Makes, reads, lists, changes and deletes agents."""

    def __init__(self, database: Database, clock: Clock, passwords: Passwords) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords

    async def create(self, caller: Caller, draft: AgentDraft) -> AgentRecord:
        """Make an agent.

        Raises PermissionNotHeld, PermissionDenied for another's customer, KeyNotAllowed,
        CustomerNotFound, UsernameTaken, and ServiceOverloaded.
        """
        customer_id = draft.customer_id or caller.customer_id
        if customer_id is None:
            raise PermissionDenied("An agent belongs to a customer.", field="customer_id")
        check_customer(caller, customer_id)
        check_held(caller, draft.permissions)
        agent = AgentRecord(
            id=new_id(),
            customer_id=customer_id,
            username=draft.username,
            name=draft.name,
            detail=draft.detail,
            permissions=draft.permissions,
            tm_create=self._clock.now(),
            tm_update=None,
            tm_delete=None,
        )
        password_hash = await self._passwords.hash(draft.password)

        async def work(tx: Transaction) -> None:
            await check_may_make_credentials(tx, caller)
            if not await customer_held(tx, customer_id):
                raise CustomerNotFound(customer_id)
            if not await repository.add(tx, agent, password_hash):
                raise UsernameTaken(draft.username)

        await self._database.transact(work, name="agent_create")
        log.info("agent made", agent_id=str(agent.id), permission=agent.permissions)
        return agent

    async def get(self, caller: Caller, agent_id: UUID) -> AgentRecord:
        """Return an agent, even a deleted one; raises AgentNotFound, also for another's."""

        async def work(tx: Transaction) -> AgentRecord:
            return _owned(caller, agent_id, await repository.get(tx, agent_id))

        return await self._database.read(work, name="agent_get")

    async def page(
        self, caller: Caller, customer_id: UUID, request: PageRequest
    ) -> tuple[Sequence[AgentRecord], str]:
        """Return a page of a customer's agents, newest first, and the token of the next page."""
        check_customer(caller, customer_id)

        async def work(tx: Transaction) -> tuple[Sequence[AgentRecord], str]:
            rows, token = request.split(await repository.listed(tx, customer_id, request))
            return [repository.to_agent(row) for row in rows], token

        return await self._database.read(work, name="agent_list")

    async def update(
        self, caller: Caller, agent_id: UUID, columns: Mapping[str, Any]
    ) -> AgentRecord:
        """Change name or detail; raises AgentNotFound and PermissionNotHeld."""
        now = self._clock.now()

        async def work(tx: Transaction) -> AgentRecord:
            agent = await _changeable(tx, caller, agent_id)
            if not columns:
                return agent
            return _still_there(await repository.change(tx, agent_id, columns, now), agent_id)

        return await self._database.transact(work, name="agent_update")

    async def set_password(self, caller: Caller, agent_id: UUID, password: str) -> AgentRecord:
        """Set a password and end every older token.

        Raises AgentNotFound, PermissionNotHeld, KeyNotAllowed, ServiceOverloaded.
        """
        now = self._clock.now()

        async def check(tx: Transaction) -> None:
            await check_may_make_credentials(tx, caller)
            _check_password_changeable(caller, agent_id, await repository.get(tx, agent_id))

        # Hashing is dear, so whoever may not set the password does not get as far.
        await self._database.read(check, name="agent_password_check")
        password_hash = await self._passwords.hash(password)

        async def work(tx: Transaction) -> AgentRecord:
            await check_may_make_credentials(tx, caller)
            _check_password_changeable(caller, agent_id, await repository.held(tx, agent_id))
            changed = await repository.set_password(tx, agent_id, password_hash, now)
            return _still_there(changed, agent_id)

        agent = await self._database.transact(work, name="agent_set_password")
        log.info("password set", agent_id=str(agent_id))
        return agent

    async def set_permission(self, caller: Caller, agent_id: UUID, permissions: int) -> AgentRecord:
        """Set what an agent may do.

        Raises AgentNotFound, PermissionNotHeld, KeyNotAllowed, LastSuperAdmin.
        """
        check_held(caller, permissions)
        now = self._clock.now()

        async def work(tx: Transaction) -> AgentRecord:
            await check_may_make_credentials(tx, caller)
            agent = await _changeable(tx, caller, agent_id)
            if is_super_admin(agent.permissions) and not is_super_admin(permissions):
                await _check_not_last(tx, agent_id)
            changed = await repository.change(tx, agent_id, {"permissions": permissions}, now)
            return _still_there(changed, agent_id)

        agent = await self._database.transact(work, name="agent_set_permission")
        log.info("permission set", agent_id=str(agent_id), permission=permissions)
        return agent

    async def delete(self, caller: Caller, agent_id: UUID) -> AgentRecord:
        """Delete an agent; one that was deleted stays as it is.

        Raises AgentNotFound, PermissionNotHeld, LastSuperAdmin.
        """
        now = self._clock.now()

        async def work(tx: Transaction) -> AgentRecord:
            agent = _owned(caller, agent_id, await repository.held(tx, agent_id))
            check_held(caller, agent.permissions)
            if agent.tm_delete is not None:
                return agent
            if is_super_admin(agent.permissions):
                await _check_not_last(tx, agent_id)
            return await repository.change(tx, agent_id, {"tm_delete": now}, now) or agent

        deleted = await self._database.transact(work, name="agent_delete")
        log.info("agent deleted", agent_id=str(agent_id))
        return deleted

    async def reset_password(self, username: str) -> str:
        """Set a new random password and return it; raises AgentNotFound.

        For whoever runs the installation, when nobody is left who could sign in and do it.
        """
        password, now = mint_password(), self._clock.now()
        password_hash = await self._passwords.hash(password)

        async def work(tx: Transaction) -> UUID:
            account = await by_username(tx, username)
            if account is None:
                raise AgentNotFound(username)
            await repository.set_password(tx, account.agent_id, password_hash, now)
            return account.agent_id

        agent_id = await self._database.transact(work, name="agent_reset_password")
        log.warning("password reset", agent_id=str(agent_id))
        return password


def _owned(caller: Caller, agent_id: UUID, agent: AgentRecord | None) -> AgentRecord:
    # Another customer's agent must look like none: a 403 would tell that the id is used.
    if agent is None or not caller.owns(agent.customer_id):
        raise AgentNotFound(agent_id)
    return agent


def _living(caller: Caller, agent_id: UUID, agent: AgentRecord | None) -> AgentRecord:
    owned = _owned(caller, agent_id, agent)
    if owned.tm_delete is not None:
        raise AgentNotFound(agent_id)
    return owned


async def _changeable(tx: Transaction, caller: Caller, agent_id: UUID) -> AgentRecord:
    agent = _living(caller, agent_id, await repository.held(tx, agent_id))
    check_held(caller, agent.permissions)
    return agent


def _check_password_changeable(caller: Caller, agent_id: UUID, found: AgentRecord | None) -> None:
    agent = _living(caller, agent_id, found)
    if _is_agent_itself(caller, agent):
        return
    if not caller.has(PERMISSION_CUSTOMER_ADMIN):
        # A manager or an agent sees no other agents, so there is none.
        raise AgentNotFound(agent_id)
    check_held(caller, agent.permissions)


def _is_agent_itself(caller: Caller, agent: AgentRecord) -> bool:
    """Tell whether the agent asks with all that it holds.

    Acting for its own customer, or by a key, it holds less; a password would give it the rest.
    """
    identity = caller.identity
    if identity is None or caller.agent_id != agent.id or identity.access_key_id:
        return False
    return not agent.permissions & ~identity.permissions


async def _check_not_last(tx: Transaction, agent_id: UUID) -> None:
    if not await repository.other_super_admins(tx, than_agent=agent_id):
        raise LastSuperAdmin("No other super-admin would be left.")


def _still_there(agent: AgentRecord | None, agent_id: UUID) -> AgentRecord:
    if agent is None:
        raise AgentNotFound(agent_id)
    return agent
