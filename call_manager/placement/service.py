"""The use cases of `POST /v1.0/calls` and of `POST /v1.0/groupcalls`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from voipbin.call.v1.groupcall_service_pb2 import GroupcallCreateRequest
from voipbin.mesh.v1.identity_pb2 import Identity

from call_manager.call import repository as calls
from call_manager.call.domain import Call
from call_manager.call.judging import ACTIVE, VERIFIED
from call_manager.errors import (
    CallsPending,
    CustomerNotActive,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
)
from call_manager.groupcall import repository as groupcalls
from call_manager.groupcall.domain import Groupcall
from call_manager.placement import convert, repository
from call_manager.placement.convert import Request
from call_manager.placement.domain import Placement, Status
from call_manager.placement.placements import Placements
from call_manager.placement.saga import SagaParts
from mesh import ambient
from mesh.clock import new_id
from mesh.database import Transaction
from mesh.errors import IdentityRequired, MeshError, PermissionDenied
from mesh.identity import Caller
from mesh.telemetry import traceparent
from mesh.verdict import Retold

ANSWER_RESERVE_S: Final = 0.25
"""What is left of a request's deadline when it gives up waiting, to say so before it ends."""

WAIT_S_MAX: Final = 30.0
"""How long a request without a deadline waits."""


@dataclass(frozen=True, slots=True)
class PlacementService:
    """Places calls for customers.

    `dial_window` is how long after its record a placement's calls may still be dialled.
    """

    parts: SagaParts
    placements: Placements
    dial_window: timedelta

    async def create_group(self, caller: Caller, request: GroupcallCreateRequest) -> Groupcall:
        """Place the calls asked for as one groupcall and return it as it stands; see `create`."""
        placed = await self.create(caller, request)

        async def work(tx: Transaction) -> Groupcall | None:
            named = placed[0].groupcall_id
            return None if named is None else await groupcalls.by_id(tx, named)

        group = await self.parts.database.read(work, name="placement_group")
        if group is None:
            raise LookupError("a groupcall that was placed cannot be read")
        return group

    async def create(self, caller: Caller, request: Request) -> Sequence[Call]:
        """Place the calls asked for and return them, or those of the request's key.

        Raises CustomerNotActive, what flow_manager says of flow and actions, the first refusal
        when no destination is admitted, IdempotencyKeyReused, IdempotencyKeyInUse and
        CallsPending when the deadline comes first.
        """
        asker = _asker(caller, UUID(request.customer_id))
        draft = self._draft(asker, request)
        standing = await self._standing(draft)
        if standing is not None:
            return await self._replay(draft, standing)
        await self._check_flow(request, draft.customer_id)
        # Judged before anything is written: what is refused leaves nothing behind.
        admitted = await self.parts.calls.admit(convert.new_calls(draft))
        ended = await _waited(self.placements.begin(draft, admitted))
        if ended is None:
            raise CallsPending(draft.call_ids)
        if ended.id != draft.id:
            return await self._replay(draft, ended)
        if ended.created:
            # As they were created: the dialer may be ahead of a look at the rows.
            return ended.created
        return await self._calls(ended)

    def _draft(self, asker: Identity, request: Request) -> Placement:
        now = self.parts.clock.now()
        inline = bool(request.actions) and convert.named_flow(request) is None
        return Placement(
            id=new_id(),
            customer_id=UUID(request.customer_id),
            idempotency_key=request.idempotency_key or None,
            content=convert.content_of(request),
            call_ids=tuple(new_id() for _ in request.destinations),
            groupcall_id=new_id() if isinstance(request, GroupcallCreateRequest) else None,
            temporary_flow_id=new_id() if inline else None,
            provider_ids=tuple(UUID(text) for text in asker.provider_ids),
            verified=asker.identity_verification == VERIFIED,
            rtp_debug=asker.rtp_debug,
            dial_not_after=now + self.dial_window,
            traceparent=traceparent(),
            request_id=ambient.request_id() or ambient.new_request_id(),
            tm_create=now,
        )

    async def _standing(self, draft: Placement) -> Placement | None:
        key = draft.idempotency_key
        if key is None:
            return None

        async def work(tx: Transaction) -> Placement | None:
            return await repository.by_key(tx, draft.customer_id, key)

        return await self.parts.database.read(work, name="placement_standing")

    async def _check_flow(self, request: Request, customer_id: UUID) -> None:
        """Raise what can be found wrong before anything is written."""
        named = convert.named_flow(request)
        if named is not None:
            await self.parts.flows.demand_flow(named, customer_id)
        elif request.actions:
            await self.parts.flows.demand_actions(request.actions)

    async def _replay(self, draft: Placement, standing: Placement) -> Sequence[Call]:
        """Answer a repeated request as the first one was, or will be, answered."""
        if standing.fingerprint != draft.fingerprint:
            raise IdempotencyKeyReused
        if standing.status is Status.PENDING:
            running = self.placements.of(standing.id)
            # Without work it ended a moment ago, or another process has it.
            ended = await (_waited(running) if running is not None else self._standing(draft))
            if ended is None or ended.status is Status.PENDING:
                raise IdempotencyKeyInUse(standing.call_ids)
            standing = ended
        return await self._calls(standing)

    async def _calls(self, placement: Placement) -> Sequence[Call]:
        """Return a placement's calls as they stand; raises the verdict of one that failed."""
        if placement.status is Status.PENDING:
            raise CallsPending(placement.call_ids)
        if placement.verdict is not None:
            raise Retold(placement.verdict)

        async def work(tx: Transaction) -> Sequence[Call]:
            return await calls.calls_of(tx, placement.id)

        return await self.parts.database.read(work, name="placement_calls")


def _asker(caller: Caller, customer_id: UUID) -> Identity:
    """Return the identity calls are placed for; raises when it may place none."""
    if caller.identity is None:
        # No identity never means administrator.
        raise IdentityRequired("Calls are placed for somebody.")
    if not caller.owns(customer_id):
        raise PermissionDenied("The caller may not act for this customer.")
    if caller.identity.customer_status != ACTIVE:
        raise CustomerNotActive(caller.identity.customer_status)
    return caller.identity


async def _waited(task: asyncio.Task[Placement | MeshError]) -> Placement | None:
    """Wait for a placement's end; None when the deadline comes first. Raises why there is none."""
    left = ambient.remaining_s()
    wait_s = WAIT_S_MAX if left is None else left - ANSWER_RESERVE_S
    await asyncio.wait({task}, timeout=max(0.0, wait_s))
    if not task.done() or task.cancelled():
        return None
    ended = task.result()
    if isinstance(ended, MeshError):
        raise ended
    return ended
