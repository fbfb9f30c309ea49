"""The carrier repeats, absorbs, matches and challenges as RFC 3261 asks."""

import asyncio
import hashlib
import re

import pytest

from call_manager.simulator.endpoint import Simulator
from tests.service.simulator.conftest import Caller, Dial, Dialled, Events, Heard, Started, facts


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def authorization(call: Dialled, challenged: Heard, password: str, header: str) -> str:
    """Answer a challenge as RFC 7616 section 3.4.1 computes it."""
    name = "Proxy-Authenticate" if challenged.status == 407 else "WWW-Authenticate"
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenged.header(name)))
    assert asked["qop"] == "auth"
    secret = md5(f"carrier:{asked['realm']}:{password}")
    response = md5(f"{secret}:{asked['nonce']}:00000001:0a:auth:{md5(f'INVITE:{call.uri}')}")
    return (
        f'{header}: Digest username="carrier", realm="{asked["realm"]}", nonce="{asked["nonce"]}",'
        f' uri="{call.uri}", response="{response}", algorithm=MD5, qop=auth, nc=00000001,'
        ' cnonce="0a"'
    )


CHALLENGES = [
    ("+12025550105", 401, "Authorization"),
    ("+12025550108", 407, "Proxy-Authorization"),
]


@pytest.mark.parametrize(("number", "status", "header"), CHALLENGES)
async def test_the_right_password_gets_through(
    dial: Dial, caller: Caller, number: str, status: int, header: str
) -> None:
    call = dial(number)
    call.invite()
    challenged = await caller.hear_statuses(100, status)
    call.ack(challenged)
    call.invite(authorization(call, challenged, "secret", header))
    answer = await caller.hear_statuses(100, 180, 200)
    assert answer.header("CSeq") == "2 INVITE"
    call.ack(answer)


@pytest.mark.parametrize(("number", "status", "header"), CHALLENGES)
async def test_the_wrong_password_is_forbidden(
    dial: Dial, caller: Caller, number: str, status: int, header: str
) -> None:
    call = dial(number)
    call.invite()
    challenged = await caller.hear_statuses(100, status)
    call.ack(challenged)
    call.invite(authorization(call, challenged, "guessed", header))
    call.ack(await caller.hear_statuses(100, 403))


async def test_a_nonce_of_another_call_is_stale(dial: Dial, caller: Caller) -> None:
    other, call = dial("+12025550105"), dial("+12025550105")
    other.invite()
    challenged = await caller.hear_statuses(100, 401)
    other.ack(challenged)
    call.invite(authorization(call, challenged, "secret", "Authorization"))
    again = await caller.hear_statuses(100, 401)
    assert "stale=true" in again.header("WWW-Authenticate")


async def test_a_200_is_repeated_until_its_ack_and_the_dialog_then_ended_without_one(
    start_carrier: Started, caller: Caller, events: Events
) -> None:
    carrier = await start_carrier(t1_s=0.01)
    call = Dialled(caller, carrier.address, "+12025550110")
    call.invite()
    await caller.hear_statuses(100, 200, 200, 200)
    heard = await caller.hear()
    while heard.status == 200:  # 64*T1 long.
        heard = await caller.hear()
    assert heard.first_line.startswith("BYE ")
    call.accept_bye(heard)
    assert ("not acknowledged", {"call": call.call_id}) in events


async def test_an_acknowledged_200_is_not_repeated(dial: Dial, caller: Caller) -> None:
    call = dial("+12025550110")
    call.invite()
    call.ack(await caller.hear_statuses(100, 200))
    await caller.hears_nothing(0.7)


async def test_a_repeated_invite_gets_the_last_answer_again(
    dial: Dial, caller: Caller, events: Events
) -> None:
    call = dial("+12025550103")
    text = call.invite()
    await caller.hear_statuses(100, 180)
    call.resend(text)
    await caller.hear_statuses(180)
    assert [name for name, _ in events].count("invite") == 1


