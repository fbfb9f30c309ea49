"""Calls over the real SIP channel, at carriers we did not write."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from call_manager.dialer import endings
from tests.service.call_manager.exchange import Exchange, ended
from tests.support.sip_peer import CONTENT, SDP, Heard, Reply, SipPeer, sip_peer
from tests.support.sipp import Sipp, free_udp_port
from tests.support.stored import everything_stored


@pytest.fixture
async def neighbours(tmp_path: Path, fresh_postgres: str | None) -> AsyncIterator[Exchange]:
    async with Exchange(tmp_path, fresh_postgres).neighbours() as exchange:
        yield exchange


@pytest.fixture
async def exchange(neighbours: Exchange) -> AsyncIterator[Exchange]:
    async with neighbours.serving():
        yield neighbours


async def ring(peer: SipPeer) -> Heard:
    invite = await peer.hear("INVITE")
    peer.reply(invite, Reply(180, "Ringing"))
    return invite


async def cancelled(peer: SipPeer, invite: Heard) -> Heard:
    """Take a CANCEL as a phone does; returns it once our ACK to the 487 came."""
    cancel = await peer.hear("CANCEL")
    peer.reply(cancel, Reply(200, "OK", contact=False))
    peer.reply(invite, Reply(487, "Request Terminated", contact=False))
    await peer.hear("ACK")
    return cancel


async def test_an_answered_call_runs_its_flow_and_is_hung_up(exchange: Exchange) -> None:
    flow_id = await exchange.flow(
        ("answer", {}), ("beep", {}), ("sleep", {"duration": 300}), ("hangup", {})
    )
    async with Sipp("answers.xml", free_udp_port()) as sipp:
        call_id = await exchange.dial(await exchange.carrier(sipp.address), flow_id=flow_id)
        call = await exchange.until(call_id, "hangup")
        assert await sipp.exit_status() == 0, sipp.errors()
    assert ended(call) == ("local", "normal", 200)
    assert call.tm_ringing.ToDatetime() <= call.tm_progressing.ToDatetime()
    lasted = call.tm_hangup.ToDatetime() - call.tm_progressing.ToDatetime()
    assert 0.75 <= lasted.total_seconds() <= 5, "half a second of tone and 300 ms of sleep"
    (attempt,) = call.attempts
    assert (attempt.codec, attempt.sip_code, attempt.remote_address) == ("PCMU", 200, sipp.address)
    assert attempt.HasField("tm_end")
    methods = [message.method for message in await exchange.analysis(call_id)]
    assert methods == ["INVITE", "180 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"]


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("refuses_486.xml", ("remote", "busy", 486)),
        ("refuses_503.xml", ("remote", "failed", 503)),
        ("refuses_603.xml", ("remote", "noanswer", 603)),
        ("redirects.xml", ("remote", "failed", 302)),
        ("hangs_up.xml", ("remote", "normal", 200)),
    ],
)
async def test_the_carriers_end_is_told_by_the_tables(
    exchange: Exchange, scenario: str, expected: tuple[str, str, int]
) -> None:
    flow_id = await exchange.flow(("sleep", {"duration": 10_000}))
    async with Sipp(scenario, free_udp_port(), elsewhere="127.0.0.1:1") as sipp:
        call_id = await exchange.dial(await exchange.carrier(sipp.address), flow_id=flow_id)
        call = await exchange.until(call_id, "hangup")
        assert await sipp.exit_status() == 0, sipp.errors()
    assert ended(call) == expected
    assert call.attempts[0].sip_code == expected[2]
    assert len(await exchange.analysis(call_id)) == len(sipp.messages())


async def test_a_challenge_is_a_second_attempt_and_no_password_is_kept(
    exchange: Exchange,
) -> None:
    async with Sipp("asks_407.xml", free_udp_port()) as sipp:
        carrier = await exchange.carrier(
            sipp.address, sip_username="mesh", sip_password="correct horse"
        )
        call = await exchange.until(await exchange.dial(carrier), "hangup")
    assert call.attempts[0].sip_code == 407
    assert [attempt.sequence for attempt in call.attempts] == [1, 2]
    assert len({attempt.sip_call_id for attempt in call.attempts}) == 1
    stored = await everything_stored(exchange.stored_at)
    assert call.id.encode() in stored or call.id.replace("-", "").encode() in stored
    files = b"".join(path.read_bytes() for path in exchange.folder.glob("call_manager.db*"))
    assert b"correct horse" not in stored + files


async def test_a_hangup_while_it_rings_is_a_cancel_on_the_wire(exchange: Exchange) -> None:
    async with sip_peer() as peer:
        carrier = await exchange.carrier(f"127.0.0.1:{peer.port}")
        call_id = await exchange.dial(carrier)
        invite = await ring(peer)
        await exchange.until(call_id, "ringing")
        await exchange.hangup(call_id)
        cancel = await cancelled(peer, invite)
        call = await exchange.until(call_id, "hangup")
    assert cancel.branch == invite.branch
    assert ended(call) == ("local", "cancel", 487)


async def test_a_carrier_without_an_address_fails_the_call_without_a_trace(
    exchange: Exchange,
) -> None:
    call_id = await exchange.dial(await exchange.carrier("carrier.invalid"))
    call = await exchange.until(call_id, "hangup")
    assert ended(call) == ("local", "failed", 0)
    assert call.hangup_detail
    (attempt,) = call.attempts
    assert (attempt.sip_call_id, attempt.remote_address, attempt.leg) == ("", "", 1)
    assert attempt.detail == call.hangup_detail


async def test_the_ring_timer_cancels(neighbours: Exchange) -> None:
    async with neighbours.serving(ring_timeout_s=0.5) as exchange, sip_peer() as peer:
        call_id = await exchange.dial(await exchange.carrier(f"127.0.0.1:{peer.port}"))
        await cancelled(peer, await ring(peer))
        call = await exchange.until(call_id, "hangup")
    assert ended(call)[1:] == ("dialout", 487)


async def test_the_duration_limit_hangs_up(neighbours: Exchange) -> None:
    flow_id = await neighbours.flow(("sleep", {"duration": 60_000}))
    async with (
        neighbours.serving(call_duration_max_s=0.5) as exchange,
        Sipp("answers.xml", free_udp_port()) as sipp,
    ):
        carrier = await exchange.carrier(sipp.address)
        call = await exchange.until(await exchange.dial(carrier, flow_id=flow_id), "hangup")
        assert await sipp.exit_status() == 0, sipp.errors()
    assert ended(call)[1:] == ("timeout", 200)


async def test_a_stop_hangs_live_calls_up_on_the_wire(neighbours: Exchange) -> None:
    flow_id = await neighbours.flow(("sleep", {"duration": 60_000}))
    async with Sipp("answers.xml", free_udp_port()) as sipp:
        async with neighbours.serving() as exchange:
            carrier = await exchange.carrier(sipp.address)
            call_id = await exchange.dial(carrier, flow_id=flow_id)
            await exchange.until(call_id, "progressing")
        assert await sipp.exit_status() == 0, sipp.errors()
    async with neighbours.serving():
        call = await neighbours.get(call_id)
    assert ended(call) == ("local", "normal", 200)
    assert call.hangup_detail == endings.STOPPED


async def test_a_killed_process_leaves_calls_that_the_next_one_cancels_and_hangs_up(
    neighbours: Exchange,
) -> None:
    exchange = neighbours
    flow_id = await exchange.flow(("sleep", {"duration": 60_000}))
    async with sip_peer() as ringing, sip_peer() as answering:
        first = await exchange.carrier(f"127.0.0.1:{ringing.port}")
        second = await exchange.carrier(f"127.0.0.1:{answering.port}")
        async with exchange.process() as process:
            rung = await exchange.dial(first)
            invite = await ring(ringing)
            answered = await exchange.dial(second, flow_id=flow_id)
            body = SDP.format(port=9)
            dialog = await answering.answer(reply=Reply(200, headers=(CONTENT,), body=body))
            await exchange.until(rung, "ringing")
            await exchange.until(answered, "progressing")
            process.send_signal(signal.SIGKILL)
            await process.wait()
        assert await exchange.mistakes() == ()
        assert await exchange.movements() == ["reserve", "reserve", "top_up"]
        before = (ringing.count("INVITE"), answering.count("INVITE"))
        assert before == (1, 1)
        async with exchange.serving():
            cancel = await cancelled(ringing, invite)
            bye = await answering.hear("BYE")
            answering.reply(bye, Reply(200, "OK", contact=False))
            calls = [await exchange.until(one, "hangup") for one in (rung, answered)]
            # A recovered call is never dialled again.
            await asyncio.sleep(1.2)
            traces = [
                [message.method for message in await exchange.analysis(one)]
                for one in (rung, answered)
            ]
    assert (ringing.count("INVITE"), answering.count("INVITE")) == before
    assert cancel.branch == invite.branch
    assert cancel.header("Call-ID") == invite.header("Call-ID")
    assert bye.header("Call-ID") == dialog.header("Call-ID")
    assert "tag=peer" in bye.header("To")
    assert [ended(call) for call in calls] == [("local", "failed", 487), ("local", "normal", 200)]
    assert [call.hangup_detail for call in calls] == [endings.CANCELLED, endings.HUNG_UP]
    assert all(call.attempts[0].HasField("tm_end") for call in calls)
    assert traces[0][-4:] == ["CANCEL", "200 CANCEL", "487 INVITE", "ACK"]
    assert traces[1][-2:] == ["BYE", "200 BYE"]
    # Who was not answered pays nothing, and who was pays for a minute.
    assert await exchange.movements() == ["charge", "release", "reserve", "reserve", "top_up"]
    assert [call.cost for call in calls] == ["0.000000", "0.010000"]
    assert await exchange.mistakes() == ()
