"""The use cases of events: what happened to a call, and to the flow it ran."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from grpc import StatusCode
from voipbin.call.v1.timeline_service_pb2 import AggregatedEvent, AggregatedEventListRequest
from voipbin.flow.v1.timeline_service_pb2 import ActiveflowEventListRequest
from voipbin.flow.v1.timeline_service_pb2_grpc import TimelineServiceStub

from call_manager.call import repository
from call_manager.call.access import is_visible, visible_call
from call_manager.call.domain import Call
from call_manager.call.events import RESOURCE
from call_manager.errors import InvalidRequestParameter, MissingRequestParameter
from call_manager.tables import EVENTS
from call_manager.timeline import convert
from call_manager.timeline.merging import Places, merge
from mesh.database import Database, Transaction
from mesh.identity import Caller
from mesh.outbox import EVENTS_PAGE_MAX, StoredEvent
from mesh.pagination import PageRequest
from mesh.remote import RemoteError

Stored = tuple[tuple[StoredEvent, ...], str]
"""Events, newest first, and the token of the next page."""

Page = tuple[Sequence[AggregatedEvent], str]
"""The same, as they are merged."""

Source = Callable[[str, int], Awaitable[Page]]
"""Reads a page of events: those that follow a token, and how many at most."""


class EventService:
    """Shows the events of calls; those of running flows are flow_manager's."""

    def __init__(self, database: Database, flows: TimelineServiceStub) -> None:
        self._database = database
        self._flows = flows

    async def of_call(self, caller: Caller, call_id: UUID, page: PageRequest) -> Stored:
        """Return a page of a call's events. Raises CallNotFound."""

        async def work(tx: Transaction) -> Stored:
            await visible_call(tx, caller, call_id)
            return await EVENTS.by_resource(tx, RESOURCE, call_id, page)

        return await self._database.read(work, name="timeline_events")

    async def aggregated(self, caller: Caller, request: AggregatedEventListRequest) -> Page:
        """Return a page of a call's events and of its flow's, merged, and the next page's token.

        Raises MissingRequestParameter, InvalidRequestParameter, CallNotFound, PageSizeInvalid,
        PageTokenInvalid, and what flow_manager says of a running flow.
        """
        if request.call_id and request.activeflow_id:
            raise InvalidRequestParameter
        if not request.call_id and not request.activeflow_id:
            raise MissingRequestParameter
        places = Places.parse(request.page_token)
        limit = PageRequest.parse(request.page_size, "", size_max=EVENTS_PAGE_MAX).limit
        if request.call_id:
            own, activeflow_id = await self._of_a_call(caller, UUID(request.call_id))
        else:
            own, activeflow_id = self._of_a_run(caller, UUID(request.activeflow_id))
        mine, my_next = await _read(own, places.own, limit)
        known = bool(request.call_id or request.page_token or mine)
        flow = self._of_flow(activeflow_id, known=known)
        theirs, their_next = await _read(flow, places.flow, limit)
        merged = merge(mine, theirs, limit)
        left = Places(
            own=await _next(own, places.own, merged.of_own, (mine, my_next)),
            flow=await _next(flow, places.flow, merged.of_flow, (theirs, their_next)),
        )
        return merged.events, left.token()

    async def _of_a_call(self, caller: Caller, call_id: UUID) -> tuple[Source, UUID | None]:
        async def look(tx: Transaction) -> Call:
            return await visible_call(tx, caller, call_id)

        call = await self._database.read(look, name="timeline_call")

        async def source(token: str, size: int) -> Page:
            page = _page(token, size, call_id)
            events, after = await self.of_call(caller, call_id, page)
            return [convert.own_event(event) for event in events], after

        return source, call.activeflow_id

    def _of_a_run(self, caller: Caller, activeflow_id: UUID) -> tuple[Source, UUID]:
        async def source(token: str, size: int) -> Page:
            page = _page(token, size, activeflow_id)

            async def work(tx: Transaction) -> Stored:
                events, after = await EVENTS.by_group(tx, activeflow_id, page)
                seen = {event.resource_id: False for event in events}
                for call_id in seen:
                    call = await repository.call(tx, call_id)
                    seen[call_id] = call is not None and await is_visible(tx, caller, call)
                return tuple(event for event in events if seen[event.resource_id]), after

            events, after = await self._database.read(work, name="timeline_run")
            return [convert.own_event(event) for event in events], after

        return source, activeflow_id

    def _of_flow(self, activeflow_id: UUID | None, *, known: bool) -> Source:
        async def source(token: str, size: int) -> Page:
            if activeflow_id is None:
                return (), ""
            try:
                answer = await self._flows.ActiveflowEventList(
                    ActiveflowEventListRequest(
                        id=str(activeflow_id), page_size=size, page_token=token
                    )
                )
            except RemoteError as error:
                # A call that nobody answered has the id of a run that never was.
                if known and error.code is StatusCode.NOT_FOUND:
                    return (), ""
                raise
            return [convert.flow_event(event) for event in answer.result], answer.next_page_token

        return source


def _page(token: str, size: int, of: UUID) -> PageRequest:
    return PageRequest.parse(size, token, {"of": of}, size_max=EVENTS_PAGE_MAX)


async def _read(source: Source, place: str | None, limit: int) -> Page:
    return ((), "") if place is None else await source(place, limit)


async def _next(source: Source, place: str | None, taken: int, read: Page) -> str | None:
    """Return where a list goes on after `taken` of what was read of it; None: it is over."""
    events, after = read
    if place is None or taken == len(events):
        return after or None
    if taken == 0:
        return place
    # Only whoever makes a list's tokens knows the one in the middle of a page.
    return (await source(place, taken))[1] or None
