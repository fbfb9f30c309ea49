"""A call marked `rtp_debug` has its audio in its pcap, and every call what it was like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.service.call_manager.exchange import Exchange
from tests.support.rtp_peer import RtpPeer, rtp_peer
from tests.support.sip_peer import SipPeer, sip_peer

PACKETS_MAX = 80


@pytest.fixture
async def exchange(tmp_path: Path, fresh_postgres: str | None) -> AsyncIterator[Exchange]:
    async with (
        Exchange(tmp_path, fresh_postgres).neighbours() as exchange,
        exchange.serving(rtp_capture_packets_max=PACKETS_MAX),
    ):
        yield exchange


@dataclass(frozen=True)
class Frame:
    """One packet as tshark reads it."""

    at_s: float
    protocol: str
    source_port: int
    complaints: str


async def frames_of(exchange: Exchange, call_id: str, path: Path) -> list[Frame]:
    """Download a call's pcap and have tshark read it."""
    pieces = await exchange.pcap(call_id)
    await asyncio.to_thread(path.write_bytes, b"".join(piece.body.data for piece in pieces))
    fields = ("frame.time_relative", "frame.protocols", "udp.srcport", "_ws.expert.message")
    wanted = [argument for field in fields for argument in ("-e", field)]
    process = await asyncio.create_subprocess_exec(
        "tshark", "-n", "-r", str(path), "-T", "fields", *wanted,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0
    rows = [line.split("\t") for line in output.decode().splitlines()]
    return [Frame(float(at), kinds.split(":")[3], int(port), odd) for at, kinds, port, odd in rows]


async def a_call(
    exchange: Exchange, phone: SipPeer, voice: RtpPeer, packets: int, *, debug: bool = False
) -> str:
    """Place a call that hears so many packets and is ended by the carrier."""
    flow_id = await exchange.flow(("sleep", {"duration": 60_000}))
    carrier = await exchange.carrier(f"127.0.0.1:{phone.port}")
    call_id = await exchange.dial(carrier, flow_id=flow_id, rtp_debug=debug)
    invite = await phone.answer(media_port=voice.port)
    begun = len(voice.audio)
    await voice.hears(begun + 2)
    voice.say(range(40))
    await voice.hears(begun + packets)
    phone.request("BYE", invite)
    await exchange.until(call_id, "hangup")
    return call_id


async def test_captured_audio_stands_in_the_pcap_beside_sip_up_to_the_limit(
    exchange: Exchange, tmp_path: Path
) -> None:
    async with sip_peer() as phone, rtp_peer() as voice:
        short = await a_call(exchange, phone, voice, 10, debug=True)
        long = await a_call(exchange, phone, voice, 60, debug=True)
        plain = await a_call(exchange, phone, voice, 5)
    audio = {}
    for call_id in (short, long, plain):
        frames = await frames_of(exchange, call_id, tmp_path / "call.pcap")
        assert {frame.complaints for frame in frames} == {""}
        assert [frame.at_s for frame in frames] == sorted(frame.at_s for frame in frames)
        sip = [frame for frame in frames if frame.protocol == "sip"]
        assert len(sip) == len(await exchange.analysis(call_id))
        audio[call_id] = [frame for frame in frames if frame.protocol in {"rtp", "rtcp"}]
        assert len(sip) + len(audio[call_id]) == len(frames)
    theirs = [frame for frame in audio[short] if frame.source_port == voice.port]
    assert len(theirs) == 40
    assert len(audio[short]) - len(theirs) >= 10
    assert len(audio[long]) == PACKETS_MAX
    assert audio[plain] == []
    last = (await exchange.get(short)).attempts[-1].media
    assert (last.received.packets, last.received.lost) == (40, 0)
    assert last.sent.packets >= 10
