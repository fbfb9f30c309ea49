"""The use cases of accounts: signing in, being recognised, acting for others, the first agents."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from api_gateway.account import repository
from api_gateway.account.admitted import Admitted
from api_gateway.account.domain import (
    FIRST_ADMIN,
    FIRST_CUSTOMER_ADMIN,
    Account,
    CustomerStatus,
    FirstAgent,
    Standing,
    identity,
)
from api_gateway.account.keyring import Keyring
from api_gateway.account.models import Agent, Customer, DelegationRow
from api_gateway.account.passwords import Passwords, mint_password
from api_gateway.account.rights import CUSTOMER_ADMIN, is_super_admin
from api_gateway.account.tokens import DELEGATED_LIFETIME, Bearer
from api_gateway.errors import (
    CustomerNotFound,
    DirectAccessNotSupported,
    InvalidCredentials,
    KeyNotAllowed,
    LoginFailed,
)
from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.identity import Caller

DIRECT_PREFIX: Final = "direct."
"""How a direct token begins: the hash of one resource, which opens nothing here."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Introduction:
    """One of the first agents, with a fresh token."""

    account: Account
    token: str = field(repr=False)
    password: str = field(repr=False, default="")
    """Only when the agent was created just now; afterwards nobody knows it."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """A token to act for a customer with."""

    token: str = field(repr=False)
    customer_id: UUID
    tm_expire: datetime


class AccountService:
    """Knows who signs in, and who shows a token."""

    def __init__(
        self, database: Database, clock: Clock, keyring: Keyring, passwords: Passwords
    ) -> None:
        self._database = database
        self._clock = clock
        self._keyring = keyring
        self._passwords = passwords

    async def login(self, username: str, password: str) -> str:
        """Return a bearer token; raises LoginFailed without telling which part was wrong."""

        async def work(tx: Transaction) -> Account | None:
            return await repository.by_username(tx, username)

        account = await self._database.read(work, name="agent_by_username")
        stored = account.password_hash if account is not None else None
        fits = await self._passwords.verify(stored, password)
        if account is None or not fits or not self._is_served(account):
            raise LoginFailed("The user name or the password is wrong.")
        return self._keyring.sign(Bearer(account.agent_id, account.token_generation))

    async def recognise(self, token: str) -> Admitted:
        """Return whose token it is, with the rights the agent has now.

        Raises DirectAccessNotSupported, and InvalidCredentials for a token that is forged,
        expired or older than the agent's password, and when agent or customer is no longer there.
        """
        if token.startswith(DIRECT_PREFIX):
            raise DirectAccessNotSupported("Nothing here is open to direct tokens.")
        bearer = await self._keyring.read(token)
        if bearer is None:
            raise _worthless()

        async def work(tx: Transaction) -> tuple[Account | None, Standing | None]:
            account = await repository.by_agent_id(tx, bearer.agent_id)
            if bearer.acts_for is None:
                return account, None
            return account, await repository.standing_of(tx, bearer.acts_for)

        account, acts_for = await self._database.read(work, name="agent_by_id")
        if account is None or account.token_generation != bearer.generation:
            raise _worthless()
        if bearer.acts_for is None:
            return self.admit(account.agent_id, account.permissions, account.standing)
        if acts_for is None or not is_super_admin(account.permissions):
            raise _worthless()
        return self.admit(account.agent_id, CUSTOMER_ADMIN, acts_for, delegated=True)

    def admit(
        self, agent_id: UUID, permissions: int, standing: Standing, *, delegated: bool = False
    ) -> Admitted:
        """Return what the door is told of somebody who acts for a customer.

        Raises InvalidCredentials when the customer has expired; super-admins are exempt.
        """
        exempt = is_super_admin(permissions)
        if not exempt and self._is_expired(standing):
            raise _worthless()
        return Admitted(
            identity(agent_id, permissions, standing, self._clock.now()),
            frozen=None if exempt else standing.closure,
            delegated=delegated,
        )

    async def delegate(self, caller: Caller, customer_id: UUID, reason: str) -> Delegation:
        """Let a super-admin act for a customer, and record who, for whom and why.

        Raises CustomerNotFound, KeyNotAllowed when the caller is no person, and
        InvalidCredentials when the agent was deleted a moment ago.
        """
        agent_id = caller.agent_id
        if caller.identity is None or agent_id is None or caller.identity.access_key_id:
            raise KeyNotAllowed("Only a person who signed in acts for others.")
        now = self._clock.now()
        record = DelegationRow(
            id=new_id(),
            agent_id=agent_id,
            customer_id=customer_id,
            reason=reason,
            tm_create=now,
            tm_expire=now + DELEGATED_LIFETIME,
        )

        async def work(tx: Transaction) -> Account | None:
            if await repository.standing_of(tx, customer_id) is None:
                raise CustomerNotFound(customer_id)
            await repository.add_delegation(tx, record)
            return await repository.by_agent_id(tx, agent_id)

        account = await self._database.transact(work, name="delegation_create")
        if account is None:
            raise _worthless()
        log.warning(
            "a super-admin acts for a customer",
            agent_id=str(agent_id),
            customer_id=str(customer_id),
            reason=reason,
        )
        token = self._keyring.sign(Bearer(agent_id, account.token_generation, customer_id))
        return Delegation(token, customer_id, record.tm_expire)

    async def ensure_first(self) -> tuple[Introduction, Introduction]:
        """Return the first super-admin and the first customer admin, made where missing."""
        return await self._ensure(FIRST_ADMIN), await self._ensure(FIRST_CUSTOMER_ADMIN)

    async def _ensure(self, wanted: FirstAgent) -> Introduction:
        password = mint_password()
        stored = await self._passwords.hash(password)
        now = self._clock.now()
        customer = Customer(
            id=new_id(),
            name=wanted.customer_name,
            status=CustomerStatus.ACTIVE,
            identity_verification="verified",
            tm_create=now,
        )
        agent = Agent(
            id=new_id(),
            customer_id=customer.id,
            username=wanted.username,
            password_hash=stored,
            permissions=wanted.permissions,
            tm_create=now,
        )

        async def work(tx: Transaction) -> Account:
            found = await repository.by_username(tx, wanted.username)
            if found is None:
                await repository.add(tx, customer, agent)
                found = await repository.by_username(tx, wanted.username)
            assert found is not None  # noqa: S101  (it was written a statement ago)
            return found

        account = await self._database.transact(work, name="first_agent")
        shown = password if account.agent_id == agent.id else ""
        bearer = Bearer(account.agent_id, account.token_generation)
        return Introduction(account, self._keyring.sign(bearer), shown)

    def _is_served(self, account: Account) -> bool:
        return is_super_admin(account.permissions) or not self._is_expired(account.standing)

    def _is_expired(self, standing: Standing) -> bool:
        return standing.status_at(self._clock.now()) == CustomerStatus.EXPIRED


def _worthless() -> InvalidCredentials:
    return InvalidCredentials("The credential is forged, expired or no longer valid.")
