"""The legs of one call: which carrier is next, what it is dialled with, how it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from call_manager.billing.terms import Limit, Terms
from call_manager.call.dialing import DialConfig, dial_target, direct_config
from call_manager.call.domain import Call, Dialroute
from call_manager.call.failover import PLATFORM, Policy, goes_on_by, may_fail_over
from call_manager.channel import DialTarget, Ended, EndedBy, Transport
from call_manager.dialer import attempts, slots
from call_manager.dialer.attempts import Before, Dial, Unsent
from call_manager.dialer.equipment import Equipment
from call_manager.dialer.journal import SessionJournal
from call_manager.dialer.metrics import FAILOVERS
from call_manager.metadata import ROUTE_PROVIDER_IDS
from mesh.database import Transaction, Work
from mesh.errors import MeshError

T = TypeVar("T")

log = structlog.get_logger()


class EndedFirst(Exception):
    """The call was to end before its next INVITE could leave."""


class Wish:
    """That a call is to end; what it waits for meanwhile is given up."""

    def __init__(self) -> None:
        self._made = False
        self._patience: asyncio.Timeout | None = None

    @property
    def made(self) -> bool:
        """Whether the call is to end."""
        return self._made

    def make(self) -> None:
        """Let the call end; harmless when asked again."""
        self._made = True
        if self._patience is not None and self._patience.when() is None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def first(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work` returns; raises EndedFirst, and cancels it, once the call is to end.

        One at a time. In the caller's own task: two more, and waiting for either, cost as much as
        a statement.
        """
        if self._made:
            raise EndedFirst
        try:
            async with asyncio.timeout(None) as self._patience:
                found = await work()
        except Exception:
            if self._made:
                raise EndedFirst from None
            raise
        finally:
            self._patience = None
        if self._made:
            raise EndedFirst
        return found