async def test_a_repeated_bye_gets_its_200_again(dial: Dial, caller: Caller) -> None:
    call = dial("+12025550110")
    call.invite()
    answer = await caller.hear_statuses(100, 200)
    call.ack(answer)
    call.bye(answer)
    await caller.hear_statuses(200)
    call.send("BYE", to=answer.header("To"))
    await caller.hear_statuses(200)


async def test_a_refusal_is_repeated_until_its_ack(start_carrier: Started, caller: Caller) -> None:
    carrier = await start_carrier(t1_s=0.05)
    call = Dialled(caller, carrier.address, "+12025550101")
    call.invite()
    refusal = await caller.hear_statuses(100, 486, 486, 486)
    call.ack(refusal)
    await caller.hears_nothing(0.5)


async def test_a_cancel_after_the_answer_changes_nothing(dial: Dial, caller: Caller) -> None:
    call = dial("+12025550110")
    call.invite()
    answer = await caller.hear_statuses(100, 200)
    call.cancel()
    assert (await caller.hear_statuses(200)).header("CSeq") == "1 CANCEL"
    call.ack(answer)
    call.bye(answer)
    assert (await caller.hear_statuses(200)).header("CSeq") == "2 BYE"


async def test_the_carrier_s_bye_is_repeated_until_answered(
    start_carrier: Started, caller: Caller
) -> None:
    carrier = await start_carrier(t1_s=0.05)
    call = Dialled(caller, carrier.address, "+12025550120")
    call.invite()
    call.ack(await caller.hear_statuses(100, 180, 200))
    first, again = await caller.hear(), await caller.hear()
    assert first.text == again.text
    assert first.first_line.startswith("BYE ")
    assert f"tag=from-{call.call_id}" in first.header("To")
    call.accept_bye(first)
    await caller.hears_nothing(0.5)


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("BYE", 481), ("PUBLISH", 405)])
async def test_a_request_of_no_call_is_answered(
    dial: Dial, caller: Caller, method: str, status: int
) -> None:
    call = dial("+12025550100")
    call.cseq, call.branch = 1, f"z9hG4bK-{method}"
    text = call.send(method)
    answer = await caller.hear_statuses(status)
    call.resend(text)
    # Without state the repeated answer must still be the same, tag and all (section 8.2.7).
    assert (await caller.hear_statuses(status)).text == answer.text


async def test_the_audio_moves_when_the_caller_asks_again(dial: Dial, caller: Caller) -> None:
    call = dial("+12025550110")
    call.invite()
    answer = await caller.hear_statuses(100, 200)
    call.ack(answer)
    call.cseq += 1
    call.branch = "z9hG4bK-again"
    call.send("INVITE", to=answer.header("To"), body=call.sdp() + "a=sendonly\r\n")
    again = await caller.hear_statuses(200)
    assert "a=recvonly" in again.body
    call.ack(again)
    await caller.hears_nothing(0.6)


@pytest.mark.parametrize(
    "garbage", [b"\r\n\r\n", b"\x00" * 64, b"INVITE sip:x SIP/2.0\r\n\r\n", b"\xff" * 2000]
)
async def test_garbage_is_noted_and_does_no_harm(
    dial: Dial, carrier: Simulator, caller: Caller, events: Events, garbage: bytes
) -> None:
    caller.transport.sendto(garbage, carrier.address)
    call = dial("+12025550101")
    call.invite()
    await caller.hear_statuses(100, 486)
    assert facts(events, "malformed")["source"] == f"127.0.0.1:{caller.port}"


async def test_stopping_hangs_live_calls_up(carrier: Simulator, dial: Dial, caller: Caller) -> None:
    answered, ringing = dial("+12025550110"), dial("+12025550103")
    answered.invite()
    answered.ack(await caller.hear_statuses(100, 200))
    ringing.invite()
    await caller.hear_statuses(100, 180)
    stopping = asyncio.create_task(carrier.stop(grace_s=5.0))
    heard = {one.header("Call-ID"): one for one in [await caller.hear() for _ in "12"]}
    assert heard[answered.call_id].first_line.startswith("BYE ")
    assert heard[ringing.call_id].status == 503
    answered.accept_bye(heard[answered.call_id])
    async with asyncio.timeout(1):
        await stopping
