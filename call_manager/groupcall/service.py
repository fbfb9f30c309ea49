"""The use cases of groupcalls that are there; `placement` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from call_manager.call import repository as calls
from call_manager.call.access import is_visible, provider_limit
from call_manager.groupcall import membership, repository
from call_manager.groupcall.domain import Groupcall
from call_manager.groupcall.errors import GroupcallDeleted, GroupcallNotFound
from call_manager.groupcall.membership import Change, Dialling
from call_manager.tables import EVENTS
from mesh.clock import Clock
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.outbox import StoredEvent
from mesh.pagination import PageRequest

Events = tuple[tuple[StoredEvent, ...], str]
"""A page of events, newest first, and the token of the next."""


@dataclass(frozen=True, slots=True)
class GroupcallService:
    """Shows groupcalls and ends them; `dialling` is told what is to end."""

    database: Database
    clock: Clock
    dialling: Dialling

    async def get(self, caller: Caller, groupcall_id: UUID) -> Groupcall:
        """Return a groupcall, deleted or not. Raises GroupcallNotFound."""

        async def work(tx: Transaction) -> Groupcall:
            return await _visible(tx, caller, groupcall_id)

        return await self.database.read(work, name="groupcall_get")

    async def list_page(
        self, caller: Caller, customer_id: UUID, request: PageRequest
    ) -> tuple[tuple[Groupcall, ...], str]:
        """Return a page of a customer's groupcalls, newest first, and the next page's token."""
        if not caller.owns(customer_id):
            raise PermissionDenied("The caller may not act for this customer.")
        limit = provider_limit(caller)

        async def work(tx: Transaction) -> tuple[tuple[Groupcall, ...], str]:
            return await repository.page(tx, customer_id, request, limit)

        return await self.database.read(work, name="groupcall_list")

    async def events(self, caller: Caller, groupcall_id: UUID, request: PageRequest) -> Events:
        """Return a page of a groupcall's events. Raises GroupcallNotFound."""

        async def work(tx: Transaction) -> Events:
            await _visible(tx, caller, groupcall_id)
            return await EVENTS.by_resource(tx, repository.RESOURCE, groupcall_id, request)

        return await self.database.read(work, name="groupcall_events")

    async def hangup(self, caller: Caller, groupcall_id: UUID) -> Groupcall:
        """Keep the wish to end all its calls. Raises GroupcallNotFound, GroupcallDeleted."""
        now = self.clock.now()

        async def work(tx: Transaction) -> tuple[Groupcall, Change]:
            if (await _visible(tx, caller, groupcall_id)).tm_delete is not None:
                raise GroupcallDeleted(groupcall_id)
            change = await membership.all_hung_up(tx, groupcall_id, now)
            return await _visible(tx, caller, groupcall_id), change

        group, change = await self.database.transact(work, name="groupcall_hangup")
        membership.tell(change, self.dialling)
        return group

    async def delete(self, caller: Caller, groupcall_id: UUID) -> Groupcall:
        """End all calls that live, then mark the groupcall deleted. Raises GroupcallNotFound."""
        now = self.clock.now()

        async def work(tx: Transaction) -> tuple[Groupcall, Change]:
            await _visible(tx, caller, groupcall_id)
            change = await membership.all_hung_up(tx, groupcall_id, now)
            # Looked at again: whoever deleted it at the same time has let go of it by now.
            group = await _visible(tx, caller, groupcall_id)
            if group.tm_delete is None:
                group = await repository.mark_deleted(tx, groupcall_id, now)
            return group, change

        group, change = await self.database.transact(work, name="groupcall_delete")
        membership.tell(change, self.dialling)
        return group


async def _visible(tx: Transaction, caller: Caller, groupcall_id: UUID) -> Groupcall:
    """Return a groupcall, deleted or not. Raises GroupcallNotFound.

    A caller that is limited to some carriers may know of no call that any other has to do with.
    """
    group = await repository.by_id(tx, groupcall_id)
    if group is None or not caller.owns(group.customer_id):
        raise GroupcallNotFound(groupcall_id)
    if provider_limit(caller):
        for call_id in group.call_ids:
            call = await calls.call(tx, call_id)
            undialled = call is not None and call.tm_hangup is not None and call.provider_id is None
            if call is None or not (undialled or await is_visible(tx, caller, call)):
                raise GroupcallNotFound(groupcall_id)
    return group
