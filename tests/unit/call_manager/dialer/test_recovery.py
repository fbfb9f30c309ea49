"""What a process finds that starts on the database of a dead one."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import grpc
import pytest

from call_manager.call.domain import (
    Address,
    AddressType,
    Call,
    CallStatus,
    DialState,
    HangupBy,
    HangupReason,
)
from call_manager.channel import AttemptState
from call_manager.dialer import DialerSettings, endings
from call_manager.recording import repository as recordings
from call_manager.recording.domain import RecordingStatus
from mesh.clock import new_id
from mesh.database import Database, Transaction
from mesh.remote import RemoteError
from tests.support.clock import FakeClock
from tests.unit.call_manager.dialer.dialer_world import PROVIDER_ID, World, eventually

DEAD = "the owner before"


def remote_error(code: grpc.StatusCode) -> RemoteError:
    return RemoteError("voipbin.route.v1.ProviderService/ProviderDialConfigGet", code, "no")


async def left(world: World, status: CallStatus, **changes: Any) -> UUID:
    """Commit a call that a process claimed which is no more."""
    return await world.commit(status=status, dial_state=DialState.CLAIMED, owner=DEAD, **changes)


async def recovered(world: World, call_id: UUID) -> Call:
    async with world.running():
        call = await world.over(call_id)
        # A dialer that dials it after all does so within its first polls.
        await asyncio.sleep(0.05)
        assert world.lines.lines == [], "a recovered call was dialled"
    return call


@pytest.mark.parametrize("status", [CallStatus.DIALING, CallStatus.RINGING])
@pytest.mark.parametrize("state", [AttemptState.INVITING, AttemptState.CANCELLING])
async def test_an_unanswered_call_is_cancelled_and_fails(
    stopped: World, status: CallStatus, state: AttemptState
) -> None:
    call_id = await left(stopped, status)
    attempt_id = await stopped.left_attempt(call_id, state)
    call = await recovered(stopped, call_id)
    assert [stored.invite.attempt_id for stored in stopped.lines.cleared] == [attempt_id]
    assert stopped.lines.cleared[0].dialog is None
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.FAILED)
    assert (call.hangup_detail, call.sip_code) == (endings.CANCELLED, 487)
    assert call.dial_state is DialState.DONE
    assert (await stopped.attempts(call_id))[0]["state"] == AttemptState.ENDED
    assert await stopped.methods(call_id) == ["CANCEL"]


async def test_a_call_that_was_being_cancelled_stays_a_cancel(stopped: World) -> None:
    call_id = await left(stopped, CallStatus.CANCELING, hangup_cause=16)
    await stopped.left_attempt(call_id, AttemptState.INVITING)
    call = await recovered(stopped, call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.CANCEL)
    assert call.hangup_detail == endings.CANCELLED


async def test_an_answered_call_is_hung_up_with_its_stored_dialog(stopped: World) -> None:
    now = stopped.clock.now()
    call_id = await left(stopped, CallStatus.PROGRESSING, tm_progressing=now, flow_id=new_id())
    await stopped.left_attempt(call_id, AttemptState.CONFIRMED)
    call = await recovered(stopped, call_id)
    dialog = stopped.lines.cleared[0].dialog
    assert dialog is not None
    assert (dialog.remote_target, dialog.route_set) == ("sip:there", ("<sip:proxy;lr>",))
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.NORMAL)
    assert call.hangup_detail == endings.HUNG_UP
    assert stopped.flows.stopped == [str(call.activeflow_id)]
    assert await stopped.methods(call_id) == ["BYE"]


async def test_a_call_without_a_carrier_is_hung_up_without_asking_for_one(stopped: World) -> None:
    address = Address(AddressType.SIP, "bob@office.example")
    call_id = await left(
        stopped, CallStatus.PROGRESSING, destination=address, dialroutes=(), provider_id=None
    )
    await stopped.left_attempt(call_id, AttemptState.CONFIRMED, provider_id=None)
    call = await recovered(stopped, call_id)
    assert (call.hangup_reason, call.provider_id) == (HangupReason.NORMAL, None)
    assert await stopped.methods(call_id) == ["BYE"]
    assert stopped.routes.asked == 0


@pytest.mark.parametrize(("username", "password"), [("mesh", "correct horse"), ("", None)])
async def test_a_carrier_that_knows_us_by_name_is_hung_up_on_by_that_name(
    stopped: World, username: str, password: str | None
) -> None:
    call_id = await left(stopped, CallStatus.PROGRESSING, provider_id=PROVIDER_ID)
    config = {"username": username}
    await stopped.left_attempt(call_id, AttemptState.CONFIRMED, dial_config=config)
    await recovered(stopped, call_id)
    credentials = stopped.lines.cleared[0].credentials
    assert (credentials.password if credentials else None) == password
    assert stopped.routes.asked == (1 if username else 0)


async def test_what_may_not_be_recorded_of_a_call_is_known_after_a_crash(stopped: World) -> None:
    call_id = await left(stopped, CallStatus.RINGING)
    config = {"secret_headers": ["x-account"]}
    await stopped.left_attempt(call_id, AttemptState.CONFIRMED, dial_config=config)
    await recovered(stopped, call_id)
    assert stopped.lines.cleared[0].secret_headers == frozenset({"x-account"})


async def test_a_call_is_hung_up_without_a_name_when_nobody_tells_it(stopped: World) -> None:
    away = remote_error(grpc.StatusCode.UNAVAILABLE)
    stopped.routes.answers = [away] * 100
    call_id = await left(stopped, CallStatus.PROGRESSING, provider_id=PROVIDER_ID)
    config = {"username": "mesh"}
    await stopped.left_attempt(call_id, AttemptState.CONFIRMED, dial_config=config)
    async with stopped.running():
        for _ in range(8):
            await stopped.pass_time(1)
        assert (await stopped.over(call_id)).hangup_detail == endings.HUNG_UP
    assert stopped.lines.cleared[0].credentials is None


async def test_an_answer_that_was_committed_before_the_status_is_hung_up(stopped: World) -> None:
    call_id = await left(stopped, CallStatus.RINGING)
    await stopped.left_attempt(call_id, AttemptState.CONFIRMED)
    call = await recovered(stopped, call_id)
    assert (call.hangup_reason, call.hangup_detail) == (HangupReason.NORMAL, endings.HUNG_UP)


@pytest.mark.parametrize(("cause", "reason"), [(16, "normal"), (201, "amd")])
async def test_a_call_that_was_being_hung_up_keeps_its_reason(
    stopped: World, cause: int, reason: str
) -> None:
    call_id = await left(
        stopped,
        CallStatus.TERMINATING,
        hangup_cause=cause,
        tm_progressing=stopped.clock.now(),
    )
    await stopped.left_attempt(call_id, AttemptState.CONFIRMED)
    assert (await recovered(stopped, call_id)).hangup_reason == reason


async def test_a_claimed_call_without_an_invite_is_not_dialled(stopped: World) -> None:
    call_id = await left(stopped, CallStatus.DIALING)
    call = await recovered(stopped, call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.FAILED)
    assert (call.hangup_detail, call.sip_code) == (endings.NOT_DIALLED, 0)
    assert stopped.lines.cleared == []


async def test_a_refusal_whose_end_was_not_written_ends_as_the_carrier_said(
    stopped: World,
) -> None:
    call_id = await left(stopped, CallStatus.RINGING)
    await stopped.left_attempt(
        call_id,
        AttemptState.ENDED,
        sip_code=486,
        sip_reason="Busy Here",
        tm_end=stopped.clock.now(),
    )
    call = await recovered(stopped, call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.REMOTE, HangupReason.BUSY)
    assert (call.sip_code, call.sip_reason) == (486, "Busy Here")
    assert stopped.lines.cleared == []


async def test_only_the_attempts_that_live_are_cleared(stopped: World) -> None:
    call_id = await left(stopped, CallStatus.DIALING)
    await stopped.left_attempt(
        call_id, AttemptState.ENDED, sip_code=407, tm_end=stopped.clock.now()
    )
    second = await stopped.left_attempt(call_id, AttemptState.INVITING, sequence=2)
    call = await recovered(stopped, call_id)
    assert [stored.invite.attempt_id for stored in stopped.lines.cleared] == [second]
    assert call.sip_code == 487


async def test_a_call_is_over_even_when_the_wire_is_broken(stopped: World) -> None:
    stopped.lines.clears_break = True
    call_id = await left(stopped, CallStatus.RINGING)
    await stopped.left_attempt(call_id, AttemptState.INVITING)
    call = await recovered(stopped, call_id)
    assert (call.hangup_reason, call.hangup_detail) == (HangupReason.FAILED, endings.CANCELLED)


async def test_a_call_whose_rows_cannot_be_read_is_ended_all_the_same(stopped: World) -> None:
    call_id = await left(stopped, CallStatus.PROGRESSING)
    await stopped.left_attempt(call_id, AttemptState.CONFIRMED, route_set=None)
    call = await recovered(stopped, call_id)
    assert (call.hangup_reason, call.hangup_detail) == (HangupReason.FAILED, endings.BROKEN)
    assert call.dial_state is DialState.DONE


async def test_a_call_that_was_only_queued_is_dialled_in_its_time(stopped: World) -> None:
    queued = await stopped.commit()
    claimed = await left(stopped, CallStatus.DIALING)
    async with stopped.running():
        line = await stopped.lines.line()
        await stopped.over(claimed)
        assert [one.target.call_id for one in stopped.lines.lines] == [queued]
        await line.refuse(486)
        await stopped.over(queued)


async def test_what_is_over_is_left_alone(stopped: World) -> None:
    now = stopped.clock.now()
    call_id = await stopped.commit(
        status=CallStatus.HANGUP, dial_state=DialState.DONE, owner=DEAD, tm_hangup=now
    )
    before = await stopped.call(call_id)
    async with stopped.running():
        await asyncio.sleep(0.05)
    assert await stopped.call(call_id) == before


async def test_many_left_calls_are_all_ended(stopped: World) -> None:
    ids = [await left(stopped, CallStatus.RINGING) for _ in range(20)]
    for call_id in ids:
        await stopped.left_attempt(call_id, AttemptState.INVITING)
    async with stopped.running():

        async def all_over() -> bool:
            return {(await stopped.call(one)).status for one in ids} == {CallStatus.HANGUP}

        await eventually(all_over)
    assert len(stopped.lines.cleared) == 20


async def test_a_stop_hangs_live_calls_up_and_their_rows_are_final(stopped: World) -> None:
    stopped.flows.script(("sleep", {"duration": 60_000.0}))
    async with stopped.running():
        ringing = await stopped.commit()
        first = await stopped.lines.line(0)
        answered = await stopped.commit(flow_id=new_id())
        second = await stopped.lines.line(1)
        await second.answer()
        await stopped.until(answered, CallStatus.PROGRESSING)
        stopped.routes.gate.clear()
        stopped.routes.question.clear()
        undialled = await stopped.commit()
        await stopped.routes.question.wait()
    reasons = [(await stopped.call(one)).hangup_reason for one in (ringing, answered, undialled)]
    assert reasons == [HangupReason.CANCEL, HangupReason.NORMAL, HangupReason.CANCEL]
    assert {(await stopped.call(one)).hangup_by for one in (ringing, answered, undialled)} == {
        HangupBy.LOCAL
    }
    assert (await stopped.call(answered)).hangup_detail == endings.STOPPED
    assert (first.hangups >= 1, second.hangups >= 1, len(stopped.lines.lines)) == (True, True, 2)
    assert stopped.dialer.live_calls == 0


async def test_nothing_is_claimed_after_the_stop(stopped: World) -> None:
    async with stopped.running():
        pass
    call_id = await stopped.commit()
    await asyncio.sleep(0.05)
    assert (await stopped.call(call_id)).dial_state is DialState.QUEUED


async def test_a_leg_that_does_not_end_in_time_is_left_to_the_next_start(
    database: Database,
) -> None:
    first = World(database, FakeClock(), DialerSettings(stop_grace_s=0.1))
    async with first.running():
        call_id = await first.commit()
        (await first.lines.line()).deaf = True
    assert first.dialer.live_calls == 0
    left_over = await first.call(call_id)
    assert (left_over.status, left_over.dial_state) == (CallStatus.CANCELING, DialState.CLAIMED)
    second = World(database, first.clock)
    call = await recovered(second, call_id)
    assert (call.hangup_reason, len(second.lines.cleared)) == (HangupReason.CANCEL, 1)


async def test_a_recording_that_a_dead_process_left_is_ended_with_what_was_stored(
    stopped: World,
) -> None:
    now, recording_id = stopped.clock.now(), new_id()
    call_id = await left(stopped, CallStatus.PROGRESSING, tm_progressing=now)
    await stopped.left_attempt(call_id, AttemptState.CONFIRMED)

    async def work(tx: Transaction) -> None:
        await recordings.begin(tx, call_id, recording_id, now)
        await recordings.add_chunks(tx, [(recording_id, bytes(16_000))])

    await stopped.database.transact(work, name="test_recording")
    call = await recovered(stopped, call_id)
    assert (call.recording_id, call.recording_ids) == (None, (recording_id,))
    found = await stopped.database.read(
        lambda tx: recordings.get(tx, recording_id), name="test_recording"
    )
    assert found is not None
    assert (found[0].status, found[0].duration_ms) == (RecordingStatus.ENDED, 1000)
