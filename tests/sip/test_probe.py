"""Asking carriers whether they are there: any answer is one, silence and refusals say why."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from call_manager.channel import DnsRecord, NextHop, Transport
from call_manager.sip.channel import SipChannel
from call_manager.sip.settings import SipSettings
from call_manager.sip.transport.lookup import Records
from tests.support.sip_calls import QUICK_T1_S, settings
from tests.support.sip_peer import Reply, sip_peer
from tests.support.stream_peer import stream_peer


@pytest.mark.parametrize(("code", "reason"), [(200, "OK"), (404, "Nobody"), (407, "Who")])
async def test_any_final_answer_is_an_answer(quick: SipChannel, code: int, reason: str) -> None:
    async with sip_peer() as peer:
        hop = NextHop("127.0.0.1", peer.port)
        asking = asyncio.create_task(quick.probe(hop, route="sip:127.0.0.1;lr"))
        options = await peer.hear("OPTIONS")
        peer.reply(options, Reply(100, "Trying"))
        peer.reply(options, Reply(code, reason))
        result = await asking
    assert (result.code, result.reason_phrase) == (code, reason)
    assert result.latency_ms is not None
    assert 0 <= result.latency_ms < 5000
    assert (result.transport, result.remote_address) == (Transport.UDP, f"127.0.0.1:{peer.port}")
    assert result.detail == ""
    assert options.uri == f"sip:127.0.0.1:{peer.port}"
    assert options.header("Route") == "<sip:127.0.0.1;lr>"
    assert options.header("CSeq") == "1 OPTIONS"
    assert re.search(r";tag=\w+$", options.header("From"))
    assert quick.live_legs == 0


async def test_silence_is_asked_again_and_then_told(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        result = await quick.probe(NextHop("127.0.0.1", peer.port), timeout_s=0.3)
        await peer.silence(QUICK_T1_S)  # What had left may still be on its way.
        assert peer.count("OPTIONS") > 2
        assert await peer.silence(QUICK_T1_S * 10) == []
    assert (result.code, result.latency_ms) == (None, None)
    assert result.detail == "Nothing answered the OPTIONS in time."
    assert result.remote_address == f"127.0.0.1:{peer.port}"


async def test_timer_f_ends_a_probe_that_may_take_longer(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        async with asyncio.timeout(20):
            result = await quick.probe(NextHop("127.0.0.1", peer.port), timeout_s=60)
    assert result.detail == "Nothing answered the OPTIONS in time."


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_nobody_there_is_told_at_once(quick: SipChannel, transport: Transport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        result = await quick.probe(NextHop("127.0.0.1", port, transport))
    assert result.code is None
    assert "cannot be reached: Connection refused" in result.detail
    assert (result.transport, result.remote_address) == (transport, f"127.0.0.1:{port}")


async def test_the_next_address_is_asked_when_one_is_not_there() -> None:
    async def lookup(name: str, kind: str) -> Records:
        return tuple(DnsRecord(name, "A", 60, a) for a in ("127.0.0.2", "127.0.0.1") if kind == "A")

    channel = SipChannel(settings(QUICK_T1_S), lookup=lookup)
    await channel.start()
    async with stream_peer() as peer:
        asking = asyncio.create_task(
            channel.probe(NextHop("carrier.test", peer.port, Transport.TCP))
        )
        options = await peer.hear("OPTIONS")
        assert options.header("CSeq") == "2 OPTIONS"
        assert options.header("Via").startswith("SIP/2.0/TCP ")
        peer.reply(options, Reply(200, "OK"))
        result = await asking
        await channel.stop(grace_s=0)
    assert (result.code, result.remote_address) == (200, f"127.0.0.1:{peer.port}")
    assert [record.value for record in result.dns] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("host", "sentence"),
    [("10.0.0.1", "only private or reserved"), ("a b", "not a SIP URI"), ("x>y", "not a SIP URI")],
)
async def test_what_may_not_be_asked_is_told_not_raised(host: str, sentence: str) -> None:
    channel = SipChannel(SipSettings(listen="127.0.0.1:0"))
    await channel.start()
    result = await channel.probe(NextHop(host, 5060))
    await channel.stop(grace_s=0)
    assert result.code is None
    assert sentence in result.detail


async def test_a_name_that_is_not_resolved_in_time_is_told() -> None:
    async def lookup(_name: str, _kind: str) -> Records:
        await asyncio.sleep(60)
        return ()

    channel = SipChannel(settings(), lookup=lookup)
    await channel.start()
    result = await channel.probe(NextHop("slow.test", 5060), timeout_s=0.1)
    await channel.stop(grace_s=0)
    assert result.detail == "The carrier's name was not resolved in time."
    assert result.remote_address == ""
