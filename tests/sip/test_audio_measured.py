"""What a leg's audio was like is told at its end: both ways, once, and captured where asked."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from call_manager.channel import Answered, Leg, MediaReport
from call_manager.media import control
from call_manager.media.capture import CapturedPacket, read
from call_manager.media.judging import Flow, one_way
from call_manager.sip.channel import SipChannel
from call_manager.timeline.convert import rtp_datagram
from call_manager.timeline.pcap import Datagram, Endpoint, Recorder, file_header
from tests.support.journal import MemoryJournal
from tests.support.rtp_peer import RtpPeer, rtp_peer
from tests.support.sip_calls import a_target, end_of, until
from tests.support.sip_peer import CONTENT, SDP, Heard, Reply, SipPeer, sip_peer


@pytest.fixture
async def phone() -> AsyncIterator[SipPeer]:
    async with sip_peer() as peer:
        yield peer


@pytest.fixture
async def voice() -> AsyncIterator[RtpPeer]:
    async with rtp_peer() as peer:
        yield peer


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports every 40 ms instead of every 5 s; they are looked for twice a second."""
    monkeypatch.setattr(control, "interval_s", lambda _, first: 0.04)


async def hang_up(phone: SipPeer, leg: Leg, invite: Heard, *, cseq: int = 1) -> None:
    phone.request("BYE", invite, cseq=cseq)
    await end_of(leg)


def the_report(journal: MemoryJournal) -> MediaReport:
    (report,) = journal.measured
    return report


async def test_loss_repetition_and_wrong_payloads_of_the_peer_are_told(
    quick: SipChannel, journal: MemoryJournal, phone: SipPeer, voice: RtpPeer
) -> None:
    leg = quick.dial(a_target(phone.port), journal)
    invite = await phone.answer(media_port=voice.port)
    await until(leg, Answered)
    await voice.hears(3)
    voice.say([65_530, 65_531, 65_533, 65_533, 65_535, 65_534, 0, 4])
    voice.say([5], payload_type=96)
    voice.rtp.sendto(b"\x80nonsense", voice.audio[-1][1])
    await asyncio.sleep(0.06)
    await hang_up(phone, leg, invite)
    report = the_report(journal)
    assert report.attempt_id == journal.planned[0].attempt_id
    assert (report.codec, report.payload_type) == ("PCMU", 0)
    assert report.local_address.startswith("127.0.0.1:")
    assert report.remote_address == f"127.0.0.1:{voice.port}"
    received = report.received
    assert (received.packets, received.octets) == (9, 9 * 160)
    assert (received.lost, received.late_or_repeated) == (1 + 3, 2)
    assert (report.rtp_errors, report.other_payloads) == (1, (96,))
    assert report.sent.packets == len(voice.audio) == leg.media.packets_sent
    assert report.sent.octets == 160 * report.sent.packets
    assert report.mos is not None
    assert report.arrived is None, "the peer made no report"


async def test_the_time_a_packet_came_is_the_kernels(
    quick: SipChannel, journal: MemoryJournal, phone: SipPeer, voice: RtpPeer
) -> None:
    """We read once in 20 ms, so packets 5 ms apart would seem to come together."""
    leg = quick.dial(a_target(phone.port), journal)
    invite = await phone.answer(media_port=voice.port)
    await voice.hears(2)
    begun = asyncio.get_running_loop().time()
    for sequence in range(12):
        voice.say([sequence])
        await asyncio.sleep(0.005)
    took_ms = (asyncio.get_running_loop().time() - begun) * 1000
    await asyncio.sleep(0.04)
    await hang_up(phone, leg, invite)
    received = the_report(journal).received
    assert received.first_at is not None
    assert received.last_at is not None
    seen_ms = (received.last_at - received.first_at).total_seconds() * 1000
    assert 0 < seen_ms <= took_ms
    assert seen_ms % 20 != 0


async def test_early_media_alone_has_its_report_once(
    quick: SipChannel, journal: MemoryJournal, phone: SipPeer, voice: RtpPeer
) -> None:
    leg = quick.dial(a_target(phone.port), journal)
    invite = await phone.hear("INVITE")
    body = SDP.format(port=voice.port)
    phone.reply(invite, Reply(183, "Session Progress", headers=(CONTENT,), body=body))
    await voice.hears(2)
    voice.say(range(5))
    await asyncio.sleep(0.05)
    phone.reply(invite, Reply(486, "Busy Here"))
    await phone.hear("ACK")
    await end_of(leg)
    report = the_report(journal)
    assert report.received.packets == 5
    assert report.sent.packets >= 2
    assert report.attempt_id == journal.planned[0].attempt_id


