"""The dialer: claims committed calls and gives each a session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from voipbin.flow.v1.activeflow_service_pb2_grpc import ActiveflowServiceStub
from voipbin.route.v1.provider_service_pb2_grpc import ProviderServiceStub

from call_manager.call.domain import Call
from call_manager.call.errors import CallNotAnswered
from call_manager.channel import Channel
from call_manager.dialer import repository
from call_manager.dialer.actions.performance import Performance
from call_manager.dialer.actions.protocols import Sounds, Speaker
from call_manager.dialer.activeflows import Activeflows
from call_manager.dialer.captures import CaptureWriter
from call_manager.dialer.equipment import DialerSettings, Equipment, untraced
from call_manager.dialer.providers import Providers
from call_manager.dialer.recordings import RecordingWriter
from call_manager.dialer.recovery import Recovery
from call_manager.dialer.session import Session
from call_manager.dialer.traces import TraceWriter
from call_manager.recording.domain import Recording, RecordingWish
from mesh.clock import Clock
from mesh.database import Database, Transaction

POLL_S: Final = 1.0
"""How long a call whose wake was lost waits at most."""

CLAIM_MAX: Final = 50
"""The most calls of one claim."""

UNSURE_S: Final = 60.0
"""How long after a claim that failed it is looked for what it took all the same: a server may still
commit what its client no longer waits for."""

_STOP_FLOWS_S: Final = 2.0
_STOP_CHANNEL_S: Final = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Peers:
    """Whom the dialer asks: how to reach a carrier, and what a call does next and sounds like."""

    providers: ProviderServiceStub
    activeflows: ActiveflowServiceStub
    speaker: Speaker
    sounds: Sounds


class Dialer:
    """Dials what is committed; fulfils `groupcall.membership.Dialling`, `call.orders.OrderTaker`.

    It owns the channel: `start` starts it and ends what a dead process left, `stop` hangs every
    live call up and stops it. Start it after the database, stop it before.
    """

    def __init__(
        self,
        database: Database,
        channel: Channel,
        peers: Peers,
        *,
        clock: Clock,
        settings: DialerSettings,
    ) -> None:
        self._equipment = Equipment(
            database=database,
            channel=channel,
            providers=Providers(peers.providers, clock),
            activeflows=Activeflows(peers.activeflows, clock, patience_s=settings.flow_patience_s),
            traces=TraceWriter(database),
            captures=CaptureWriter(database),
            recordings=RecordingWriter(database),
            speaker=peers.speaker,
            sounds=peers.sounds,
            clock=clock,
            settings=settings,
            dialling=self,
        )
        self._sessions: dict[UUID, tuple[Session, asyncio.Task[None]]] = {}
        self._woken = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._unsure_until = 0.0

    @property
    def live_calls(self) -> int:
        """How many calls have a session."""
        return len(self._sessions)

    async def start(self) -> None:
        """Start the channel, the recovery and the claims; StartRefused: the address is taken."""
        await self._equipment.channel.start()
        recovery = Recovery(self._equipment)
        with untraced():
            await self._equipment.traces.start()
            await self._equipment.captures.start()
            await self._equipment.recordings.start()
            self._loops = [
                asyncio.create_task(recovery.run(), name="dialer.recovery"),
                asyncio.create_task(self._run(), name="dialer.claims"),
            ]

    async def stop(self) -> None:
        """Claim nothing more, hang live calls up, and wait until their rows are final.

        What does not end within `stop_grace_s` is left to the recovery of the next start.
        """
        await _cancel(self._loops)
        sessions = list(self._sessions.values())
        tasks = [task for _, task in sessions]
        try:
            await self._shut_down([session for session, _ in sessions])
            if tasks:
                await asyncio.wait(tasks, timeout=self._equipment.settings.stop_grace_s)
        finally:
            # Also when the node has no more time for the calls: sockets are closed all the same.
            await self._equipment.channel.stop(grace_s=_STOP_CHANNEL_S)
            await _cancel(tasks)
            await self._equipment.activeflows.drain(_STOP_FLOWS_S)
            await self._equipment.traces.stop()
            await self._equipment.captures.stop()
            await self._equipment.recordings.stop()

    @staticmethod
    async def _shut_down(sessions: Sequence[Session]) -> None:
        ends = (session.shut_down() for session in sessions)
        for failure in await asyncio.gather(*ends, return_exceptions=True):
            if failure is not None:
                log.error("a call's end was not kept", exc_info=failure)

    def wake(self) -> None:
        """Look for queued calls now; a wake that is lost costs `POLL_S`."""
        self._woken.set()

    def hangup(self, call_id: UUID, *, elsewhere: bool = False) -> None:
        """End a call whose row says already that it is ending; unknown ones are not live here."""
        found = self._sessions.get(call_id)
        if found is not None:
            found[0].hangup(elsewhere=elsewhere)

    def say(self, call_id: UUID, text: str, language: str) -> None:
        """Speak a text into a call. Raises CallNotAnswered, SpeechesTooMany."""
        self._performance(call_id).say(text, language)

    async def start_recording(self, call_id: UUID, wish: RecordingWish) -> Recording:
        """Record a call. Raises CallNotAnswered, RecordingInProgress."""
        return await self._performance(call_id).start_recording(wish)

    async def stop_recording(self, call_id: UUID) -> None:
        """End a call's recording, if there is one. Raises CallNotAnswered."""
        await self._performance(call_id).stop_recording()

    def _performance(self, call_id: UUID) -> Performance:
        found = self._sessions.get(call_id)
        if found is None or found[0].performance is None:
            raise CallNotAnswered(call_id)
        return found[0].performance

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                full = await self._claim()
            except Exception:
                # The database may be away; calls that wait have a time to be dialled by.
                log.exception("no calls could be claimed")
                self._unsure_until = self._equipment.clock.monotonic() + UNSURE_S
                full = False
            if not full:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _claim(self) -> bool:
        """Claim what there is room for, and what has waited too long; True when more may be there.

        A call that waited until its time was over needs no room: its session only ends it.
        """
        if self._equipment.clock.monotonic() < self._unsure_until:
            await self._adopt()
        settings, now = self._equipment.settings, self._equipment.clock.now()
        most = min(CLAIM_MAX, settings.legs_max - len(self._sessions))

        async def work(tx: Transaction) -> tuple[Call, ...]:
            if most > 0:
                return await repository.claim(tx, settings.owner, most)
            return await repository.claim_expired(tx, settings.owner, CLAIM_MAX, now)

        claimed = await self._equipment.database.transact(work, name="calls_claim")
        for call in claimed:
            self._begin(call)
        return len(claimed) == (most if most > 0 else CLAIM_MAX)

    async def _adopt(self) -> None:
        """Begin what a claim took of which we only heard that it failed: nobody else ever would."""
        known = frozenset(self._sessions)
        owner, most = self._equipment.settings.owner, len(known) + CLAIM_MAX

        async def work(tx: Transaction) -> tuple[Call, ...]:
            return await repository.claimed_by(tx, owner, most)

        claimed = await self._equipment.database.read(work, name="calls_adopt")
        for call in claimed:
            if call.id not in known:
                log.warning("a call was claimed though its claim had failed", call_id=str(call.id))
                self._begin(call)

    def _begin(self, call: Call) -> None:
        session = Session(call, self._equipment)
        task = asyncio.create_task(session.run(), name=f"dialer.call.{call.id}")
        self._sessions[call.id] = (session, task)
        task.add_done_callback(lambda ended: self._ended(call.id, ended))

    def _ended(self, call_id: UUID, task: asyncio.Task[None]) -> None:
        del self._sessions[call_id]
        if len(self._sessions) + 1 >= self._equipment.settings.legs_max:
            # There is room again for a call that waits.
            self.wake()
        if not task.cancelled() and task.exception() is not None:
            log.error("a session failed", call_id=str(call_id), exc_info=task.exception())


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
