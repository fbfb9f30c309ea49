"""A call over several carriers, each of which does what the test says (CONTRACT.md 3.4)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError
from voipbin.call.v1.call_pb2 import Call as ProtoCall

from call_manager.call.domain import CallStatus, Dialroute, HangupBy, HangupReason
from call_manager.call.events import RESOURCE
from call_manager.channel import AttemptState, EndedBy, MediaFailure
from call_manager.dialer import attempts, endings
from call_manager.dialer.metrics import FAILOVERS
from call_manager.metadata import ROUTE_PROVIDER_IDS
from call_manager.tables import EVENTS
from mesh.clock import new_id
from mesh.database import Transaction
from mesh.pagination import PageRequest
from tests.unit.call_manager.dialer.dialer_world import NOWHERE, World, eventually

CARRIERS = (new_id(), new_id(), new_id())
ROUTES = tuple(Dialroute(new_id(), carrier) for carrier in CARRIERS)


async def legs_of(world: World, call_id: UUID) -> list[tuple[int, int, int | None]]:
    """What was tried: sequence, leg, and the final status."""
    rows = await world.attempts(call_id)
    assert [row["provider_id"] for row in rows] == [CARRIERS[row["leg"] - 1] for row in rows]
    return [(row["sequence"], row["leg"], row["sip_code"]) for row in rows]


async def events_of(world: World, call_id: UUID) -> list[tuple[str, str]]:
    """The call's events, oldest first, with the carrier that the call showed at each."""

    async def work(tx: Transaction) -> list[tuple[str, str]]:
        page = PageRequest.parse(100, "", {})
        found, _ = await EVENTS.by_resource(tx, RESOURCE, call_id, page)
        shown = [(one.event_type, ProtoCall.FromString(one.data or b"")) for one in found]
        return [(kind, call.provider_id) for kind, call in reversed(shown)]

    return await world.database.read(work, name="test_events")


@pytest.mark.parametrize("code", [302, 404, 487, 503, 604])
async def test_the_next_carrier_is_dialled_after_an_answer_that_fails_over(
    world: World, code: int
) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    await (await world.lines.line(0)).refuse(code, "No")
    second = await world.lines.line(1)
    assert (await world.call(call_id)).provider_id == CARRIERS[1]
    await second.answer()
    call = await world.over(call_id)
    assert (call.hangup_reason, call.sip_code) == (HangupReason.NORMAL, 200)
    assert await legs_of(world, call_id) == [(1, 1, code), (2, 2, None)]
    assert len(world.lines.lines) == 2


@pytest.mark.parametrize("code", [403, 407, 480, 486, 603])
async def test_no_other_carrier_is_dialled_after_an_answer_that_does_not(
    world: World, code: int
) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    await (await world.lines.line()).refuse(code)
    assert (await world.over(call_id)).sip_code == code
    assert (len(world.lines.lines), world.routes.asked) == (1, 1)


async def test_each_leg_is_made_of_its_own_carriers_configuration(world: World) -> None:
    world.routes.carriers[CARRIERS[1]] = {"hostname": "second.example", "tech_prefix": "7"}
    call_id = await world.commit(dialroutes=ROUTES)
    first = await world.lines.line(0)
    await first.refuse(503)
    second = await world.lines.line(1)
    assert first.target.request_uri == "sip:9+15550100002@carrier.example"
    assert second.target.request_uri == "sip:7+15550100002@second.example"
    assert second.target.next_hop.host == "second.example"
    await second.refuse(486)
    await world.over(call_id)
    rows = await world.attempts(call_id)
    hosts = [row["dial_config"]["hostname"] for row in rows]
    assert hosts == ["carrier.example", "second.example"]


