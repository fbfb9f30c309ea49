"""What becomes of a call when its carrier, a real sipp, answers, refuses, challenges or is mute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.support.running_mesh import RunningMesh, ok
from tests.support.silent_carrier import SilentCarrier, silent_carrier
from tests.support.sip_peer import CONTENT, SDP, Reply, sip_peer
from tests.support.sipp import Sipp, free_udp_port

NUMBER: Final = "+12025550123"
BRIEFLY: Final = [{"type": "sleep", "option": {"duration": 300}}]
FOR_LONG: Final = [{"type": "sleep", "option": {"duration": 60_000}}]
TIMER_B_S: Final = 32.0


@dataclass(frozen=True)
class MuteCall:
    """A call to a carrier that says nothing, begun long before anybody looks at it."""

    carrier: SilentCarrier
    call_id: str


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def mute_call(mesh: RunningMesh) -> AsyncIterator[MuteCall]:
    """Timer B takes 32 s: it runs while the other tests do."""
    async with silent_carrier() as nobody:
        provider = await mesh.a_provider(nobody.address)
        record = await mesh.place(provider["id"], NUMBER)
        yield MuteCall(nobody, record["call_ids"][0])


async def placed(mesh: RunningMesh, sipp: Sipp, **fields: Any) -> str:
    """Call a number through a provider that is `sipp`, and return the call's id."""
    provider = await mesh.a_provider(sipp.address, **fields.pop("provider", {}))
    record = await mesh.place(provider["id"], NUMBER, **fields)
    call_id: str = record["call_ids"][0]
    return call_id


def outcome(call: dict[str, Any]) -> tuple[str, str, int]:
    return call["hangup_reason"], call["hangup_by"], call["sip_code"]


def assert_times_in_order(call: dict[str, Any]) -> None:
    names = ("tm_invite", "tm_trying", "tm_ringing", "tm_answered", "tm_end")
    for attempt in call["attempts"]:
        times = [attempt[name] for name in names if attempt.get(name) is not None]
        assert times == sorted(times), attempt
        assert {"tm_invite", "tm_end"} <= {name for name in names if attempt.get(name)}, attempt
    assert call["tm_create"] <= call["attempts"][0]["tm_invite"]
    assert call["attempts"][-1]["tm_end"] <= call["tm_hangup"]


async def test_we_hang_up_when_the_flow_is_over(mesh: RunningMesh) -> None:
    async with Sipp("answers.xml", free_udp_port()) as sipp:
        call_id = await placed(mesh, sipp, actions=BRIEFLY)
        call = await mesh.ended(call_id)
        assert await sipp.exit_status() == 0, sipp.errors()

    assert outcome(call) == ("normal", "local", 200)
    assert call["tm_ringing"] <= call["tm_progressing"] <= call["tm_hangup"]
    (attempt,) = call["attempts"]
    assert (attempt["sip_code"], attempt["codec"]) == (200, "PCMU")
    assert attempt["remote_address"] == sipp.address
    assert attempt["tm_ringing"] is not None
    assert attempt["tm_answered"] is not None
    assert_times_in_order(call)
    assert await mesh.ladder(call_id) == [
        "INVITE", "180 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE",
    ]  # fmt: skip


async def test_the_carrier_hangs_up(mesh: RunningMesh) -> None:
    async with Sipp("hangs_up.xml", free_udp_port()) as sipp:
        call_id = await placed(mesh, sipp, actions=FOR_LONG)
        call = await mesh.ended(call_id)
        assert await sipp.exit_status() == 0, sipp.errors()

    assert outcome(call) == ("normal", "remote", 200)
    assert_times_in_order(call)
    assert (await mesh.ladder(call_id))[-2:] == ["BYE", "200 BYE"]


