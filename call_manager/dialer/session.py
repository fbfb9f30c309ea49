"""One call, from its claim to its end: dial, follow the leg, run the flow, end exactly once."""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from call_manager.billing.metrics import charged
from call_manager.billing.terms import Limit, reached
from call_manager.call import repository as calls
from call_manager.call.domain import Call, CallStatus
from call_manager.call.hangup import Cause
from call_manager.call.repository import Finish
from call_manager.call.sip_address import Undialable
from call_manager.channel import Answered, DialTarget, Ended, EndedBy, Leg, Progress
from call_manager.dialer import endings, metrics
from call_manager.dialer.actions.performance import Performance
from call_manager.dialer.actions.results import Ending
from call_manager.dialer.equipment import Equipment
from call_manager.dialer.journal import NOT_DIALLED, SessionJournal
from call_manager.dialer.keeping import Keeper
from call_manager.dialer.legs import EndedFirst, Legs, Wish
from call_manager.dialer.providers import ConfigUnavailable
from call_manager.dialer.slots import CarrierFull
from mesh import ambient, telemetry
from mesh.database import Transaction
from mesh.errors import MeshError

LEG_END_S_MAX: Final = 100.0
"""How long a leg may take to end once it is told to. A CANCEL may first wait for a provisional
answer, then for the final one, and a late 2xx for its BYE: three times 64*T1 (RFC 3261 17.1)."""

log = structlog.get_logger()


