"""A script's rules decide, in order and counted; its OPTIONS come in phases."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from call_manager.simulator.endpoint import Simulator
from tests.service.simulator.conftest import Caller, Dialled, Events, Heard, Started, facts
from tests.service.simulator.test_protocol import authorization

NUMBER = "+12025550150"


@pytest.fixture
async def scripted(start_carrier: Started) -> Callable[..., Any]:
    async def start(*rules: dict[str, Any], **script: Any) -> Simulator:
        return await start_carrier(t1_s=0.05, script={"rules": rules, **script})

    return start


async def final(caller: Caller, carrier: Simulator, number: str = NUMBER, *headers: str) -> Heard:
    """Place a call and return its first final answer."""
    call = Dialled(caller, carrier.address, number)
    call.invite(*headers)
    while (heard := await caller.hear()).status < 200:
        pass
    call.ack(heard)
    if heard.status < 300:
        call.bye(heard)
        await caller.hear_statuses(200)
    return heard


async def test_the_first_two_calls_meet_a_rule_and_the_others_the_next(
    scripted: Callable[..., Any], caller: Caller, events: Events
) -> None:
    carrier = await scripted(
        {"name": "down", "times": 2, "steps": [{"refuse": "503"}]}, {"steps": [{"answer": ""}]}
    )
    assert [(await final(caller, carrier)).status for _ in range(3)] == [503, 503, 200]
    assert [found["outcome"] for name, found in events if name == "invite"] == [
        "down", "down", "rule 2",
    ]  # fmt: skip


async def test_a_challenged_call_is_one_call(scripted: Callable[..., Any], caller: Caller) -> None:
    carrier = await scripted(
        {"times": 1, "challenge": {}, "steps": [{"answer": ""}]}, {"steps": [{"refuse": "486"}]}
    )
    call = Dialled(caller, carrier.address, NUMBER)
    for _ in "12":
        call.invite()
        call.ack(await caller.hear_statuses(100, 401))
    assert (await final(caller, carrier)).status == 486


async def test_a_rule_can_let_calls_pass_first(
    scripted: Callable[..., Any], caller: Caller
) -> None:
    carrier = await scripted(
        {"skip": 1, "times": 1, "steps": [{"refuse": "500"}]}, {"steps": [{"refuse": "486"}]}
    )
    assert [(await final(caller, carrier)).status for _ in range(3)] == [486, 500, 486]


async def test_chance_is_the_same_for_the_same_seed(
    scripted: Callable[..., Any], caller: Caller
) -> None:
    rules = {"percent": 50, "steps": [{"refuse": "503"}]}, {"steps": [{"refuse": "486"}]}
    carriers = [await scripted(*rules, seed=3) for _ in "12"]
    met = [(await final(caller, carrier)).status for carrier in carriers for _ in range(12)]
    assert met[:12] == met[12:]
    assert set(met) == {486, 503}


@pytest.mark.parametrize(
    ("match", "number", "fits"),
    [
        ({"number": NUMBER}, NUMBER, True),
        ({"number": NUMBER}, "9" + NUMBER, False),
        ({"prefix": "+1202"}, NUMBER, True),
        ({"prefix": "+1203"}, NUMBER, False),
        ({"suffix": "0150"}, NUMBER, True),
        ({"glob": "+1*0?50"}, NUMBER, True),
        ({"glob": "+1*0?51"}, NUMBER, False),
        ({"caller": "+12025550199"}, NUMBER, True),
        ({"caller": "+44*"}, NUMBER, False),
        ({"address": "127.0.0.0/8"}, NUMBER, True),
        ({"address": "10.0.0.0/8"}, NUMBER, False),
        ({"headers": {"x-test": "blue*"}}, NUMBER, True),
        ({"headers": {"x-test": "red"}}, NUMBER, False),
        ({"headers": {"x-other": "*"}}, NUMBER, False),
        ({"prefix": "+1", "suffix": "51"}, NUMBER, False),
    ],
)
async def test_a_rule_is_for_the_calls_that_fit_it(
    scripted: Callable[..., Any], caller: Caller, match: dict[str, Any], number: str, fits: bool
) -> None:
    carrier = await scripted({"match": match, "steps": [{"refuse": "404"}]}, {"silent": "yes"})
    call = Dialled(caller, carrier.address, number)
    call.invite("X-Test: blue sky")
    if fits:
        call.ack(await caller.hear_statuses(100, 404))
    else:
        await caller.hears_nothing(0.1)


async def test_what_no_rule_is_for_the_number_decides(
    scripted: Callable[..., Any], caller: Caller
) -> None:
    carrier = await scripted({"match": {"number": "1"}, "silent": "yes"})
    assert (await final(caller, carrier, "+12025550101")).status == 486


async def test_an_answer_bears_the_phrase_and_headers_it_is_given(
    scripted: Callable[..., Any], caller: Caller
) -> None:
    refuse = {"code": "480", "reason": "Gone Fishing", "headers": {"Retry-After": "30"}, "q850": 19}
    carrier = await scripted({"steps": [{"refuse": refuse}]})
    refusal = await final(caller, carrier)
    assert refusal.first_line == "SIP/2.0 480 Gone Fishing"
    assert refusal.header("Retry-After") == "30"
    assert refusal.header("Reason").startswith("Q.850;cause=19;")


async def test_a_call_with_credentials_of_its_own(
    scripted: Callable[..., Any], caller: Caller, events: Events
) -> None:
    carrier = await scripted(
        {"challenge": {"code": "407", "password": "other"}, "steps": [{"answer": ""}]}
    )
    for password, status in (("secret", 403), ("other", 200)):
        call = Dialled(caller, carrier.address, NUMBER)
        call.invite()
        challenged = await caller.hear_statuses(100, 407)
        call.ack(challenged)
        call.invite(authorization(call, challenged, password, "Proxy-Authorization"))
        call.ack(await caller.hear_statuses(100, status))
    assert facts(events, "over")["status"] == 403


async def test_a_session_that_nobody_refreshes_is_ended(
    scripted: Callable[..., Any], caller: Caller, events: Events
) -> None:
    session = {"expires_s": 1, "refresher": "caller"}
    carrier = await scripted({"session": session, "steps": [{"answer": ""}]})
    call = Dialled(caller, carrier.address, NUMBER)
    call.invite("Supported: timer")
    call.ack(await caller.hear_statuses(100, 200))
    bye = await caller.hear()
    assert bye.first_line.startswith("BYE ")
    assert bye.header("Reason").startswith("SIP;cause=408")
    call.accept(bye)
    assert facts(events, "session expired") == {"call": call.call_id}


@pytest.mark.parametrize(("how", "method"), [("update", "UPDATE"), ("invite", "INVITE")])
async def test_the_carrier_refreshes_when_it_said_so(
    scripted: Callable[..., Any], caller: Caller, how: str, method: str
) -> None:
    session = {"expires_s": 1, "refresher": "carrier", "refresh": how}
    carrier = await scripted({"session": session, "steps": [{"answer": ""}]})
    call = Dialled(caller, carrier.address, NUMBER)
    call.invite("Supported: timer")
    call.ack(await caller.hear_statuses(100, 200))
    refresh = await caller.hear()
    assert refresh.first_line.startswith(f"{method} ")
    assert refresh.header("Session-Expires") == "1;refresher=uac"
    # Without SDP an UPDATE changes nothing but the time (RFC 3311 section 5.1).
    assert bool(refresh.body) is (method == "INVITE")
    call.accept(refresh, call.sdp() if method == "INVITE" else "")
    if method == "INVITE":
        assert (await caller.hear()).first_line.startswith("ACK ")


async def test_a_phone_that_has_nothing_more_to_do_rings_on(
    scripted: Callable[..., Any], caller: Caller
) -> None:
    carrier = await scripted({"steps": [{"provisional": "180"}]})
    call = Dialled(caller, carrier.address, NUMBER)
    call.invite()
    await caller.hear_statuses(100, 180)
    await caller.hears_nothing(0.2)
    call.cancel()
    assert {(await caller.hear()).status for _ in "12"} == {200, 487}


def options(caller: Caller, carrier: Simulator, number: int) -> None:
    probe = Dialled(caller, carrier.address, "health", call_id=f"probe-{number}@caller")
    probe.cseq, probe.branch = 1, f"z9hG4bK-probe-{number}"
    probe.send("OPTIONS")


async def test_options_are_answered_in_phases_that_come_round(
    scripted: Callable[..., Any], caller: Caller, events: Events
) -> None:
    phases = [
        {"code": 200, "times": 2},
        {"silent": "yes", "times": 1},
        {"code": 503, "times": 1, "reason": "Down", "headers": {"Retry-After": "9"}},
    ]
    carrier = await scripted(options=phases)
    seen = []
    for number in range(6):
        options(caller, carrier, number)
        if number != 2:
            seen.append(await caller.hear())
    assert [heard.status for heard in seen] == [200, 200, 503, 200, 200]
    assert seen[2].first_line == "SIP/2.0 503 Down"
    assert seen[2].header("Retry-After") == "9"
    assert facts(events, "options")["status"] == 200


async def test_options_can_be_answered_late(scripted: Callable[..., Any], caller: Caller) -> None:
    carrier = await scripted(options=[{"delay_s": 0.3}])
    options(caller, carrier, 0)
    started = asyncio.get_running_loop().time()
    await caller.hear_statuses(200)
    assert asyncio.get_running_loop().time() - started >= 0.29