@pytest.mark.parametrize(("code", "answer"), [(401, "Authorization"), (407, "Proxy-Authorization")])
async def test_a_challenge_is_answered_in_a_second_attempt(
    mesh: RunningMesh, code: int, answer: str
) -> None:
    account = {
        "sip_username": "alice",
        "sip_password": "se cret",
        "tech_headers": {"X-Account": "42", "x-odd-Case": "Kept"},
    }
    async with Sipp(f"asks_{code}.xml", free_udp_port(), options=("-au", "alice")) as sipp:
        call_id = await placed(mesh, sipp, provider=account, actions=BRIEFLY)
        call = await mesh.ended(call_id)
        assert await sipp.exit_status() == 0, sipp.errors()
        first, second = sipp.received("INVITE")

    assert outcome(call) == ("normal", "local", 200)
    for invite in (first, second):
        assert (invite.header("X-Account"), invite.header("x-odd-Case")) == ("42", "Kept")
    assert first.header("Call-ID") == second.header("Call-ID")
    assert first.lines(answer) == []
    assert second.header(answer).startswith("Digest ")
    assert [one["sip_code"] for one in call["attempts"]] == [code, 200]
    assert [one["sequence"] for one in call["attempts"]] == [1, 2]
    assert_times_in_order(call)
    trace = (await mesh.get(f"/v1.0/timelines/calls/{call_id}/sip-analysis")).text
    assert "se cret" not in trace
    response = second.header(answer).partition('response="')[2].partition('"')[0]
    assert len(response) == 32
    assert response not in trace


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("refuses_486.xml", ("busy", "remote", 486)),
        ("refuses_503.xml", ("failed", "remote", 503)),
        ("refuses_603.xml", ("noanswer", "remote", 603)),
    ],
)
async def test_a_refusal_is_told_and_leaves_its_trace(
    mesh: RunningMesh, scenario: str, expected: tuple[str, str, int]
) -> None:
    async with Sipp(scenario, free_udp_port()) as sipp:
        call_id = await placed(mesh, sipp, actions=FOR_LONG)
        call = await mesh.ended(call_id)
        assert await sipp.exit_status() == 0, sipp.errors()
        (ack,) = sipp.received("ACK")
        (invite,) = sipp.received("INVITE")

    code = expected[2]
    assert outcome(call) == expected
    assert call["sip_reason"]
    assert "tm_progressing" not in call
    assert [one["sip_code"] for one in call["attempts"]] == [code]
    assert_times_in_order(call)
    assert await mesh.ladder(call_id) == ["INVITE", f"{code} INVITE", "ACK"]
    # The ACK of a refusal belongs to the INVITE's transaction (RFC 3261 section 17.1.1.3).
    assert ack.header("Via") == invite.header("Via")
    pcap = await mesh.get(f"/v1.0/timelines/calls/{call_id}/pcap")
    assert f"SIP/2.0 {code} ".encode() in pcap.content


async def test_a_phone_that_nobody_picks_up_is_cancelled_after_the_ring_time(
    hasty: RunningMesh,
) -> None:
    async with Sipp("never_answers.xml", free_udp_port()) as sipp:
        call_id = await placed(hasty, sipp, actions=FOR_LONG)
        call = await hasty.ended(call_id)
        assert await sipp.exit_status() == 0, sipp.errors()
        (cancel,), (invite,) = sipp.received("CANCEL"), sipp.received("INVITE")

    assert outcome(call)[0] == "dialout"
    assert call["sip_code"] == 487
    assert cancel.header("Via") == invite.header("Via")
    rang_s = (moment(call["tm_hangup"]) - moment(call["tm_create"])).total_seconds()
    assert 1.4 <= rang_s < 5.0, rang_s
    assert_times_in_order(call)
    ladder = await hasty.ladder(call_id)
    assert ladder[:3] == ["INVITE", "180 INVITE", "CANCEL"]
    assert {"200 CANCEL", "487 INVITE", "ACK"} <= set(ladder)


def moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


