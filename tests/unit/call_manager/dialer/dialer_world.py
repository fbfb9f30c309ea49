"""A dialer on a real database, with a channel whose legs do what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
from google.protobuf import struct_pb2
from sqlalchemy import insert, select, update
from voipbin.flow.v1 import action_pb2, activeflow_service_pb2
from voipbin.route.v1 import provider_pb2, provider_service_pb2

from call_manager.bootstrap import MIGRATIONS
from call_manager.call import repository as calls
from call_manager.call.domain import (
    Address,
    AddressType,
    Anonymous,
    Call,
    CallStatus,
    Creation,
    Dialroute,
    DialState,
)
from call_manager.call.hangup import Cause
from call_manager.channel import (
    Answered,
    AttemptOutcome,
    AttemptState,
    CallJournal,
    ChannelEvent,
    DialogRecord,
    DialTarget,
    Ended,
    EndedBy,
    InviteRecord,
    MediaFailure,
    NextHop,
    ProbeResult,
    Progress,
    StoredAttempt,
    Transport,
    WireMessage,
)
from call_manager.dialer import Dialer, DialerSettings, Peers
from call_manager.dialer.repository import MESSAGES
from call_manager.tables import EVENTS
from mesh.clock import new_id
from mesh.database import Database, Transaction
from mesh.remote import RemoteError
from tests.support.clock import FakeClock
from tests.support.media import FakeMedia
from tests.support.sounds import FakeSounds, FakeSpeaker

PROVIDER_ID = new_id()

NOWHERE = "nowhere.example"
"""A host without an address."""


class Line:
    """A leg: a test plays the carrier by calling its methods."""

    def __init__(self, target: DialTarget, journal: CallJournal, clock: FakeClock) -> None:
        self.target = target
        self.journal = journal
        self.media = FakeMedia()
        self.hangups = 0
        self.elsewhere = False
        self.answered = False
        self.ended = False
        self.deaf = False
        """Whether a hangup brings no end."""
        self.invites = 0
        self._clock = clock
        self._events: asyncio.Queue[ChannelEvent] = asyncio.Queue()
        self.record = an_invite(target.call_id, clock.now())
        unknown = target.next_hop.host == NOWHERE
        begin = self.do_not_resolve() if unknown else self.invite()
        self.dialled = asyncio.get_running_loop().create_task(begin)

    async def do_not_resolve(self) -> None:
        self.be_unreachable(f"{NOWHERE} has no address.")

    async def invite(self, sequence: int = 1) -> None:
        record = replace(self.record, attempt_id=new_id(), sequence=sequence)
        try:
            await self.journal.invite_planned(record)
        except Exception as error:
            self._end(EndedBy.ERROR, None, "", str(error))
            return
        self.record = record
        self.invites += 1
        self.wire(sent=True, method="INVITE")

    async def next_event(self) -> ChannelEvent:
        event = await self._events.get()
        if isinstance(event, Ended) and event.reason_phrase == "broken":
            raise RuntimeError("the leg broke")
        return event

    def hangup(self, *, elsewhere: bool = False) -> None:
        self.hangups += 1
        self.elsewhere = elsewhere
        if self.deaf or self.ended:
            return
        if self.answered:
            self.wire(sent=True, method="BYE")
            self._end(EndedBy.LOCAL, 200, "OK")
        elif self.invites:
            self.wire(sent=True, method="CANCEL")
            self._end(EndedBy.LOCAL, 487, "Request Terminated")

    def wire(self, *, sent: bool, method: str) -> None:
        raw = f"{method} sip:x SIP/2.0\r\n\r\n".encode()
        self.journal.message(
            WireMessage(self._clock.now(), sent, method, "127.0.0.1:5060", "127.0.0.1:5062", raw)
        )

    def ring(self, code: int = 180) -> None:
        self._events.put_nowait(Progress(self._clock.now(), code, "Ringing"))

    async def answer(self) -> None:
        """Answer with a 2xx, which is committed as the channel does."""
        self.answered = True
        dialog = DialogRecord(self.record.attempt_id, "<sip:x>;tag=2", "sip:x", (), 1, "PCMU")
        await self.journal.dialog_confirmed(dialog)
        self._events.put_nowait(Answered(self._clock.now(), "PCMU"))

    async def report(self, moment: str) -> None:
        """Tell the journal that `trying`, `ringing` or `answered` has come."""
        order = ("trying", "ringing", "answered")
        trying, ringing, answered = (
            self._clock.now() if order.index(moment) >= place else None for place in range(3)
        )
        code, phrase = (200, "OK") if moment == "answered" else (None, "")
        await self.journal.attempt_updated(
            AttemptOutcome(self.record.attempt_id, code, phrase, trying, ringing, answered, None)
        )

    async def refuse(self, code: int, phrase: str = "No") -> None:
        now = self._clock.now()
        await self.journal.attempt_updated(
            AttemptOutcome(self.record.attempt_id, code, phrase, now, None, None, now)
        )
        self._end(EndedBy.REMOTE, code, phrase)

    def be_unreachable(self, detail: str = "Connection refused.") -> None:
        self.ended = True
        ended = Ended(self._clock.now(), EndedBy.ERROR, None, "", detail, reached=False)
        self._events.put_nowait(ended)

    def carry_no_audio(self, why: MediaFailure) -> None:
        self.ended = True
        detail = "The carrier picked a codec that nobody here can play."
        ended = Ended(self._clock.now(), EndedBy.ERROR, 200, "OK", detail, media=why)
        self._events.put_nowait(ended)

    def bye(self) -> None:
        self.wire(sent=False, method="BYE")
        self._end(EndedBy.REMOTE, 200, "OK")

    def fall_silent(self) -> None:
        self._end(EndedBy.TIMEOUT, 200 if self.answered else None, "")

    def end(self, by: EndedBy, code: int | None, phrase: str = "") -> None:
        self._end(by, code, phrase)

    def break_(self) -> None:
        self._end(EndedBy.ERROR, None, "broken")
        self.ended = False

    def _end(self, by: EndedBy, code: int | None, phrase: str, detail: str = "") -> None:
        self.ended = True
        self._events.put_nowait(Ended(self._clock.now(), by, code, phrase, detail))


class Lines:
    """A channel."""

    def __init__(self, clock: FakeClock) -> None:
        self.address = "127.0.0.1:5060"
        self.lines: list[Line] = []
        self.cleared: list[StoredAttempt] = []
        self.clears_break = False
        self.cleared_code = 487
        self._clock = clock
        self._dialled = asyncio.Event()

    async def start(self) -> None:
        """Nothing is bound."""

    async def stop(self, *, grace_s: float) -> None:
        for line in self.lines:
            line.hangup()

    def dial(self, target: DialTarget, journal: CallJournal) -> Line:
        line = Line(target, journal, self._clock)
        self.lines.append(line)
        self._dialled.set()
        return line

    async def probe(self, hop: NextHop, *, route: str = "", timeout_s: float = 5.0) -> ProbeResult:
        raise NotImplementedError("no dialer asks that")

    async def clear(self, attempts: Sequence[StoredAttempt], journal: CallJournal) -> None:
        self.cleared.extend(attempts)
        if self.clears_break:
            raise OSError("no route to host")
        for stored in attempts:
            now = self._clock.now()
            method = "CANCEL" if stored.dialog is None else "BYE"
            journal.message(WireMessage(now, True, method, "127.0.0.1:1", "127.0.0.1:2", b"x"))
            code = self.cleared_code if stored.dialog is None else 200
            await journal.attempt_updated(
                AttemptOutcome(stored.invite.attempt_id, code, "", None, None, None, now)
            )

    async def line(self, number: int = 0) -> Line:
        """Wait until so many legs were dialled, and the last one's INVITE is out or refused."""
        while len(self.lines) <= number:
            self._dialled.clear()
            await self._dialled.wait()
        await self.lines[number].dialled
        return self.lines[number]