class Session:
    """A claimed call at work; `run` is its task."""

    def __init__(self, call: Call, equipment: Equipment) -> None:
        self._call = call
        self._equipment = equipment
        self._keeper = Keeper(call, equipment)
        self._wish = Wish()
        self._leg: Leg | None = None
        self._journal: SessionJournal | None = None
        self._ending = endings.Own()
        self._backstop: asyncio.Timeout | None = None
        self._context: contextvars.Context | None = None
        self._timer: asyncio.Task[None] | None = None
        self.performance: Performance | None = None
        """What the call does, once its flow has begun."""
        self._longest = equipment.settings.longest_call_s, Limit.PLATFORM
        self._rang = False
        self._elsewhere = False
        self._lost = False
        """Whether a leg's own end could not be told."""

    def hangup(self, *, elsewhere: bool = False) -> None:
        """End the call; that it is ending is committed already. Harmless when asked again."""
        self._elsewhere = self._elsewhere or elsewhere
        self._wish.make()
        if self._leg is not None and self._context is not None:
            # The asker's deadline and trace are not the call's.
            self._context.run(self._end_leg)

    async def shut_down(self) -> None:
        """Commit that the call is ending because the service stops, and end it."""
        self._ending.detail = self._ending.detail or endings.STOPPED
        try:
            await self._keeper.hung_up()
        finally:
            self.hangup()

    async def run(self) -> None:
        """Carry the call to its end. Only a cancellation leaves it to the next start's recovery."""
        if self._call.request_id:
            ambient.set_request_id(self._call.request_id)
        with (
            telemetry.remote_parent(self._call.traceparent),
            telemetry.log_bindings(call_id=str(self._call.id)),
            telemetry.span("call session", attributes={"call.id": str(self._call.id)}),
            metrics.LIVE.track_inprogress(),
        ):
            self._context = contextvars.copy_context()
            try:
                end = await self._safely()
            finally:
                await self._put_down()
            await self._finish(end)
            call = self._call
            ran = self.performance is not None and call.flow_id is not None
            if ran and call.activeflow_id is not None:
                self._equipment.activeflows.stop(call.activeflow_id)

    async def _safely(self) -> Finish:
        try:
            return await self._live()
        except Exception:
            log.exception("the call could not be carried on")
            self._lost = True
            if self._leg is not None:
                await self._drain(self._leg)
            return endings.broken(self._now())

    async def _live(self) -> Finish:
        if self._now() > self._call.dial_not_after:
            return endings.not_dialled(self._now())
        legs = Legs(self._call, self._equipment, self._wish)
        before: Finish | None = None
        while True:
            try:
                end, after = await self._next_leg(legs)
            except EndedFirst:
                if before is None:
                    return endings.unplaced(self._now(), endings.ENDED_FIRST)
                return replace(before, detail=self._ending.detail or before.detail)
            if not after:
                return end
            before = end

    async def _next_leg(self, legs: Legs) -> tuple[Finish, str]:
        """Place one leg; return the call's end if it was the last, and what it goes on after."""
        try:
            target = await legs.next_target()
        except (ConfigUnavailable, Undialable, CarrierFull) as error:
            return endings.unplaced(self._now(), str(error)), await legs.unplaced(str(error))
        journal = self._journal = legs.journal()
        self._longest = legs.longest()
        ended = await self._placed(target, journal)
        if self.performance is not None:
            legs.stay()
        after = await legs.over(journal, ended)
        self._lost = self._lost or journal.unsure
        self._ending.detail = self._ending.detail or journal.why
        if journal.refused and legs.has_dialled and not journal.planned:
            raise EndedFirst
        if journal.refused and not self._ending.detail:
            self._ending.detail = endings.CUT_SHORT if journal.planned else NOT_DIALLED
        return endings.of_leg(ended, self._ending), after

    async def _placed(self, target: DialTarget, journal: SessionJournal) -> Ended:
        self._leg = self._equipment.channel.dial(target, journal)
        if self._timer is None:
            # One for the whole call: who calls waits for an answer, through whichever carrier.
            self._arm(self._equipment.settings.ring_timeout_s, Cause.DIAL_TIMER)
        ended = await self._follow(self._leg)
        # Nothing more comes of it: whoever ends the call between two legs ends none.
        self._leg = None
        journal.end_observation()
        return ended

    async def _follow(self, leg: Leg) -> Ended:
        """Consume the leg's events until its end, at most `LEG_END_S_MAX` after a hangup."""
        try:
            async with asyncio.timeout(None) as self._backstop:
                while True:
                    match await leg.next_event():
                        case Ended() as ended:
                            return ended
                        case Progress() as progress:
                            await self._progress(progress, leg)
                        case Answered() as answered:
                            await self._answered(answered, leg)
        except TimeoutError:
            log.warning("the leg did not end", waited_s=LEG_END_S_MAX)
            self._lost = True
            return Ended(self._now(), EndedBy.ERROR, None, "", endings.LEG_LOST)
        finally:
            self._backstop = None

    async def _progress(self, progress: Progress, leg: Leg) -> None:
        # A carrier may repeat itself a thousand times; it rings once.
        if 180 <= progress.code < 190 and not self._rang:
            self._rang = True
            log.info("the carrier rings", sip_code=progress.code)
            rings = await self._advance(CallStatus.RINGING, progress.at, tm_ringing=progress.at)
            if rings and self._call.early_execution:
                self._perform(leg)
        if self.performance is not None:
            self.performance.hear()

    async def _answered(self, answered: Answered, leg: Leg) -> None:
        log.info("the call is answered", codec=answered.codec)
        at = answered.at
        ours = self._ending.cause is not None
        if ours or not await self._keeper.answered(at):
            # It was to end before the answer came.
            self._end_leg()
            return
        seconds, limit = self._longest
        self._arm(seconds, Cause.DURATION_LIMIT, reached(limit, seconds))
        self._perform(leg).answer()

    def _perform(self, leg: Leg) -> Performance:
        """Begin the call's flow, unless it has begun."""
        if self.performance is None:
            self.performance = Performance(self._call, leg.media, self._equipment, self._terminate)
        return self.performance

    async def _terminate(self, ending: Ending) -> None:
        try:
            early = self.performance is None or not self.performance.answered
            if await self._to_end(ending.cause, early=early):
                detail = ending.detail or (endings.FLOW_OVER if early else "")
                self._ending = endings.Own(ending.cause, ending.reason, detail)
        except (MeshError, SQLAlchemyError):
            log.exception("a flow's end was not kept")
        finally:
            self._end_leg()

    async def _to_end(self, cause: Cause, *, early: bool) -> bool:
        """Keep that the call is to end; False when it is ending already."""
        now = self._now()
        if early:
            # The answer may come just now: what the call is then decides.
            return await self._keeper.hung_up(cause)
        return await self._advance(
            CallStatus.TERMINATING, now, hangup_cause=int(cause), hangup_requested_at=now
        )

    async def _advance(self, to: CallStatus, at: datetime, **changes: Any) -> bool:
        async def work(tx: Transaction) -> bool:
            return await calls.advance(tx, self._call, to, at, **changes) is not None

        return await self._equipment.database.transact(work, name=f"call_{to.value}")

    def _arm(self, seconds: float, cause: Cause, detail: str = "") -> None:
        """Let the call end with `cause` after `seconds`, instead of what was armed before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.create_task(self._expire(seconds, cause, detail))

    async def _expire(self, seconds: float, cause: Cause, detail: str) -> None:
        await self._equipment.clock.sleep(seconds)
        log.info("the call's own timer ran out", cause=cause.name, after_s=seconds)
        # What ended the call first stays its reason.
        if self._ending.cause is None:
            self._ending.cause = cause
            self._ending.detail = self._ending.detail or detail
        self._wish.make()
        self._end_leg()

    def _end_leg(self) -> None:
        if self._journal is not None:
            self._journal.close()
        if self._leg is not None:
            self._leg.hangup(elsewhere=self._elsewhere)
        if self.performance is not None:
            self.performance.stop()
        if self._backstop is not None and self._backstop.when() is None:
            self._backstop.reschedule(asyncio.get_running_loop().time() + LEG_END_S_MAX)

    async def _drain(self, leg: Leg) -> None:
        """Hang the leg up and wait for its end, whatever it says meanwhile."""
        self._end_leg()
        try:
            async with asyncio.timeout(LEG_END_S_MAX):
                while not isinstance(await leg.next_event(), Ended):
                    pass
        except TimeoutError:
            log.warning("the leg did not end", waited_s=LEG_END_S_MAX)
        except Exception:
            log.exception("the leg broke")

    async def _put_down(self) -> None:
        await _cancel(self._timer)
        if self.performance is not None:
            await self.performance.close()
        if self._journal is not None:
            self._journal.end_observation()

    async def _finish(self, end: Finish) -> None:
        """End the call's row, once its trace is stored."""
        await self._equipment.traces.flush()
        await self._equipment.captures.flush()
        await self._equipment.recordings.flush()
        ended = await self._keeper.ended(end, lost=self._lost)
        if ended is not None:
            metrics.ENDED.labels(str(ended.hangup_reason), str(ended.hangup_by)).inc()
            charged(ended.cost)
            log.info("the call is over", by=ended.hangup_by, reason=ended.hangup_reason,
                     sip_code=ended.sip_code, detail=ended.hangup_detail)  # fmt: skip

    def _now(self) -> datetime:
        return self._equipment.clock.now()


async def _cancel(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks and wait for their ends; one that failed has told so itself."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
