"""What is heard: RTP from the answer to the end, at its pace, where it should go."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct

import pytest

from call_manager.channel import Answered, Progress
from call_manager.sip.channel import SipChannel
from tests.support import spectrum
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import a_target, end_of, until
from tests.support.sip_peer import CONTENT, SDP, Reply, sip_peer


class Ear(asyncio.DatagramProtocol):
    """An RTP socket that keeps what it hears."""

    def __init__(self) -> None:
        self.packets: list[tuple[float, bytes, tuple[str, int]]] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.packets.append((asyncio.get_running_loop().time(), data, addr))

    @property
    def payloads(self) -> list[bytes]:
        return [data[12:] for _, data, _ in self.packets]


async def an_ear() -> tuple[asyncio.DatagramTransport, Ear, int]:
    transport, ear = await asyncio.get_running_loop().create_datagram_endpoint(
        Ear, local_addr=("127.0.0.1", 0)
    )
    return transport, ear, int(transport.get_extra_info("sockname")[1])


@pytest.mark.parametrize(("payload_type", "silence"), [(0, 0xFF), (8, 0xD5)])
async def test_silence_then_a_tone_then_silence_is_heard(
    quick: SipChannel, journal: MemoryJournal, payload_type: int, silence: int
) -> None:
    transport, ear, port = await an_ear()
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        body = SDP.format(port=port).replace("AVP 0", f"AVP {payload_type}")
        await peer.answer(reply=Reply(200, headers=(CONTENT,), body=body))
        await until(leg, Answered)
        await asyncio.sleep(0.1)
        await leg.media.beep(duration_s=0.2)
        await asyncio.sleep(0.1)
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200))
        await end_of(leg)
        count = len(ear.packets)
        await asyncio.sleep(0.06)
        assert len(ear.packets) == count, "nothing is sent after the end"
        transport.close()
    quiet = bytes([silence]) * 160
    loud = [index for index, payload in enumerate(ear.payloads) if payload != quiet]
    assert len(loud) == 10
    assert loud == list(range(loud[0], loud[0] + 10))
    assert loud[0] > 0
    assert loud[-1] < count - 1
    headers = [struct.unpack("!BBHII", data[:12]) for _, data, _ in ear.packets]
    assert {h[0] for h in headers} == {0x80}
    assert [h[1] for h in headers] == [0x80 | payload_type] + [payload_type] * (count - 1)
    assert len({h[4] for h in headers}) == 1
    for before, after in itertools.pairwise(headers):
        assert (after[2] - before[2]) % 2**16 == 1
        # A machine that stalls leaves a hole, and no packet out of its time.
        assert (after[3] - before[3]) % 2**32 in range(160, 160 * 500, 160)
    elapsed_s = ear.packets[-1][0] - ear.packets[0][0]
    played_s = (headers[-1][3] - headers[0][3]) % 2**32 / 8000
    assert elapsed_s == pytest.approx(played_s, abs=0.3)
    assert leg.media.packets_sent == count


async def test_a_tone_before_the_answer_and_after_the_end_plays_into_nothing(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        await asyncio.wait_for(leg.media.beep(), 0.2)
        invite = await peer.answer()
        await until(leg, Answered)
        playing = asyncio.create_task(leg.media.beep(duration_s=5))
        await asyncio.sleep(0.05)
        peer.request("BYE", invite)
        await end_of(leg)
        await asyncio.wait_for(playing, 0.2)
        await asyncio.wait_for(leg.media.beep(), 0.2)
        with pytest.raises(ValueError, match="Hz"):
            await leg.media.beep(frequency_hz=9000)
        with pytest.raises(ValueError, match="between"):
            await leg.media.beep(duration_s=-1)


async def test_hold_keeps_silent_and_its_end_is_heard(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    transport, ear, port = await an_ear()
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.answer(media_port=port)
        await until(leg, Answered)
        offer = SDP.format(port=port)
        hold = f"{CONTENT}\r\n\r\n{offer}a=inactive\r\n"
        peer.request("INVITE", invite, cseq=1, extra=hold)
        assert "a=inactive" in (await peer.hear("200")).body
        peer.request("ACK", invite, cseq=1)
        await asyncio.sleep(0.05)
        held = len(ear.packets)
        await asyncio.sleep(0.1)
        assert len(ear.packets) == held
        peer.request("UPDATE", invite, cseq=2, extra=f"{CONTENT}\r\n\r\n{offer}")
        assert "a=sendrecv" in (await peer.hear("200")).body
        await asyncio.sleep(0.1)
        assert len(ear.packets) > held
        leg.hangup()
    transport.close()


async def test_audio_goes_back_to_where_it_comes_from(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    """The SDP names a closed port, as behind NAT; the ICMP errors it causes break nothing."""
    transport, ear, _ = await an_ear()
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.answer(media_port=9)
        await until(leg, Answered)
        await asyncio.sleep(0.06)
        ours = int(invite.body.partition("m=audio ")[2].split()[0])
        transport.sendto(b"no RTP", ("127.0.0.1", ours))
        transport.sendto(bytes([0x80, 0]) + bytes(170), ("127.0.0.1", ours))
        await asyncio.sleep(0.1)
        assert ear.packets
        assert ear.packets[0][2] == ("127.0.0.1", ours)
        assert leg.media.packets_received == 1
        leg.hangup()
    transport.close()


async def test_audio_never_goes_to_another_host_than_the_carrier_named(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    """Whoever finds the port and sends first must not become the one who listens."""
    carrier, ear, port = await an_ear()
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.answer(media_port=port)
        await until(leg, Answered)
        ours = int(invite.body.partition("m=audio ")[2].split()[0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            stranger.setblocking(False)
            stranger.sendto(bytes([0x80, 0]) + bytes(170), ("127.0.0.1", ours))
            await asyncio.sleep(0.1)
            heard = len(ear.packets)
            await asyncio.sleep(0.1)
            assert len(ear.packets) > heard
            with pytest.raises(BlockingIOError):
                stranger.recv(2048)
        leg.hangup()
    carrier.close()


async def test_early_media_is_played_into_before_the_answer(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    transport, ear, port = await an_ear()
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        peer.reply(invite, Reply(180))
        await until(leg, Progress)
        assert not leg.media.flows
        body = SDP.format(port=port)
        peer.reply(invite, Reply(183, headers=(CONTENT,), body=body))
        await until(leg, Progress)
        assert leg.media.flows
        await leg.media.play(spectrum.pcm16(spectrum.sine(500.0, 0.2)))
        peer.reply(invite, Reply(200, headers=(CONTENT,), body=body))
        await until(leg, Answered)
        await leg.media.beep(frequency_hz=1500.0, duration_s=0.2)
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200))
        await end_of(leg)
        assert not leg.media.flows
    transport.close()
    heard = spectrum.of_ulaw(b"".join(ear.payloads))
    sound = spectrum.loud(heard)
    assert spectrum.purity(sound[:1600], 500.0) > 0.95
    assert spectrum.purity(sound[-1600:], 1500.0) > 0.95


async def test_digits_go_by_the_carriers_number_and_come_by_ours(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    transport, ear, port = await an_ear()
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        body = SDP.format(port=port).replace("101", "96")
        invite = await peer.answer(reply=Reply(200, headers=(CONTENT,), body=body))
        await until(leg, Answered)
        await leg.media.send_digits("4", duration_ms=60, interval_ms=0)
        ours = int(invite.body.partition("m=audio ")[2].split()[0])
        for payload_type, event in ((101, 7), (101, 7), (96, 11)):
            header = struct.pack("!BBHII", 0x80, payload_type, event, event * 8000, 5)
            transport.sendto(header + bytes([event, 10, 1, 0]), ("127.0.0.1", ours))
        async with asyncio.timeout(5):
            assert [await leg.media.digit(), await leg.media.digit()] == ["7", "#"]
        waiting = asyncio.create_task(leg.media.digit())
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200))
        await end_of(leg)
        assert await asyncio.wait_for(waiting, 1) == ""
    transport.close()
    events = [data for _, data, _ in ear.packets if data[1] & 0x7F == 96]
    assert [data[12:].hex() for data in events] == [
        "040a00a0", "040a0140", "048a01e0", "048a01e0", "048a01e0",
    ]  # fmt: skip
    assert len({data[4:8] for data in events}) == 1
    report = journal.measured[0]
    assert report.sent.octets == 160 * report.sent.packets - 5 * 156


async def test_a_leg_without_audio_keeps_its_limits_and_waits_for_nothing(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        media = quick.dial(a_target(peer.port), journal).media
        await peer.hear("INVITE")
        await asyncio.wait_for(media.play(bytes(3200)), 1)
        await asyncio.wait_for(media.echo(), 1)
        await asyncio.wait_for(media.send_digits("1", duration_ms=100, interval_ms=0), 1)
        assert await asyncio.wait_for(media.digit(), 1) == ""
        with pytest.raises(ValueError, match="whole 16-bit samples"):
            await media.play(b"odd")
        with pytest.raises(ValueError, match="Digits are"):
            await media.send_digits("x", duration_ms=100, interval_ms=0)