class RouteManager:
    """Answers as route_manager does; `answers` come first, one for each question."""

    def __init__(self) -> None:
        self.hostname = "carrier.example"
        self.asked = 0
        self.answers: list[Exception] = []
        self.carriers: dict[UUID, dict[str, Any]] = {}
        """What is special about a carrier: fields of its `Provider`."""
        self.gone: set[UUID] = set()
        """Carriers that were deleted."""
        self.question = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def ProviderDialConfigGet(self, request: Any) -> Any:  # noqa: N802
        self.asked += 1
        self.question.set()
        await self.gate.wait()
        if self.answers:
            raise self.answers.pop(0)
        if UUID(request.id) in self.gone:
            rpc = "voipbin.route.v1.ProviderService/ProviderDialConfigGet"
            raise RemoteError(rpc, grpc.StatusCode.NOT_FOUND, "No provider has the id.")
        provider = provider_pb2.Provider(
            id=request.id,
            hostname=self.hostname,
            tech_prefix="9",
            tech_headers={"X-Account": "42"},
            codecs="PCMA",
            sip_username="mesh",
            sip_password="correct horse",
        )
        provider.MergeFrom(provider_pb2.Provider(**self.carriers.get(UUID(request.id), {})))
        return provider_service_pb2.ProviderDialConfigGetResponse(provider=provider)


