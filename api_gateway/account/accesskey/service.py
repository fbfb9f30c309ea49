"""What can be done with access keys: one use case for each RPC, and being recognised by one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from api_gateway.account.accesskey import repository
from api_gateway.account.accesskey.domain import (
    SHOWN_CHARACTERS,
    AccessKey,
    AccessKeyDraft,
    MintedKey,
    digest,
    mint,
)
from api_gateway.account.domain import Standing
from api_gateway.account.rights import check_held, outlasts_its_maker
from api_gateway.errors import (
    AccesskeyNotFound,
    KeyCallsExhausted,
    KeyNotAllowed,
    RpcUnknown,
)
from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest

log = structlog.get_logger()


class AccessKeyService:
    """Makes, reads, lists, changes and ends access keys; `rpcs` are what they may be limited to."""

    def __init__(self, database: Database, clock: Clock, rpcs: Collection[str]) -> None:
        self._database = database
        self._clock = clock
        self._rpcs = frozenset(rpcs)

    async def create(self, caller: Caller, draft: AccessKeyDraft) -> MintedKey:
        """Make a key and return it with its token, which nobody can show again.

        Raises PermissionNotHeld, RpcUnknown, KeyNotAllowed, and PermissionDenied when another
        customer is named or limits are set by anybody but a super-admin.
        """
        check_customer(caller, draft.customer_id)
        check_held(caller, draft.permissions)
        if draft.scope.limits and not caller.is_super_admin:
            raise PermissionDenied("Only a super-admin limits an access key.")
        for index, rpc in enumerate(draft.scope.rpcs):
            if rpc not in self._rpcs:
                raise RpcUnknown(f"{rpc} is no public RPC.", field=f"rpcs[{index}]", rpc=rpc[:128])
        minted = self._minted(caller, draft)
        stored = digest(minted.token)
        if stored is None:
            raise AssertionError("a token of ours has our form")

        async def work(tx: Transaction) -> None:
            await check_may_make_credentials(tx, caller)
            await repository.add(tx, minted.key, stored)

        await self._database.transact(work, name="access_key_create")
        log.info("access key made", accesskey_id=str(minted.key.id))
        return minted

    async def get(self, caller: Caller, key_id: UUID) -> AccessKey:
        """Return a key, even a deleted one; raises AccesskeyNotFound, also for another's."""

        async def work(tx: Transaction) -> AccessKey:
            return await _owned(tx, caller, key_id)

        return await self._database.read(work, name="access_key_get")

    async def page(
        self, caller: Caller, customer_id: UUID, request: PageRequest
    ) -> tuple[Sequence[AccessKey], str]:
        """Return a page of a customer's keys, newest first, and the token of the next page."""
        check_customer(caller, customer_id)

        async def work(tx: Transaction) -> tuple[Sequence[AccessKey], str]:
            rows, token = request.split(await repository.listed(tx, customer_id, request))
            return [repository.to_key(row) for row in rows], token

        return await self._database.read(work, name="access_key_list")

    async def update(self, caller: Caller, key_id: UUID, columns: Mapping[str, Any]) -> AccessKey:
        """Change name or detail; raises AccesskeyNotFound, also for a deleted key."""
        now = self._clock.now()

        async def work(tx: Transaction) -> AccessKey:
            key = await _owned(tx, caller, key_id)
            if columns or key.tm_delete is not None:
                changed = await repository.change(tx, key_id, columns, now)
                if changed is None:
                    raise AccesskeyNotFound(key_id)
                return changed
            return key

        return await self._database.transact(work, name="access_key_update")

    async def delete(self, caller: Caller, key_id: UUID) -> AccessKey:
        """End a key; one that was ended stays as it is. Raises AccesskeyNotFound."""
        now = self._clock.now()

        async def work(tx: Transaction) -> AccessKey:
            key = await _owned(tx, caller, key_id)
            return await repository.change(tx, key_id, {"tm_delete": now}, now) or key

        deleted = await self._database.transact(work, name="access_key_delete")
        log.info("access key ended", accesskey_id=str(key_id))
        return deleted

    async def recognise(self, token: str) -> tuple[AccessKey, Standing] | None:
        """Return the key with that token and its customer's facts; None when it is worthless."""
        stored = digest(token)
        if stored is None:
            return None

        async def work(tx: Transaction) -> tuple[AccessKey, Standing, int] | None:
            return await repository.by_digest(tx, stored)

        found = await self._database.read(work, name="access_key_by_digest")
        if found is None:
            return None
        key, standing, makers_permissions = found
        if key.tm_expire <= self._clock.now():
            return None
        return (key, standing) if outlasts_its_maker(key.permissions, makers_permissions) else None

    async def spend(self, key_id: UUID, limit: int, count: int) -> None:
        """Count calls against a key's day, all of them or none; raises KeyCallsExhausted."""
        now = self._clock.now()

        async def work(tx: Transaction) -> bool:
            return await repository.spend(tx, key_id, now.date(), (count, limit))

        if not await self._database.transact(work, name="access_key_spend"):
            raise KeyCallsExhausted(limit, now)

    def _minted(self, caller: Caller, draft: AccessKeyDraft) -> MintedKey:
        token, now = mint(), self._clock.now()
        agent_id = caller.agent_id
        if agent_id is None:
            raise PermissionDenied("An access key is made by somebody.")
        key = AccessKey(
            id=new_id(),
            customer_id=draft.customer_id,
            agent_id=agent_id,
            name=draft.name,
            detail=draft.detail,
            token_prefix=token[:SHOWN_CHARACTERS],
            permissions=draft.permissions,
            scope=draft.scope,
            tm_expire=now + timedelta(seconds=draft.expire_s),
            tm_create=now,
            tm_update=None,
            tm_delete=None,
        )
        return MintedKey(key, token)


async def check_may_make_credentials(tx: Transaction, caller: Caller) -> None:
    """Raise KeyNotAllowed when the caller is an access key with limits, or one that has ended.

    What it made, a key, an agent, a password, would not have those limits.
    """
    named = caller.identity.access_key_id if caller.identity is not None else ""
    if not named:
        return
    key = await repository.get(tx, UUID(named))
    if key is None or key.scope.limits or key.tm_delete is not None:
        raise KeyNotAllowed("An access key with limits makes no credentials.")


def check_customer(caller: Caller, customer_id: UUID) -> None:
    """Raise PermissionDenied when a caller names another customer than its own."""
    if not caller.owns(customer_id):
        raise PermissionDenied("Only a caller's own customer may be named.", field="customer_id")


async def _owned(tx: Transaction, caller: Caller, key_id: UUID) -> AccessKey:
    key = await repository.get(tx, key_id)
    # Another customer's key must look like none: a 403 would tell that the id is used.
    if key is None or not caller.owns(key.customer_id):
        raise AccesskeyNotFound(key_id)
    return key
