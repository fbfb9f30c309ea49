"""The use cases of accounts: signing in, being recognised, and the first agents."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from api_gateway.account import repository
from api_gateway.account.domain import (
    FIRST_ADMIN,
    FIRST_CUSTOMER_ADMIN,
    Account,
    FirstAgent,
)
from api_gateway.account.models import Agent, Customer
from api_gateway.account.passwords import Passwords, mint_password
from api_gateway.account.tokens import StoredKey, Tokens, new_private_der
from api_gateway.errors import InvalidCredentials, LoginFailed
from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class Introduction:
    """One of the first agents, with a fresh token."""

    account: Account
    token: str = field(repr=False)
    password: str = field(repr=False, default="")
    """Only when the agent was created just now; afterwards nobody knows it."""


class AccountService:
    """Owns customers, agents and the keys that tokens are signed with.

    Start it after the database: it reads the signing keys, and makes the first one.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._passwords = Passwords()
        self._tokens: Tokens | None = None

    async def start(self) -> None:
        """Read the signing keys; make one when there is none."""
        fresh = StoredKey(new_id(), new_private_der(), self._clock.now())

        async def work(tx: Transaction) -> list[StoredKey]:
            stored = list(await repository.keys(tx))
            if not stored:
                await repository.add_key(tx, fresh)
                stored = [fresh]
            return stored

        found = await self._database.transact(work, name="signing_keys")
        self._tokens = Tokens(found, self._clock)

    async def stop(self) -> None:
        """Forget the signing keys."""
        self._tokens = None

    async def login(self, username: str, password: str) -> str:
        """Return a bearer token; raises LoginFailed without telling which part was wrong."""

        async def work(tx: Transaction) -> Account | None:
            return await repository.by_username(tx, username)

        account = await self._database.read(work, name="agent_by_username")
        stored = account.password_hash if account is not None else None
        if not await self._passwords.verify(stored, password) or account is None:
            raise LoginFailed("The user name or the password is wrong.")
        return self._signer().sign(account.agent_id)

    async def recognise(self, token: str) -> Account:
        """Return whose token it is, with the rights the agent has now.

        Raises InvalidCredentials for a token that is forged or expired, and for an agent who
        has been deleted since.
        """
        agent_id = self._signer().agent_id(token)
        account = await self._by_id(agent_id) if agent_id is not None else None
        if account is None:
            raise InvalidCredentials("The token is forged, expired or no longer valid.")
        return account

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
            status="active",
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
        return Introduction(account, self._signer().sign(account.agent_id), shown)

    async def _by_id(self, agent_id: UUID) -> Account | None:
        async def work(tx: Transaction) -> Account | None:
            return await repository.by_agent_id(tx, agent_id)

        return await self._database.read(work, name="agent_by_id")

    def _signer(self) -> Tokens:
        if self._tokens is None:
            raise RuntimeError("the account service is not started")
        return self._tokens
