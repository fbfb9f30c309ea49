"""Every number does what docs/simulator.md says, seen by a caller that writes its own SIP."""

import asyncio
import socket
import time

import pytest

from call_manager.simulator.endpoint import Simulator
from tests.service.simulator.conftest import Caller, Dial, Dialled, Events, Started, facts


@pytest.mark.parametrize(
    ("number", "status"), [("+12025550101", 486), ("+12025550102", 503), ("+12025550106", 404)]
)
async def test_a_number_is_refused_without_ringing(
    dial: Dial, caller: Caller, number: str, status: int
) -> None:
    call = dial(number)
    call.invite()
    refusal = await caller.hear_statuses(100, status)
    assert refusal.to_tag
    call.ack(refusal)
    # An acknowledged refusal is not repeated, though Timer G would have fired by then.
    await caller.hears_nothing(0.6)


async def test_07_rings_and_declines(dial: Dial, caller: Caller) -> None:
    call = dial("+12025550107")
    call.invite()
    call.ack(await caller.hear_statuses(100, 180, 603))


async def test_00_rings_answers_and_stays_until_the_caller_hangs_up(
    dial: Dial, caller: Caller, events: Events
) -> None:
    call = dial("+12025550100")
    call.invite()
    started = time.monotonic()
    answer = await caller.hear_statuses(100, 180, 200)
    assert time.monotonic() - started >= 0.19
    call.ack(answer)
    await caller.hears_nothing(0.7)
    call.bye(answer)
    await caller.hear_statuses(200)
    assert facts(events, "over")["by"] == "caller"


async def test_a_prefix_does_not_change_what_a_number_does(dial: Dial, caller: Caller) -> None:
    call = dial("9977#+12025550101")
    call.invite()
    call.ack(await caller.hear_statuses(100, 486))


async def test_03_rings_until_cancelled(dial: Dial, caller: Caller) -> None:
    call = dial("+12025550103")
    call.invite()
    await caller.hear_statuses(100, 180)
    await caller.hears_nothing(0.5)
    call.cancel()
    heard = {(one.status, one.header("CSeq")): one for one in [await caller.hear() for _ in "12"]}
    assert set(heard) == {(200, "1 CANCEL"), (487, "1 INVITE")}
    call.ack(heard[487, "1 INVITE"])
    await caller.hears_nothing(0.6)


async def test_04_says_nothing_at_all(dial: Dial, caller: Caller, events: Events) -> None:
    call = dial("+12025550104")
    call.resend(call.invite())
    call.cancel()
    await caller.hears_nothing(0.4)
    assert [found["method"] for name, found in events if name == "ignored"] == [
        "INVITE", "INVITE", "CANCEL",
    ]  # fmt: skip


async def test_09_is_hung_up_by_the_carrier_after_two_seconds(
    dial: Dial, caller: Caller, events: Events
) -> None:
    call = dial("+12025550109")
    call.invite()
    call.ack(await caller.hear_statuses(100, 180, 200))
    acknowledged = time.monotonic()
    bye = await caller.hear()
    assert bye.first_line == f"BYE sip:me@127.0.0.1:{caller.port} SIP/2.0"
    assert 1.9 <= time.monotonic() - acknowledged < 3
    call.accept_bye(bye)
    await caller.hears_nothing(0.6)
    assert facts(events, "over")["by"] == "carrier"


async def test_11_rings_one_second(dial: Dial, caller: Caller) -> None:
    call = dial("+12025550111")
    call.invite()
    await caller.hear_statuses(100, 180)
    rang = time.monotonic()
    call.ack(await caller.hear_statuses(200))
    assert 0.9 <= time.monotonic() - rang < 2


async def test_10_answers_at_once(dial: Dial, caller: Caller) -> None:
    call = dial("+12025550110")
    call.invite()
    call.ack(await caller.hear_statuses(100, 200))


async def test_30_sends_early_media_with_the_answer_s_own_sdp(dial: Dial, caller: Caller) -> None:
    call = dial("+12025550130")
    call.invite()
    await caller.hear_statuses(100)
    early = await caller.hear_statuses(183)
    answer = await caller.hear_statuses(200)
    assert early.body.startswith("v=0")
    assert answer.body == early.body
    assert answer.to_tag == early.to_tag


async def test_the_caller_s_audio_is_counted_and_answered_at_the_offered_address(
    dial: Dial, caller: Caller, events: Events
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
        rtp.bind(("127.0.0.1", 0))
        rtp.setblocking(False)
        call = dial("+12025550110")
        call.rtp_port = rtp.getsockname()[1]
        call.invite()
        answer = await caller.hear_statuses(100, 200)
        call.ack(answer)
        port = int(answer.body.partition("m=audio ")[2].split(" ")[0])
        packet = bytes([0x80, 8]) + bytes(10) + b"\xd5" * 160
        for _ in range(5):
            rtp.sendto(packet, ("127.0.0.1", port))
        async with asyncio.timeout(2):
            heard = await asyncio.get_running_loop().sock_recv(rtp, 2048)
        assert (heard[0], heard[1] & 0x7F, heard[12:]) == (0x80, 8, b"\xd5" * 160)
        call.bye(answer)
        await caller.hear_statuses(200)
    over = facts(events, "over")
    assert over["rtp_received"] == 5
    assert isinstance(over["rtp_sent"], int)
    assert over["rtp_sent"] >= 1


async def test_an_offer_without_g711_is_refused(dial: Dial, caller: Caller) -> None:
    call = dial("+12025550100")
    call.invite(body=call.sdp().replace("8 0\r\na=rtpmap:8 PCMA", "18\r\na=rtpmap:18 G729"))
    call.ack(await caller.hear_statuses(100, 488))


async def test_an_invite_without_an_offer_gets_one(dial: Dial, caller: Caller) -> None:
    call = dial("+12025550110")
    call.invite(body="")
    answer = await caller.hear_statuses(100, 200)
    assert "RTP/AVP 0 8 101" in answer.body
    call.ack(answer)


async def test_no_more_calls_are_taken_than_there_is_room_for(
    start_carrier: Started, caller: Caller
) -> None:
    carrier: Simulator = await start_carrier(calls_max=1)
    first = Dialled(caller, carrier.address, "+12025550103")
    second = Dialled(caller, carrier.address, "+12025550100")
    first.invite()
    await caller.hear_statuses(100, 180)
    second.invite()
    refusal = await caller.hear_statuses(503)
    assert refusal.header("Call-ID") == second.call_id
    assert refusal.header("Retry-After") == "1"
