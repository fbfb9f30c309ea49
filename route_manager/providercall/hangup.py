"""Ending all calls of a provider call at call_manager."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from mesh.remote import RemoteError
from route_manager.errors import ProviderCallHangupIncomplete
from route_manager.providercall.domain import Placed, ProviderCall, Status
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
            placed = await self._placed(record)
        except RemoteError as error:
            raise self._incomplete(record, len(record.call_ids), error) from error
        if placed is None:
            return
        # Ten at most: there are no more destinations.
        ends = await asyncio.gather(*(self._end(end) for end in self._calls.ends(placed)))
        failures = [failure for failure in ends if failure is not None]
        if failures:
            left = len(placed.admitted) if placed.groupcall_ids else len(failures)
            raise self._incomplete(record, left, failures[0]) from failures[0]

    async def _placed(self, record: ProviderCall) -> Placed | None:
        """Return the calls that may live; afterwards no further ones can be created."""
        if record.status is not Status.PENDING:
            return record.placed
        return await self._calls.void_calls(record)

    async def _end(self, end: Callable[[], Awaitable[None]]) -> RemoteError | None:
        try:
            await end()
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