async def test_every_answer_may_come_after_ringing_and_the_status_is_not_reset(
    world: World,
) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    first = await world.lines.line(0)
    first.ring()
    rang = await world.until(call_id, CallStatus.RINGING)
    await first.refuse(503)
    second = await world.lines.line(1)
    assert (await world.call(call_id)).status is CallStatus.RINGING
    second.ring()
    await second.answer()
    call = await world.over(call_id)
    assert (call.hangup_reason, call.tm_ringing) == (HangupReason.NORMAL, rang.tm_ringing)


async def test_the_change_of_carrier_is_one_event_of_the_call(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    first, second = str(CARRIERS[0]), str(CARRIERS[1])
    await (await world.lines.line(0)).refuse(503)
    await (await world.lines.line(1)).refuse(486)
    await world.over(call_id)
    assert await events_of(world, call_id) == [
        ("call_created", ""),
        ("call_dialing", first),
        ("call_updated", second),
        ("call_hangup", second),
    ]


async def test_when_every_carrier_fails_the_call_ends_as_the_last_one_said(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    for number, code in enumerate((503, 404, 500)):
        await (await world.lines.line(number)).refuse(code, f"No {code}")
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.REMOTE, HangupReason.FAILED)
    assert (call.sip_code, call.sip_reason, call.provider_id) == (500, "No 500", CARRIERS[2])
    assert await legs_of(world, call_id) == [(1, 1, 503), (2, 2, 404), (3, 3, 500)]


async def test_the_sequence_counts_over_all_legs_and_a_leg_says_that_it_went_on(
    world: World,
) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    first = await world.lines.line(0)
    await first.invite(sequence=2)
    await first.refuse(503)
    second = await world.lines.line(1)
    await second.invite(sequence=2)
    await second.refuse(486)
    await world.over(call_id)
    rows = await world.attempts(call_id)
    assert [(row["sequence"], row["leg"]) for row in rows] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert [row["continued"] for row in rows] == [True, False, True, False]


async def test_a_carrier_that_cannot_be_reached_gives_way_and_is_recorded(world: World) -> None:
    world.routes.carriers[CARRIERS[0]] = {"hostname": NOWHERE, "transport": 2}
    call_id = await world.commit(dialroutes=ROUTES)
    await (await world.lines.line(1)).refuse(486)
    call = await world.over(call_id)
    assert (call.hangup_reason, call.provider_id) == (HangupReason.BUSY, CARRIERS[1])
    assert await legs_of(world, call_id) == [(1, 1, None), (2, 2, 486)]
    unsent = (await world.attempts(call_id))[0]
    assert unsent["detail"] == f"{NOWHERE} has no address."
    assert (unsent["state"], unsent["sip_call_id"]) == (AttemptState.ENDED, "")
    assert (unsent["transport"], unsent["tm_end"]) == ("tcp", world.clock.now())
    # The first INVITE of all is what begins to dial.
    assert [kind for kind, _ in await events_of(world, call_id)][1] == "call_dialing"


async def test_an_invite_that_found_nobody_at_the_address_gives_way(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    (await world.lines.line(0)).be_unreachable()
    await (await world.lines.line(1)).refuse(486)
    await world.over(call_id)
    assert await legs_of(world, call_id) == [(1, 1, None), (2, 2, 486)]
    # What the channel could not write is closed with the change of carrier.
    assert (await world.attempts(call_id))[0]["state"] == AttemptState.ENDED


@pytest.mark.parametrize("what", ["deleted", "no host"])
async def test_a_carrier_that_cannot_be_dialled_counts_as_unreachable(
    world: World, what: str
) -> None:
    if what == "deleted":
        world.routes.gone.add(CARRIERS[0])
    else:
        world.routes.carriers[CARRIERS[0]] = {"hostname": "no host"}
    call_id = await world.commit(dialroutes=ROUTES)
    await (await world.lines.line(0)).refuse(486)
    assert (await world.over(call_id)).provider_id == CARRIERS[1]
    assert await legs_of(world, call_id) == [(1, 1, None), (2, 2, 486)]
    assert (await world.attempts(call_id))[0]["detail"]


async def test_when_no_carrier_can_be_dialled_the_call_fails_with_the_last_ones_detail(
    world: World,
) -> None:
    world.routes.gone.update(CARRIERS)
    call_id = await world.commit(dialroutes=ROUTES)
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.FAILED)
    assert (call.hangup_detail, world.lines.lines) == ("No provider has the id.", [])
    assert [row["leg"] for row in await world.attempts(call_id)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("codes", "code", "goes_on"),
    [
        (["486"], 486, True),
        (["486"], 503, False),
        (["5xx"], 503, True),
        (["4xx", "unreachable"], 401, True),
        (["none"], 503, False),
    ],
)
async def test_a_carriers_own_list_replaces_the_table(
    world: World, codes: list[str], code: int, goes_on: bool
) -> None:
    world.routes.carriers[CARRIERS[0]] = {"failover_codes": codes}
    call_id = await world.commit(dialroutes=ROUTES)
    await (await world.lines.line(0)).refuse(code)
    if goes_on:
        await (await world.lines.line(1)).refuse(603)
    assert (await world.over(call_id)).sip_code == (603 if goes_on else code)


@pytest.mark.parametrize(("codes", "goes_on"), [(["none"], False), (["unreachable"], True)])
async def test_a_list_says_what_an_unreachable_carrier_means(
    world: World, codes: list[str], goes_on: bool
) -> None:
    world.routes.carriers[CARRIERS[0]] = {"failover_codes": codes, "hostname": NOWHERE}
    call_id = await world.commit(dialroutes=ROUTES)
    await world.lines.line(0)
    if goes_on:
        await (await world.lines.line(1)).refuse(603)
    call = await world.over(call_id)
    assert (call.hangup_detail == f"{NOWHERE} has no address.") is not goes_on


async def test_silence_is_never_answered_by_another_carrier(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    (await world.lines.line()).fall_silent()
    assert (await world.over(call_id)).hangup_detail == endings.NO_ANSWER
    assert len(world.lines.lines) == 1


async def test_a_fault_of_ours_is_never_answered_by_another_carrier(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    (await world.lines.line()).break_()
    assert (await world.over(call_id)).hangup_detail == endings.BROKEN
    assert len(world.lines.lines) == 1


async def test_an_invite_that_could_not_be_recorded_goes_to_no_other_carrier(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object) -> bool:
        raise OperationalError("INSERT", {}, OSError("the disk is full"))

    monkeypatch.setattr(attempts, "plan_invite", failing)
    call_id = await world.commit(dialroutes=ROUTES)
    line = await world.lines.line()
    # The channel says of such a leg that nothing was sent, which is true.
    assert line.ended
    assert (await world.over(call_id)).hangup_reason is HangupReason.FAILED
    assert len(world.lines.lines) == 1


@pytest.mark.parametrize("why", [MediaFailure.NO_SDP, MediaFailure.NOT_ENCODABLE])
async def test_a_callee_who_answered_is_not_rung_again_for_the_sake_of_audio(
    world: World, why: MediaFailure
) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    (await world.lines.line()).carry_no_audio(why)
    call = await world.over(call_id)
    assert (call.hangup_reason, call.sip_code) == (HangupReason.FAILED, 200)
    assert len(world.lines.lines) == 1


async def test_our_dial_timer_is_one_for_all_legs_and_dials_nobody_else(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    first = await world.lines.line(0)
    await world.pass_time(40)
    await first.refuse(503)
    second = await world.lines.line(1)
    second.ring()
    await world.until(call_id, CallStatus.RINGING)
    await world.pass_time(21)
    call = await world.over(call_id)
    assert (call.hangup_reason, call.sip_code) == (HangupReason.DIALOUT, 487)
    assert (second.hangups, len(world.lines.lines)) == (1, 2)


async def test_a_refusal_that_crosses_our_dial_timer_is_final(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    line = await world.lines.line()
    line.deaf = True
    await world.pass_time(61)
    await line.refuse(503)
    call = await world.over(call_id)
    assert (call.hangup_reason, call.sip_code) == (HangupReason.FAILED, 503)
    assert len(world.lines.lines) == 1


async def test_the_time_to_begin_holds_for_the_first_leg_alone(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    first = await world.lines.line(0)
    await world.pass_time(35)
    await first.refuse(503)
    second = await world.lines.line(1)
    assert second.invites == 1
    await second.refuse(486)
    assert (await world.over(call_id)).hangup_reason is HangupReason.BUSY


async def test_a_call_whose_first_carrier_was_looked_for_too_long_dials_no_other(
    world: World,
) -> None:
    world.routes.gate.clear()
    call_id = await world.commit(dialroutes=ROUTES)
    await world.routes.question.wait()
    await world.pass_time(31)
    world.routes.gone.add(CARRIERS[0])
    world.routes.gate.set()
    line = await world.lines.line(0)
    call = await world.over(call_id)
    assert (line.invites, call.hangup_reason) == (0, HangupReason.FAILED)


async def test_a_hangup_during_the_second_leg_cancels_it(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    await (await world.lines.line(0)).refuse(503)
    second = await world.lines.line(1)
    await world.ask_hangup(call_id)
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.CANCEL)
    assert (call.sip_code, second.hangups, len(world.lines.lines)) == (487, 1, 2)


@pytest.mark.parametrize("tell", [True, False])
async def test_a_hangup_between_two_legs_dials_nothing(world: World, tell: bool) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    first = await world.lines.line(0)
    world.routes.gate.clear()
    world.routes.question.clear()
    await first.refuse(503, "Later")
    await world.routes.question.wait()
    await world.ask_hangup(call_id, tell=tell)
    world.routes.gate.set()
    call = await world.over(call_id)
    assert (call.hangup_by, call.hangup_reason) == (HangupBy.LOCAL, HangupReason.CANCEL)
    assert (call.sip_code, call.sip_reason, call.hangup_detail) == (503, "Later", "")
    assert await legs_of(world, call_id) == [(1, 1, 503)]
    assert sum(line.invites for line in world.lines.lines) == 1


async def test_our_dial_timer_ends_the_search_for_the_next_carrier(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    first = await world.lines.line(0)
    world.routes.gate.clear()
    world.routes.question.clear()
    await first.refuse(503)
    await world.routes.question.wait()
    await world.pass_time(61)
    call = await world.over(call_id)
    assert (call.hangup_reason, call.sip_code) == (HangupReason.FAILED, 503)
    assert len(world.lines.lines) == 1


async def test_the_stop_of_the_service_between_two_legs_dials_nothing(stopped: World) -> None:
    async with stopped.running():
        call_id = await stopped.commit(dialroutes=ROUTES)
        first = await stopped.lines.line(0)
        stopped.routes.gate.clear()
        stopped.routes.question.clear()
        await first.refuse(503)
        await stopped.routes.question.wait()
    call = await stopped.call(call_id)
    assert (call.status, call.hangup_reason) == (CallStatus.HANGUP, HangupReason.CANCEL)
    assert (call.sip_code, call.hangup_detail) == (503, endings.STOPPED)
    assert len(stopped.lines.lines) == 1


async def test_a_provider_call_is_one_invite_whatever_its_carrier_answers(world: World) -> None:
    forced = {ROUTE_PROVIDER_IDS.name: [str(carrier) for carrier in CARRIERS]}
    call_id = await world.commit(dialroutes=ROUTES, metadata=forced)
    await (await world.lines.line()).refuse(503)
    assert (await world.over(call_id)).sip_code == 503
    assert await legs_of(world, call_id) == [(1, 1, 503)]


async def test_an_answer_that_the_channel_could_not_write_is_written_with_the_next_leg(
    world: World,
) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    (await world.lines.line(0)).end(EndedBy.REMOTE, 503, "Lost")
    await (await world.lines.line(1)).refuse(486)
    await world.over(call_id)
    first = (await world.attempts(call_id))[0]
    assert (first["state"], first["sip_code"]) == (AttemptState.ENDED, 503)
    assert (first["sip_reason"], first["tm_end"] is not None) == ("Lost", True)


async def test_failovers_are_counted_by_carrier_and_code(world: World) -> None:
    def counted(carrier: UUID, code: str) -> float:
        value: float = FAILOVERS.labels(str(carrier), code)._value.get()
        return value

    before = counted(CARRIERS[0], "503"), counted(CARRIERS[1], "unreachable")
    world.routes.carriers[CARRIERS[1]] = {"hostname": NOWHERE}
    call_id = await world.commit(dialroutes=ROUTES)
    await (await world.lines.line(0)).refuse(503)
    await (await world.lines.line(2)).refuse(503)
    await world.over(call_id)
    assert counted(CARRIERS[0], "503") == before[0] + 1
    assert counted(CARRIERS[1], "unreachable") == before[1] + 1
    assert counted(CARRIERS[2], "503") == 0


@pytest.mark.parametrize("state", [AttemptState.ENDED, AttemptState.INVITING])
async def test_a_process_that_died_between_or_in_legs_is_followed_by_no_invite(
    stopped: World, state: AttemptState
) -> None:
    at = stopped.clock.now()
    owned: dict[str, Any] = {"dial_state": "claimed", "owner": "the owner before"}
    call_id = await stopped.commit(dialroutes=ROUTES)
    await stopped.move(call_id, provider_id=CARRIERS[0], **owned)
    first: dict[str, Any] = {
        "sip_code": 503,
        "sip_reason": "Later",
        "tm_end": at,
        "provider_id": CARRIERS[0],
    }
    await stopped.left_attempt(call_id, AttemptState.ENDED, **first)
    if state is AttemptState.INVITING:
        hop = {"hostname": "second.example", "transport": "tls", "tls_ca": "PEM", "username": "m"}
        second: dict[str, Any] = {
            "leg": 2,
            "provider_id": CARRIERS[1],
            "transport": "tls",
            "dial_config": hop,
        }
        await stopped.left_attempt(call_id, state, sequence=2, **second)
    stopped.routes.carriers[CARRIERS[1]] = {"sip_password": "of the second"}
    async with stopped.running():
        call = await stopped.over(call_id)
    assert stopped.lines.lines == []
    if state is AttemptState.ENDED:
        assert (call.sip_code, call.hangup_detail) == (503, endings.RECOVERED)
        assert stopped.lines.cleared == []
        return
    assert (call.sip_code, call.hangup_detail) == (487, endings.CANCELLED)
    (cleared,) = stopped.lines.cleared
    assert (cleared.invite.sequence, cleared.invite.transport.value) == (2, "tls")
    assert cleared.next_hop is not None
    assert (cleared.next_hop.host, cleared.next_hop.tls_ca) == ("second.example", "PEM")
    assert cleared.credentials is not None
    assert cleared.credentials.password == "of the second"


async def test_a_legs_post_dial_delay_is_measured_from_its_own_first_invite(world: World) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    first = await world.lines.line(0)
    await world.pass_time(3)
    await first.report("ringing")
    await world.pass_time(4)
    await first.refuse(503)
    second = await world.lines.line(1)
    await world.pass_time(2)
    await second.report("answered")
    await second.answer()
    await world.over(call_id)
    assert [row["pdd_ms"] for row in await world.attempts(call_id)] == [3000, 2000]


async def test_the_leg_and_the_transport_of_an_attempt_are_there_before_its_end(
    world: World,
) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    await world.lines.line(0)

    async def stored() -> bool:
        return bool(await world.attempts(call_id))

    await eventually(stored)
    (row,) = await world.attempts(call_id)
    assert (row["leg"], row["transport"], row["continued"]) == (1, "udp", False)