class FlowManager:
    """Hands out a list of actions, as flow_manager does."""

    def __init__(self) -> None:
        self.actions: list[action_pb2.Action] = []
        self.answers: list[Exception] = []
        self.finished: list[str] = []
        self.errors: list[str] = []
        self.steps: list[int] = []
        """Why the action before failed, with each question."""
        self.found: list[dict[str, str]] = []
        self.stopped: list[str] = []
        self.stop_answers: list[Exception] = []

    def script(self, *actions: tuple[str, dict[str, Any]]) -> None:
        for kind, options in actions:
            option = struct_pb2.Struct()
            option.update(options)
            self.actions.append(action_pb2.Action(id=str(new_id()), type=kind, option=option))

    async def ActiveflowNext(self, request: Any) -> Any:  # noqa: N802
        if self.answers:
            raise self.answers.pop(0)
        self.finished.append(request.finished_action_id)
        self.errors.append(request.finished_error)
        self.steps.append(request.finished_step)
        self.found.append(dict(request.found_variables))
        ids = [action.id for action in self.actions]
        place = ids.index(request.finished_action_id) + 1 if request.finished_action_id else 0
        action = self.actions[place] if place < len(ids) else None
        return activeflow_service_pb2.ActiveflowNextResponse(action=action, step=place + 1)

    async def ActiveflowStop(self, request: Any) -> Any:  # noqa: N802
        if self.stop_answers:
            raise self.stop_answers.pop(0)
        self.stopped.append(request.id)
        return activeflow_service_pb2.ActiveflowStopResponse()