async def test_a_leg_without_audio_has_no_report(
    quick: SipChannel, journal: MemoryJournal, phone: SipPeer
) -> None:
    leg = quick.dial(a_target(phone.port), journal)
    phone.reply(await phone.hear("INVITE"), Reply(486, "Busy Here"))
    await end_of(leg)
    assert journal.measured == []
    assert journal.captured == []


async def test_a_journal_that_fails_does_not_keep_the_end_from_being_told(
    quick: SipChannel,
    journal: MemoryJournal,
    phone: SipPeer,
    voice: RtpPeer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(_: MediaReport) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(journal, "media_measured", broken)
    leg = quick.dial(a_target(phone.port), journal)
    await hang_up(phone, leg, await phone.answer(media_port=voice.port))


@pytest.mark.usefixtures("hasty")
async def test_reports_go_both_ways_over_rtcp(
    quick: SipChannel, journal: MemoryJournal, phone: SipPeer, voice: RtpPeer
) -> None:
    leg = quick.dial(a_target(phone.port), journal)
    invite = await phone.answer(media_port=voice.port)
    await voice.hears(5)
    await voice.talk([1, 2, 3, 4, 6, 7])
    await voice.reported()
    sequence = struct.unpack_from("!H", voice.audio[-1][0], 2)[0]
    voice.report(lost=2, highest=sequence)
    voice.rtcp.sendto(b"no rtcp", (voice.audio[-1][1][0], voice.audio[-1][1][1] + 1))
    sent = len(voice.audio)
    await voice.reported(len(voice.control) + 1)
    await hang_up(phone, leg, invite)
    packet, source = voice.control[0]
    assert source[1] == voice.audio[0][1][1] + 1
    assert packet[0] & 0xC0 == 0x80
    assert packet[1] == 200, "a sender's report"
    report = the_report(journal)
    assert report.arrived == pytest.approx(sent - 2, abs=2)
    assert (report.sent.lost, report.sent.jitter_ms) == (2, 2.0)
    assert report.rtt_ms is not None
    assert report.rtt_ms >= 0
    assert (report.rtcp_packets, report.rtcp_errors) == (2, 1)
    assert (await voice.goodbye())[1] == 200, "a last report goes before it"


async def test_a_peer_that_says_nothing_of_our_audio_hears_none_of_it(
    quick: SipChannel,
    journal: MemoryJournal,
    phone: SipPeer,
    voice: RtpPeer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("call_manager.media.rtcp_session.PATIENCE_NS", 0)
    monkeypatch.setattr("call_manager.media.judging.ENOUGH_S", 0.0)
    leg = quick.dial(a_target(phone.port), journal)
    invite = await phone.answer(media_port=voice.port)
    await voice.hears(5)
    voice.report()
    await hang_up(phone, leg, invite)
    report = the_report(journal)
    assert report.arrived == 0
    assert one_way(report).flow is Flow.NONE


@pytest.mark.usefixtures("hasty")
async def test_shared_ports_carry_rtcp_when_the_peer_asks_for_them(
    quick: SipChannel, journal: MemoryJournal, phone: SipPeer, voice: RtpPeer
) -> None:
    leg = quick.dial(a_target(phone.port), journal)
    invite = await phone.answer(media_port=voice.port)
    await voice.hears(2)
    offer = f"{CONTENT}\r\n\r\n{SDP.format(port=voice.port)}a=rtcp-mux\r\n"
    phone.request("INVITE", invite, cseq=1, extra=offer)
    assert "a=rtcp-mux" in (await phone.hear("200")).body
    phone.request("ACK", invite, cseq=1)
    async with asyncio.timeout(10):
        while not any(data[1] == 200 for data, _ in voice.audio):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    body = struct.pack("!BBHI", 0x80, 201, 1, 7)
    voice.rtp.sendto(body, voice.audio[-1][1])
    await asyncio.sleep(0.05)
    await hang_up(phone, leg, invite, cseq=2)
    report = the_report(journal)
    assert (report.rtcp_packets, report.rtp_errors, report.received.packets) == (1, 0, 0)


def captured(journal: MemoryJournal) -> list[CapturedPacket]:
    return [packet for chunk in journal.captured for packet in read(chunk)]


def pcap_of(journal: MemoryJournal) -> bytes:
    """The journal as the service writes it: SIP and audio, by their time."""
    sip = [
        Datagram(
            message.at,
            Endpoint.parse(message.local_address if message.sent else message.remote_address),
            Endpoint.parse(message.remote_address if message.sent else message.local_address),
            message.raw,
        )
        for message in journal.messages
    ]
    audio = [rtp_datagram(packet) for packet in captured(journal)]
    recorder = Recorder()
    ordered = sorted([*sip, *audio], key=lambda datagram: datagram.at)
    return file_header() + b"".join(recorder.records(datagram) for datagram in ordered)


async def tshark(path: Path, *arguments: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        "tshark", "-n", "-r", str(path), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return [line for line in output.decode().splitlines() if line.strip()]


@pytest.mark.usefixtures("hasty")
async def test_captured_audio_is_read_by_tshark_with_the_loss_we_tell(
    quick: SipChannel, journal: MemoryJournal, phone: SipPeer, voice: RtpPeer, tmp_path: Path
) -> None:
    leg = quick.dial(a_target(phone.port, capture_rtp=True), journal)
    invite = await phone.answer(media_port=voice.port)
    await voice.hears(2)
    await voice.talk([1, 2, 3, 5, 6, 9, 10, 11])
    await voice.reported()
    voice.report(highest=3)
    await asyncio.sleep(0.02)
    await hang_up(phone, leg, invite)
    await voice.goodbye()
    report, packets = the_report(journal), captured(journal)
    assert sum(not p.sent and not p.rtcp for p in packets) == report.received.packets == 8
    assert sum(p.sent and not p.rtcp for p in packets) == report.sent.packets
    assert sum(p.sent and p.rtcp for p in packets) == len(voice.control)
    assert sum(not p.sent and p.rtcp for p in packets) == report.rtcp_packets == 1
    path = tmp_path / "call.pcap"
    path.write_bytes(pcap_of(journal))
    assert await tshark(path, "-Y", "_ws.malformed or _ws.expert.severity >= 0x00600000") == []
    assert len(await tshark(path, "-Y", "sip")) == len(journal.messages)
    assert len(await tshark(path, "-Y", "rtcp")) == len(voice.control) + 1
    streams = await tshark(path, "-q", "-z", "rtp,streams")
    theirs = next(line.split() for line in streams if f" {voice.port} " in line.partition("0x")[0])
    assert "0x5EED5EED" in theirs
    assert theirs[theirs.index("8") + 1] == str(report.received.lost) == "3"
    assert len([line for line in streams if "g711U" in line]) == 2


async def test_digits_that_were_sent_are_read_by_tshark(
    quick: SipChannel, journal: MemoryJournal, phone: SipPeer, voice: RtpPeer, tmp_path: Path
) -> None:
    leg = quick.dial(a_target(phone.port, capture_rtp=True), journal)
    invite = await phone.answer(media_port=voice.port)
    await voice.hears(2)
    await leg.media.send_digits("5#", duration_ms=100, interval_ms=60)
    await hang_up(phone, leg, invite)
    path = tmp_path / "call.pcap"
    path.write_bytes(pcap_of(journal))
    fields = ("rtp.marker", "rtpevent.event_id", "rtpevent.end_of_event", "rtpevent.volume")
    shown = [word for field in (*fields, "rtpevent.duration") for word in ("-e", field)]
    events = await tshark(path, "-Y", "rtpevent", "-T", "fields", *shown)
    truth = {"True": "1", "False": "0"}
    read = [tuple(truth.get(word, word) for word in line.split("\t")) for line in events]
    assert read == [
        (str(int(n == 0)), event, str(int(n >= 4)), "10", str(min(n + 1, 5) * 160))
        for event in ("5", "11")
        for n in range(7)
    ]


async def test_audio_is_captured_only_where_it_is_asked_for(
    quick: SipChannel, journal: MemoryJournal, phone: SipPeer, voice: RtpPeer
) -> None:
    leg = quick.dial(a_target(phone.port), journal)
    invite = await phone.answer(media_port=voice.port)
    await voice.hears(2)
    await hang_up(phone, leg, invite)
    assert journal.captured == []