class Legs:
    """Goes from carrier to carrier in the order of the call's routes, and keeps the books.

    `wish` is made as soon as the call is to end; nothing is looked up for it from then on.
    """

    def __init__(self, call: Call, equipment: Equipment, wish: Wish) -> None:
        self._call = call
        self._equipment = equipment
        self._wish = wish
        self._routes: tuple[Dialroute | None, ...] = call.dialroutes or (None,)
        self._slot = call.slot_provider_id
        self._number = 0
        self._stored = 0
        self._before: Before | None = None
        self._began = equipment.clock.now()
        self._not_after = call.dial_not_after
        self._config: DialConfig | None = None
        self._policy = PLATFORM
        self._request_uri = ""
        self._stays = False

    def stay(self) -> None:
        """Go on to no other carrier: the call's flow has begun at this one, and runs once."""
        self._stays = True

    @property
    def has_dialled(self) -> bool:
        """Whether an INVITE of an earlier leg has left."""
        return self._before is not None

    async def next_target(self) -> DialTarget:
        """Return what the next leg is placed with.

        Raises EndedFirst, and ConfigUnavailable, Undialable or CarrierFull when this carrier cannot
        be dialled.
        """
        route = self._routes[self._number]
        self._number += 1
        self._config, self._policy, self._request_uri = None, PLATFORM, ""
        self._began = self._equipment.clock.now()
        config = direct_config(self._call.destination) if route is None else await self._ask(route)
        self._config, self._policy = config, Policy.of(config.failover_codes)
        target = dial_target(self._call, config)
        self._request_uri = target.request_uri
        if route is not None:
            await self._take_slot(route)
        return target

    async def _take_slot(self, route: Dialroute) -> None:
        """Count the call among this carrier's; raises CarrierFull."""
        if self._slot == route.provider_id:
            return
        call_id, now = self._call.id, self._equipment.clock.now()
        await self._equipment.database.transact(
            lambda tx: slots.move(tx, call_id, route, now), name="call_slot"
        )
        self._slot = route.provider_id

    def longest(self) -> tuple[float, Limit]:
        """Return for how many seconds the call may last at this carrier, and who says so."""
        route = self._routes[self._number - 1]
        terms = Terms(longest_s=self._call.duration_max_s, limit=Limit.CUSTOMER)
        terms = terms if route is None else route.terms
        platform_s = self._equipment.settings.longest_call_s
        if not terms.longest_s or platform_s <= terms.longest_s:
            return platform_s, Limit.PLATFORM
        return float(terms.longest_s), terms.limit

    async def _ask(self, route: Dialroute) -> DialConfig:
        """Return how to dial a carrier; raises EndedFirst, ConfigUnavailable."""
        providers, not_after = self._equipment.providers, self._not_after
        return await self._wish.first(lambda: providers.dial_config(route.provider_id, not_after))

    def journal(self) -> SessionJournal:
        """Return the journal of the leg that is placed now."""
        return SessionJournal(self._call.id, self._equipment, self._dial())

    def _dial(self) -> Dial:
        config, route = self._config, self._routes[self._number - 1]
        return Dial(
            owner=self._equipment.settings.owner,
            provider_id=None if route is None else route.provider_id,
            snapshot={} if config is None else config.snapshot(),
            leg=self._number,
            stored=self._stored,
            before=self._before,
            test=ROUTE_PROVIDER_IDS.name in self._call.metadata,
            call=self._call,
        )

    async def over(self, journal: SessionJournal, ended: Ended) -> str:
        """Note how the leg ended; return what the call goes on after, empty when it does not."""
        if journal.unsure:
            self._note_unsure(journal)
        if journal.refused or journal.unsure:
            return ""
        after = goes_on_by(ended, self._policy)
        if journal.planned:
            self._stored += journal.planned
            if self._before is None:
                # From here on the call rings somewhere: what is left of its time is the timer's.
                ring_s = self._equipment.settings.ring_timeout_s
                self._not_after = self._began + timedelta(seconds=ring_s)
            self._before = Before(ended.code, ended.reason_phrase)
            if not ended.reached:
                await self._keep(self._unreached, "attempt_unreached")
        elif ended.by is EndedBy.ERROR and not ended.reached:
            await self._keep_unsent(ended.at, ended.detail)
        return self._onward(after)

    def _note_unsure(self, journal: SessionJournal) -> None:
        """Keep of a leg's first INVITE, which may be stored and was not sent, that it was not."""
        call_id, first = self._call.id, self._stored + 1

        async def work(tx: Transaction) -> None:
            await attempts.note_unreached(tx, call_id, first)

        if not journal.planned:
            self._equipment.traces.note(call_id, ("unsure", call_id), work)

    async def unplaced(self, detail: str) -> str:
        """Note that the leg could not be placed; return what the call goes on after, or empty."""
        now = self._equipment.clock.now()
        await self._keep_unsent(now, detail)
        unreached = Ended(now, EndedBy.ERROR, None, "", detail, reached=False)
        return self._onward(goes_on_by(unreached, self._policy))

    def _onward(self, after: str) -> str:
        left = len(self._routes) - self._number
        ends = self._stays or self._wish.made or not may_fail_over(self._call)
        if not after or not left or ends:
            return ""
        provider_id = str(self._dial().provider_id)
        FAILOVERS.labels(provider_id, after).inc()
        log.info("the call goes to the next carrier", after=after, left=provider_id)
        return after

    async def _keep_unsent(self, at: datetime, detail: str) -> None:
        dial = self._dial()
        if dial.provider_id is None:
            return
        unsent = Unsent(
            call_id=self._call.id,
            request_uri=self._request_uri,
            transport="" if self._config is None else _named(self._config.transport),
            started_at=self._began,
            ended_at=at,
            detail=detail,
        )

        async def work(tx: Transaction) -> None:
            await attempts.keep_unsent(tx, unsent, dial)

        if await self._keep(work, "attempt_unsent"):
            self._stored += 1

    async def _unreached(self, tx: Transaction) -> None:
        await attempts.note_unreached(tx, self._call.id, self._stored)

    async def _keep(self, work: Work[None], name: str) -> bool:
        try:
            await self._equipment.database.transact(work, name=name)
        except (MeshError, SQLAlchemyError):
            log.exception("that a carrier could not be tried was not kept")
            return False
        return True


def _named(transport: Transport) -> str:
    # What the DNS would have chosen is not known.
    return "" if transport is Transport.AUTO else transport.value