@dataclass
class World:
    """The dialer and everything around it."""

    database: Database
    clock: FakeClock
    settings: DialerSettings = field(default_factory=DialerSettings)

    def __post_init__(self) -> None:
        self.lines = Lines(self.clock)
        self.routes = RouteManager()
        self.flows = FlowManager()
        self.speaker = FakeSpeaker()
        self.sounds = FakeSounds()
        peers: Any = Peers(self.routes, self.flows, self.speaker, self.sounds)  # type: ignore[arg-type]
        self.dialer = Dialer(
            self.database, self.lines, peers, clock=self.clock, settings=self.settings
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        await self.dialer.start()
        try:
            yield self
        finally:
            await self.dialer.stop()

    async def commit(self, **changes: Any) -> UUID:
        """Store a call as the call service does, and wake the dialer."""
        call = replace(a_call(self.clock.now()), **changes)

        async def work(tx: Transaction) -> None:
            creation = Creation(call.creation_id, False, "f", (), call.tm_create, call.customer_id)
            assert await calls.insert_creation(tx, creation)
            assert await calls.insert_calls(tx, [call])

        await self.database.transact(work, name="test_commit")
        self.dialer.wake()
        return call.id

    async def call(self, call_id: UUID) -> Call:
        async def work(tx: Transaction) -> Call | None:
            return await calls.call(tx, call_id)

        found = await self.database.read(work, name="test_call")
        assert found is not None
        return found

    async def until(self, call_id: UUID, *statuses: CallStatus) -> Call:
        """Wait in real time until the call stands at one of the statuses."""

        async def there() -> bool:
            return (await self.call(call_id)).status in statuses

        await eventually(there)
        return await self.call(call_id)

    async def over(self, call_id: UUID) -> Call:
        return await self.until(call_id, CallStatus.HANGUP)

    async def pass_time(self, seconds: float) -> None:
        """Let tasks go to sleep, then move the clock."""
        await asyncio.sleep(0.05)
        await self.clock.advance(seconds)

    async def ask_hangup(self, call_id: UUID, *, tell: bool = True) -> None:
        """Ask for a hangup as the call service does."""

        async def work(tx: Transaction) -> None:
            await calls.request_hangup(tx, call_id, Cause.NORMAL, self.clock.now())

        await self.database.transact(work, name="test_hangup")
        if tell:
            self.dialer.hangup(call_id)

    async def attempts(self, call_id: UUID) -> Sequence[Any]:
        async def work(tx: Transaction) -> Sequence[Any]:
            table = calls.ATTEMPTS
            return await tx.all(
                select(table).where(table.c.call_id == call_id).order_by(table.c.sequence)
            )

        return await self.database.read(work, name="test_attempts")

    async def events(self, resource_id: UUID) -> list[tuple[str, bytes]]:
        """Return what happened to a resource, oldest first, and what it was then."""

        async def work(tx: Transaction) -> list[tuple[str, bytes]]:
            table = EVENTS.table
            rows = await tx.all(
                select(table).where(table.c.resource_id == resource_id).order_by(table.c.id)
            )
            return [(row["event_type"], row["data"]) for row in rows]

        return await self.database.read(work, name="test_events")

    async def methods(self, call_id: UUID) -> list[str]:
        async def work(tx: Transaction) -> list[str]:
            rows = await tx.all(
                select(MESSAGES.c.method)
                .where(MESSAGES.c.call_id == call_id)
                .order_by(MESSAGES.c.seq)
            )
            return [row["method"] for row in rows]

        return await self.database.read(work, name="test_messages")

    async def left_attempt(
        self, call_id: UUID, state: AttemptState, *, sequence: int = 1, **columns: Any
    ) -> UUID:
        """Store an attempt as a process did that died since."""
        record = replace(an_invite(call_id, self.clock.now()), sequence=sequence)
        values: dict[str, Any] = {
            "id": record.attempt_id,
            "call_id": call_id,
            "sequence": sequence,
            "leg": 1,
            "transport": "udp",
            "dns": [],
            "continued": False,
            "provider_id": PROVIDER_ID,
            "state": state.value,
            "dial_config": {},
            "sip_call_id": record.sip_call_id,
            "branch": record.branch,
            "from_tag": record.from_tag,
            "cseq": record.cseq,
            "local_address": record.local_address,
            "remote_address": record.remote_address,
            "request_uri": record.request_uri,
            "from_header": record.from_header,
            "to_header": record.to_header,
            "codec": "",
            "sip_reason": "",
            "tm_invite": record.started_at,
        }
        if state is AttemptState.CONFIRMED:
            values |= {
                "dialog_to_header": "<sip:x>;tag=2",
                "remote_target": "sip:there",
                "route_set": ["<sip:proxy;lr>"],
                "local_cseq": 1,
                "tm_answered": record.started_at,
            }

        async def work(tx: Transaction) -> None:
            await tx.run(insert(calls.ATTEMPTS).values(values | columns))

        await self.database.transact(work, name="test_attempt")
        return record.attempt_id

    async def move(self, call_id: UUID, **columns: Any) -> None:
        async def work(tx: Transaction) -> None:
            table = calls.CALLS
            await tx.run(update(table).where(table.c.id == call_id).values(**columns))

        await self.database.transact(work, name="test_move")


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait in real time until the condition holds; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110  (rows have no event)
            await asyncio.sleep(0.005)


def a_call(now: datetime) -> Call:
    return Call(
        id=new_id(),
        creation_id=new_id(),
        position=0,
        customer_id=new_id(),
        flow_id=None,
        activeflow_id=new_id(),
        source=Address(AddressType.TEL, "+15550100001"),
        destination=Address(AddressType.TEL, "+15550100002"),
        anonymous=Anonymous.NO,
        metadata={},
        status=CallStatus.DIALING,
        dialroutes=(Dialroute(PROVIDER_ID, PROVIDER_ID),),
        dial_not_after=now + timedelta(seconds=30),
        dial_state=DialState.QUEUED,
        tm_create=now,
    )


def an_invite(call_id: UUID, now: datetime) -> InviteRecord:
    return InviteRecord(
        attempt_id=new_id(),
        call_id=call_id,
        sequence=1,
        sip_call_id=f"{call_id}@mesh",
        branch="z9hG4bK1",
        from_tag="1",
        cseq=1,
        local_address="127.0.0.1:5060",
        remote_address="127.0.0.1:5062",
        transport=Transport.UDP,
        dns=(),
        request_uri="sip:9+15550100002@carrier.example",
        from_header="<sip:+15550100001@mesh.example>;tag=1",
        to_header="<sip:9+15550100002@carrier.example>",
        started_at=now,
    )


@asynccontextmanager
async def a_database(folder: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{folder / 'calls.db'}", migrations=MIGRATIONS)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()
