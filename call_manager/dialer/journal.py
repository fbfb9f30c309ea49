"""A call's journal over the database: what the channel must not lose, before the wire has it."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from typing_extensions import override

from call_manager.channel import (
    AttemptOutcome,
    CallJournal,
    DialogRecord,
    InviteRecord,
    MediaReport,
    WireMessage,
)
from call_manager.dialer import attempts
from call_manager.dialer.attempts import Dial
from call_manager.dialer.equipment import Equipment
from call_manager.dialer.kill_switch import DialingOff, demand_dialing
from call_manager.dialer.metrics import AttemptMeter
from call_manager.dialer.spans import AttemptSpans
from mesh.database import Transaction, Work

TRACE_MESSAGES_MAX: Final = 5_000
"""The most SIP messages that are kept of one leg; one of an hour has some hundred."""

TRACE_BYTES_MAX: Final = 4 * 1024 * 1024
"""The most bytes of them."""

NOT_DIALLED: Final = "The call was ending, or its time to dial was over; no INVITE was sent."
"""What a refused INVITE says of itself."""

log = structlog.get_logger()


class InviteRefused(Exception):
    """The INVITE must not leave: the call is ending, or it is too late to dial it."""


class StoredJournal(CallJournal):
    """The journal of a call that is only ended: it stores what happens and allows no INVITE."""

    def __init__(self, call_id: UUID, equipment: Equipment) -> None:
        self._call_id = call_id
        self._equipment = equipment
        self._messages_left = TRACE_MESSAGES_MAX
        self._bytes_left = TRACE_BYTES_MAX
        self._trace_full = False
        self._capture_left = equipment.settings.capture_bytes_max
        self._capture_full = False

    @override
    async def invite_planned(self, record: InviteRecord) -> None:
        """Refuse: whoever this journal is given to may only end what there is."""
        raise InviteRefused(NOT_DIALLED)

    @override
    async def dialog_confirmed(self, record: DialogRecord) -> None:
        """Store the dialog that a 2xx made."""

        async def work(tx: Transaction) -> None:
            await attempts.confirm_dialog(tx, record)

        await self._surely(("dialog", record.attempt_id), work, "attempt_confirm")

    @override
    async def attempt_updated(self, outcome: AttemptOutcome) -> None:
        """Store an attempt's times and final answer."""
        await self._update(outcome, None)

    async def _update(self, outcome: AttemptOutcome, pdd_ms: int | None) -> None:
        async def work(tx: Transaction) -> None:
            await attempts.update_attempt(tx, outcome, pdd_ms)

        await self._surely(("outcome", outcome.attempt_id), work, "attempt_update")

    @override
    async def media_measured(self, report: MediaReport) -> None:
        """Store what an attempt's audio was like."""
        await self._surely(("media", report.attempt_id), self._media_work(report), "attempt_media")

    def _media_work(self, report: MediaReport, lasted_s: float | None = None) -> Work[None]:
        async def work(tx: Transaction) -> None:
            await attempts.keep_media(tx, report, lasted_s)

        return work

    async def _surely(self, key: Hashable, work: Work[None], name: str) -> None:
        """Write at once; what the database does not take in time is written when it does."""
        try:
            await self._equipment.database.transact(work, name=name)
        except BaseException:
            # Also when the channel waits no longer. Written twice, it says the same.
            self._equipment.traces.note(self._call_id, key, work)
            raise

    @override
    def message(self, message: WireMessage) -> None:
        """Take one datagram; the trace writer stores it within 50 ms.

        A carrier that does not stop talking fills its own call's trace, and no disk.
        """
        if self._trace_full:
            return
        self._messages_left -= 1
        self._bytes_left -= len(message.raw)
        if self._messages_left < 0 or self._bytes_left < 0:
            self._trace_full = True
            log.warning("the trace is full; no more is kept", call_id=str(self._call_id))
            return
        self._equipment.traces.put(self._call_id, message)

    @override
    def rtp(self, chunk: bytes) -> None:
        """Take captured RTP; the capture writer stores it within a second."""
        if self._capture_full:
            return
        self._capture_left -= len(chunk)
        if self._capture_left < 0:
            self._capture_full = True
            log.warning("the capture is full; no more is kept", call_id=str(self._call_id))
            return
        self._equipment.captures.put(self._call_id, chunk)


class SessionJournal(StoredJournal):
    """The journal of one leg of a call that is being dialled."""

    def __init__(self, call_id: UUID, equipment: Equipment, dial: Dial) -> None:
        super().__init__(call_id, equipment)
        self._dial = dial
        self._spans = AttemptSpans(call_id, dial.provider_id, dial.leg)
        self._meter = AttemptMeter(dial.provider_id)
        self._open = True
        self._answered_at: dict[UUID, datetime] = {}
        self.refused = False
        """Whether an INVITE was refused: the call was ending, or it was too late."""
        self.why = ""
        """What refused it, where it was something else; one sentence."""
        self.planned = 0
        """How many INVITEs were stored."""
        self.unsure = False
        """Whether one may or may not have been stored: the database failed."""

    def close(self) -> None:
        """Allow no further INVITE: the call is ending."""
        self._open = False

    def end_observation(self) -> None:
        """Close the spans of attempts that never got an answer, and count them."""
        self._spans.end()
        self._meter.end()

    @override
    async def invite_planned(self, record: InviteRecord) -> None:
        """Store the attempt; raises InviteRefused when the call may not be dialled any more."""
        now = self._equipment.clock.now()

        async def work(tx: Transaction) -> None:
            await demand_dialing(tx)
            if not await attempts.plan_invite(tx, record, self._dial, now):
                raise InviteRefused(NOT_DIALLED)

        try:
            if not self._open:
                raise InviteRefused(NOT_DIALLED)
            self.unsure = True
            await self._equipment.database.transact(work, name="attempt_plan")
        except DialingOff as off:
            self.refused, self.unsure, self.why = True, False, str(off)
            raise InviteRefused(self.why) from off
        except InviteRefused:
            self.refused, self.unsure = True, False
            raise
        self.planned, self.unsure = self.planned + 1, False
        log.info("invite leaves", attempt_id=str(record.attempt_id), to=record.remote_address)
        self._spans.begin(record)
        self._meter.begin(record)

    @override
    async def attempt_updated(self, outcome: AttemptOutcome) -> None:
        """Store an attempt's times and final answer; those of one that lives within 50 ms."""
        self._spans.update(outcome)
        self._meter.update(outcome)
        if outcome.answered_at is not None:
            self._answered_at[outcome.attempt_id] = outcome.answered_at
        signed = outcome.ringing_at is not None or outcome.answered_at is not None
        pdd_ms = self._meter.pdd_ms if signed else None
        refused = outcome.ended_at is not None and outcome.answered_at is None
        # What follows a refusal goes by its row; anything else is only told, and the call's end
        # waits until it is written.
        if refused or not self._equipment.traces.note(
            self._call_id,
            ("outcome", outcome.attempt_id),
            lambda tx: attempts.update_attempt(tx, outcome, pdd_ms),
        ):
            await self._update(outcome, pdd_ms)

    @override
    async def media_measured(self, report: MediaReport) -> None:
        """Store what an attempt's audio was like, with the next batch of messages."""
        answered_at = self._answered_at.get(report.attempt_id)
        # The leg is over now. Once judged, everybody is told the same.
        now = self._equipment.clock.now()
        lasted_s = None if answered_at is None else (now - answered_at).total_seconds()
        key, work = ("media", report.attempt_id), self._media_work(report, lasted_s)
        if not self._equipment.traces.note(self._call_id, key, work):
            await self._surely(key, work, "attempt_media")
