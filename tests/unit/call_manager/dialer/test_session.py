"""One call at a carrier that does what the test says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import pytest

from call_manager.call.domain import (
    Address,
    AddressType,
    CallStatus,
    DialState,
    HangupBy,
    HangupReason,
)
from call_manager.channel import AttemptState, EndedBy
from call_manager.dialer import DialerSettings, endings, session
from call_manager.dialer.journal import NOT_DIALLED
from mesh.database import Database
from mesh.remote import RemoteError
from tests.support.clock import FakeClock
from tests.unit.call_manager.dialer.dialer_world import PROVIDER_ID, Line, World, eventually


def remote_error(code: grpc.StatusCode, message: str = "no") -> RemoteError:
    return RemoteError("voipbin.route.v1.ProviderService/ProviderDialConfigGet", code, message)


async def test_an_answered_call_without_a_flow_is_hung_up_as_normal_by_us(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    line.ring()
    ringing = await world.until(call_id, CallStatus.RINGING)
    assert ringing.tm_ringing == world.clock.now()
    await line.answer()
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.NORMAL)
    assert (call.sip_code, call.sip_reason, call.hangup_detail) == (200, "OK", "")
    assert call.tm_progressing is not None
    assert call.tm_hangup is not None
    assert (call.dial_state, call.provider_id) == (DialState.DONE, PROVIDER_ID)
    assert line.hangups == 1


async def test_a_sip_address_is_dialled_at_its_own_host_and_no_carrier_is_asked_for(
    world: World,
) -> None:
    address = Address(AddressType.SIP, "bob@office.example:5070")
    call_id = await world.commit(destination=address, dialroutes=())
    line = await world.lines.line()
    target = line.target
    assert (target.next_hop.host, target.next_hop.port) == ("office.example", 5070)
    assert (target.headers, target.credentials, target.codecs) == ((), None, ())
    await line.refuse(486)
    call = await world.over(call_id)
    assert (call.hangup_reason, call.provider_id) == (HangupReason.BUSY, None)
    (attempt,) = await world.attempts(call_id)
    assert attempt["provider_id"] is None
    assert attempt["dial_config"]["hostname"] == "office.example:5070"
    assert world.routes.asked == 0


async def test_a_number_without_a_carrier_is_not_dialled(world: World) -> None:
    call = await world.over(await world.commit(dialroutes=()))
    assert call.hangup_reason == HangupReason.FAILED
    assert call.hangup_detail == "No carrier was chosen for the call."
    assert world.lines.lines == []


async def test_a_call_is_ended_in_its_row_whatever_kept_it_from_being_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = Database.transact, iter([OSError("disk"), RuntimeError("a defect")])

    async def failing(self: Database, work: Any, *, name: str) -> Any:
        if name == "call_finish" and (failure := next(failures, None)) is not None:
            raise failure
        return await real(self, work, name=name)

    monkeypatch.setattr(Database, "transact", failing)
    call_id = await world.commit()
    await (await world.lines.line()).refuse(486)
    for _ in range(2):
        await world.pass_time(5)
    assert (await world.over(call_id)).hangup_reason == HangupReason.BUSY


async def test_the_leg_is_made_of_the_carriers_configuration(world: World) -> None:
    await world.commit()
    line = await world.lines.line()
    assert line.target.request_uri == "sip:9+15550100002@carrier.example"
    assert line.target.headers == (("X-Account", "42"),)
    assert line.target.codecs == ("PCMA",)
    assert line.target.credentials is not None
    assert line.target.credentials.password == "correct horse"


async def test_an_attempt_keeps_what_it_was_dialled_with_but_no_password(world: World) -> None:
    call_id = await world.commit()
    await world.lines.line()
    attempt = (await world.attempts(call_id))[0]
    assert attempt["state"] == AttemptState.INVITING
    assert attempt["provider_id"] == PROVIDER_ID
    assert attempt["dial_config"]["hostname"] == "carrier.example"
    assert attempt["dial_config"]["username"] == "mesh"
    assert "correct horse" not in str(dict(attempt))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (401, HangupReason.NOANSWER),
        (403, HangupReason.NOANSWER),
        (404, HangupReason.FAILED),
        (408, HangupReason.FAILED),
        (480, HangupReason.NOANSWER),
        (486, HangupReason.BUSY),
        (487, HangupReason.FAILED),
        (488, HangupReason.FAILED),
        (302, HangupReason.FAILED),
        (503, HangupReason.FAILED),
        (600, HangupReason.BUSY),
        (603, HangupReason.NOANSWER),
    ],
)
@pytest.mark.parametrize("ringing", [False, True])
async def test_a_refusal_ends_the_call_by_the_tables(
    world: World, code: int, reason: HangupReason, ringing: bool
) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    if ringing:
        line.ring()
        await world.until(call_id, CallStatus.RINGING)
    await line.refuse(code, "Because")
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.REMOTE, reason)
    assert (call.sip_code, call.sip_reason) == (code, "Because")
    attempt = (await world.attempts(call_id))[0]
    assert (attempt["state"], attempt["sip_code"]) == (AttemptState.ENDED, code)


@pytest.mark.parametrize(("code", "rings"), [(180, True), (181, True), (183, True), (199, False)])
async def test_only_18x_is_ringing(world: World, code: int, rings: bool) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    line.ring(code)
    await line.refuse(486)
    assert ((await world.over(call_id)).tm_ringing is not None) == rings


async def test_the_carriers_bye_is_a_normal_end_by_the_other_side(world: World) -> None:
    world.flows.script(("sleep", {"duration": 60_000}))
    call_id = await world.commit(flow_id=PROVIDER_ID)
    line = await world.lines.line()
    await line.answer()
    await world.until(call_id, CallStatus.PROGRESSING)
    line.bye()
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.REMOTE, HangupReason.NORMAL)


async def test_a_carrier_that_says_nothing_fails_the_call_and_the_record_says_so(
    world: World,
) -> None:
    call_id = await world.commit()
    (await world.lines.line()).fall_silent()
    call = await world.over(call_id)
    assert call.hangup_reason is HangupReason.FAILED
    assert (call.sip_code, call.hangup_detail) == (0, endings.NO_ANSWER)


async def test_a_carrier_that_vanishes_after_the_answer_ends_the_call_as_normal(
    world: World,
) -> None:
    world.flows.script(("sleep", {"duration": 60_000}))
    call_id = await world.commit(flow_id=PROVIDER_ID)
    line = await world.lines.line()
    await line.answer()
    await world.until(call_id, CallStatus.PROGRESSING)
    line.fall_silent()
    call = await world.over(call_id)
    assert call.hangup_reason is HangupReason.NORMAL
    assert call.hangup_detail == endings.VANISHED


async def test_our_ring_timer_cancels_as_dialout(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    line.ring()
    await world.until(call_id, CallStatus.RINGING)
    await world.pass_time(59)
    assert line.hangups == 0
    await world.pass_time(2)
    call = await world.over(call_id)
    assert (call.hangup_reason, call.sip_code) == (HangupReason.DIALOUT, 487)


async def test_a_refusal_that_crosses_our_ring_timer_is_the_carriers(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    line.deaf = True
    await world.pass_time(61)
    assert line.hangups == 1
    await line.refuse(486)
    assert (await world.over(call_id)).hangup_reason is HangupReason.BUSY


async def test_an_answer_that_crosses_our_ring_timer_runs_no_flow(world: World) -> None:
    world.flows.script(("beep", {}))
    call_id = await world.commit(flow_id=PROVIDER_ID)
    line = await world.lines.line()
    line.deaf = True
    await world.pass_time(61)
    line.deaf = False
    await line.answer()
    call = await world.over(call_id)
    assert (call.hangup_reason, call.tm_progressing) == (HangupReason.DIALOUT, None)
    assert world.flows.finished == []


async def test_the_longest_duration_ends_an_answered_call_as_timeout(world: World) -> None:
    world.flows.script(("sleep", {"duration": 3_600_000}), ("sleep", {"duration": 3_600_000}))
    call_id = await world.commit(flow_id=PROVIDER_ID)
    line = await world.lines.line()
    await line.answer()
    await world.until(call_id, CallStatus.PROGRESSING)
    await world.pass_time(3601)
    call = await world.over(call_id)
    assert call.hangup_reason is HangupReason.TIMEOUT
    assert line.hangups >= 1


async def test_a_hangup_before_the_answer_cancels(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    await world.ask_hangup(call_id)
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.CANCEL)
    assert (line.hangups, call.sip_code) == (1, 487)


async def test_a_hangup_after_the_answer_is_a_normal_end_by_us(world: World) -> None:
    world.flows.script(("sleep", {"duration": 60_000}))
    call_id = await world.commit(flow_id=PROVIDER_ID)
    line = await world.lines.line()
    await line.answer()
    await world.until(call_id, CallStatus.PROGRESSING)
    await world.ask_hangup(call_id)
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.NORMAL)


async def test_an_answer_that_crosses_a_hangup_is_hung_up_and_stays_a_cancel(
    world: World,
) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    # The row says it, but the session has not heard of it yet.
    await world.ask_hangup(call_id, tell=False)
    await line.answer()
    call = await world.over(call_id)
    assert (call.hangup_reason, call.tm_progressing) == (HangupReason.CANCEL, None)
    assert line.hangups == 1


async def test_a_hangup_that_was_committed_before_the_invite_keeps_it_from_leaving(
    world: World,
) -> None:
    world.routes.gate.clear()
    call_id = await world.commit()
    await world.routes.question.wait()
    # The session is not told: only the row can stop it.
    await world.ask_hangup(call_id, tell=False)
    world.routes.gate.set()
    line = await world.lines.line()
    call = await world.over(call_id)
    assert line.invites == 0
    assert call.hangup_reason is HangupReason.CANCEL
    assert await world.attempts(call_id) == []
    assert await world.methods(call_id) == []


async def test_a_hangup_while_the_carrier_is_looked_up_dials_nothing(world: World) -> None:
    world.routes.gate.clear()
    call_id = await world.commit()
    await world.routes.question.wait()
    await world.ask_hangup(call_id)
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.CANCEL)
    assert world.lines.lines == []


async def test_no_second_invite_leaves_after_a_hangup(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    line.deaf = True
    await world.ask_hangup(call_id)
    await line.invite(sequence=2)
    assert line.invites == 1
    assert (await world.over(call_id)).hangup_reason is HangupReason.CANCEL


async def test_the_invite_after_a_challenge_is_a_second_attempt(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    # It continues what began in time, so it may leave after the time to begin is over.
    await world.pass_time(31)
    await line.invite(sequence=2)
    await line.refuse(603)
    await world.over(call_id)
    assert [row["sequence"] for row in await world.attempts(call_id)] == [1, 2]


async def test_an_invite_that_comes_too_late_is_not_sent(world: World) -> None:
    world.routes.gate.clear()
    call_id = await world.commit()
    await world.routes.question.wait()
    await world.pass_time(31)
    world.routes.gate.set()
    line = await world.lines.line()
    call = await world.over(call_id)
    assert line.invites == 0
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.FAILED)
    assert call.hangup_detail == NOT_DIALLED


async def test_a_carrier_that_is_gone_fails_the_call_with_its_detail(world: World) -> None:
    world.routes.answers = [remote_error(grpc.StatusCode.NOT_FOUND, "No provider has the id x.")]
    call_id = await world.commit()
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.FAILED)
    assert call.hangup_detail == "No provider has the id x."
    assert world.lines.lines == []


async def test_an_answer_that_did_not_come_is_asked_for_again(world: World) -> None:
    world.routes.answers = [
        remote_error(grpc.StatusCode.UNAVAILABLE),
        remote_error(grpc.StatusCode.DEADLINE_EXCEEDED),
    ]
    await world.commit()
    while world.routes.answers:
        await world.pass_time(1)
    await world.pass_time(1)
    await world.lines.line()
    assert world.routes.asked == 3


async def test_a_route_manager_that_stays_away_fails_the_call_when_its_time_is_over(
    world: World,
) -> None:
    world.routes.answers = [remote_error(grpc.StatusCode.UNAVAILABLE) for _ in range(1000)]
    call_id = await world.commit()
    for _ in range(32):
        await world.pass_time(1)
    call = await world.over(call_id)
    assert call.hangup_reason is HangupReason.FAILED
    assert "could not be had in time" in call.hangup_detail
    assert world.lines.lines == []


async def test_a_hostname_that_cannot_be_dialled_fails_the_call(world: World) -> None:
    world.routes.hostname = "not a host"
    call_id = await world.commit()
    call = await world.over(call_id)
    assert call.hangup_reason is HangupReason.FAILED
    assert "hostname" in call.hangup_detail


async def test_a_call_without_a_carrier_fails(world: World) -> None:
    call = await world.over(await world.commit(dialroutes=()))
    assert (call.hangup_reason, call.hangup_by) == (HangupReason.FAILED, HangupBy.LOCAL)


async def test_a_leg_that_breaks_is_hung_up_and_the_call_fails(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    line.break_()
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.FAILED)
    assert call.hangup_detail == endings.BROKEN
    assert line.hangups == 1


async def test_a_leg_that_never_ends_does_not_keep_its_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LEG_END_S_MAX", 0.05)
    call_id = await world.commit()
    line = await world.lines.line()
    line.deaf = True
    await world.ask_hangup(call_id)
    call = await world.over(call_id)
    assert (call.hangup_reason, call.hangup_detail) == (HangupReason.CANCEL, endings.LEG_LOST)


async def test_an_error_of_the_channel_is_our_end_with_its_detail(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    line._end(EndedBy.ERROR, None, "", "The name did not resolve.")
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.FAILED)
    assert call.hangup_detail == "The name did not resolve."


async def test_the_trace_is_there_when_the_call_is_over(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    for number in range(450):
        line.wire(sent=number % 2 == 0, method=f"M{number}")
    await line.refuse(486)
    await world.over(call_id)
    assert await world.methods(call_id) == ["INVITE", *(f"M{number}" for number in range(450))]


async def test_a_message_of_a_live_call_is_stored_soon(world: World) -> None:
    call_id = await world.commit()
    await world.lines.line()

    async def stored() -> bool:
        return await world.methods(call_id) == ["INVITE"]

    await eventually(stored)


async def test_a_second_hangup_is_harmless(world: World) -> None:
    call_id = await world.commit()
    await world.lines.line()
    await world.ask_hangup(call_id)
    world.dialer.hangup(call_id)
    await world.over(call_id)
    world.dialer.hangup(call_id)


async def test_a_call_whose_window_is_over_is_never_dialled(stopped: World) -> None:
    call_id = await stopped.commit(dial_not_after=stopped.clock.now() - timedelta(seconds=1))
    async with stopped.running():
        call = await stopped.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.FAILED)
    assert (call.hangup_detail, stopped.lines.lines) == (endings.NOT_DIALLED, [])


async def test_at_most_legs_max_calls_are_dialled_at_once(database: Database) -> None:
    world = World(database, FakeClock())
    world = World(database, world.clock, replace(world.settings, legs_max=2))
    async with world.running():
        ids = [await world.commit() for _ in range(3)]
        first, second = await world.lines.line(0), await world.lines.line(1)
        await asyncio.sleep(0.1)
        assert len(world.lines.lines) == 2
        assert (await world.call(ids[2])).dial_state is DialState.QUEUED
        await first.refuse(486)
        third = await world.lines.line(2)
        assert third.target.call_id == ids[2]
        await second.refuse(486)


async def test_a_call_that_never_gets_room_ends_when_its_time_is_over(database: Database) -> None:
    world = World(database, FakeClock(), DialerSettings(legs_max=1))
    async with world.running():
        await world.commit()
        line = await world.lines.line()
        waiting = await world.commit()
        await world.pass_time(31)
        world.dialer.wake()
        call = await world.over(waiting)
        assert (call.hangup_reason, call.hangup_detail) == (
            HangupReason.FAILED,
            endings.NOT_DIALLED,
        )
        assert isinstance(line, Line)
        assert not line.ended


async def test_a_call_whose_wake_was_lost_is_found_by_the_poll(world: World) -> None:
    await asyncio.sleep(0.05)
    world.dialer.wake = lambda: None  # type: ignore[method-assign]
    await world.commit()
    async with asyncio.timeout(3):
        await world.lines.line()


async def test_no_second_invite_leaves_after_our_ring_timer(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    line.deaf = True
    await world.pass_time(61)
    # Its row still says dialing; a challenge that comes now is answered by nobody.
    await line.invite(sequence=2)
    assert line.invites == 1
    assert (await world.over(call_id)).hangup_reason is HangupReason.DIALOUT


async def test_what_ends_a_call_first_stays_its_reason(world: World) -> None:
    world.flows.script(("hangup", {"reason": "amd"}))
    call_id = await world.commit(flow_id=PROVIDER_ID)
    line = await world.lines.line()
    line.deaf = True
    await line.answer()
    await world.until(call_id, CallStatus.TERMINATING)
    await world.pass_time(3601)
    line.end(EndedBy.LOCAL, 200)
    assert (await world.over(call_id)).hangup_reason is HangupReason.AMD