async def test_an_invite_that_was_lost_is_sent_again_as_it_was(mesh: RunningMesh) -> None:
    async with Sipp("slow_to_hear.xml", free_udp_port()) as sipp:
        call_id = await placed(mesh, sipp, actions=BRIEFLY)
        call = await mesh.ended(call_id)
        assert await sipp.exit_status() == 0, sipp.errors()
        invites = sipp.received("INVITE")

    assert outcome(call) == ("normal", "local", 200)
    assert len(invites) == 2
    assert invites[0].text == invites[1].text
    assert len(call["attempts"]) == 1
    # What was on the wire twice is in the trace twice.
    assert (await mesh.ladder(call_id))[:3] == ["INVITE", "INVITE", "200 INVITE"]


async def test_every_repeated_200_is_acknowledged(mesh: RunningMesh) -> None:
    async with sip_peer() as phone:
        provider = await mesh.a_provider(f"127.0.0.1:{phone.port}")
        record = await mesh.place(provider["id"], NUMBER, actions=FOR_LONG)
        (call_id,) = record["call_ids"]
        answer = Reply(200, headers=(CONTENT,), body=SDP.format(port=9))
        invite = await phone.hear("INVITE")
        acks = []
        for _ in range(3):
            phone.reply(invite, answer)
            acks.append((await phone.hear("ACK")).raw)
        assert acks[0] == acks[1] == acks[2]
        await mesh.call_in(call_id, "progressing")

        ok(await mesh.post(f"/v1.0/calls/{call_id}/hangup"))
        phone.reply(await phone.hear("BYE"), Reply(200))
        call = await mesh.ended(call_id)

    assert outcome(call) == ("normal", "local", 200)
    assert (await mesh.ladder(call_id)).count("ACK") == 3
    assert len(call["attempts"]) == 1


async def test_record_route_is_followed(mesh: RunningMesh) -> None:
    async with Sipp("record_routes.xml", free_udp_port()) as sipp:
        call_id = await placed(mesh, sipp, actions=BRIEFLY)
        call = await mesh.ended(call_id)
        assert await sipp.exit_status() == 0, sipp.errors()
        for method in ("ACK", "BYE"):
            (request,) = sipp.received(method)
            assert request.start == f"{method} sip:gw7@192.0.2.7:5090 SIP/2.0"
            routes = ", ".join(request.lines("Route"))
            assert routes == f"<sip:127.0.0.1:{sipp.port};lr;ftag=x>, <sip:far.example:5070;lr>"

    assert outcome(call) == ("normal", "local", 200)


@pytest.mark.parametrize(
    ("hostname", "sent", "says"),
    [
        ("no-such-host.invalid", [], "no-such-host.invalid"),
        ("127.0.0.1:9", ["INVITE"], "cannot be reached"),
    ],
)
async def test_a_carrier_that_cannot_be_reached_is_told_at_once(
    mesh: RunningMesh, hostname: str, sent: list[str], says: str
) -> None:
    provider = await mesh.a_provider(hostname)

    record = await mesh.place(provider["id"], NUMBER, actions=FOR_LONG)
    call = await mesh.ended(record["call_ids"][0], within_s=20)

    assert record["status"] == "completed"
    assert outcome(call) == ("failed", "local", 0)
    assert says in call["hangup_detail"]
    (attempt,) = call["attempts"]
    assert says in attempt["detail"]
    # What left the house is in the trace, although nobody was there to take it.
    assert await mesh.ladder(call["id"]) == sent


async def test_a_carrier_that_says_nothing_is_given_up_after_timer_b(
    mesh: RunningMesh, mute_call: MuteCall
) -> None:
    async with asyncio.timeout(TIMER_B_S + 8):
        call = await mesh.ended(mute_call.call_id, within_s=TIMER_B_S + 5)

    assert outcome(call) == ("failed", "remote", 0)
    assert call["hangup_detail"]
    (attempt,) = call["attempts"]
    lasted_s = (moment(attempt["tm_end"]) - moment(attempt["tm_invite"])).total_seconds()
    assert TIMER_B_S <= lasted_s < TIMER_B_S + 2
    # Timer A doubles from T1: 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s (RFC 3261 section 17.1.1.2).
    assert len(mute_call.carrier.datagrams) == 7
    assert len(set(mute_call.carrier.datagrams)) == 1
    assert await mesh.ladder(mute_call.call_id) == ["INVITE"] * 7
