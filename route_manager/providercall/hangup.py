"""Ending all calls of a provider call at call_manager."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog

from mesh.remote import RemoteError
from route_manager.errors import ProviderCallHangupIncomplete
from route_manager.providercall.domain import ProviderCall, Status
from route_manager.providercall.peers import CallPeer

log = structlog.get_logger()


class Hangup:
    """Ends the calls of records whose hangup is wanted, and stored as such."""

    def __init__(self, calls: CallPeer) -> None:
        self._calls = calls

    async def end_calls(self, record: ProviderCall) -> None:
        """Ask that every call of the record ends; none will be created for it from now on.

        Raises ProviderCallHangupIncomplete when some could not be asked; asking again is safe,
        and a record that is pending hangs its calls up by itself before it is completed.
        """
        try:
            call_ids = await self._call_ids(record)
        except RemoteError as error:
            raise self._incomplete(record, len(record.call_ids), error) from error
        # Ten at most: there are no more destinations.
        ends = await asyncio.gather(*(self._end(call_id) for call_id in call_ids))
        failures = [failure for failure in ends if failure is not None]
        if failures:
            raise self._incomplete(record, len(failures), failures[0]) from failures[0]

    async def _call_ids(self, record: ProviderCall) -> Sequence[UUID]:
        """Return the calls that may live; afterwards no further ones can be created."""
        if record.status is not Status.PENDING:
            return () if record.placed is None else record.placed.admitted
        placed = await self._calls.void_calls(record)
        return () if placed is None else placed.admitted

    async def _end(self, call_id: UUID) -> RemoteError | None:
        try:
            await self._calls.hang_up(call_id)
        except RemoteError as error:
            # The others are to hear of it all the same; the caller is told of this one.
            return error
        return None

    def _incomplete(
        self, record: ProviderCall, calls_left: int, error: RemoteError
    ) -> ProviderCallHangupIncomplete:
        log.warning(
            "provider call is not hung up completely",
            provider_call_id=str(record.id),
            calls_left=calls_left,
            code=error.code.name,
            reason=error.reason,
        )
        return ProviderCallHangupIncomplete(record.id, calls_left)
