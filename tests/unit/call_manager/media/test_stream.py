"""A stream on real sockets: whose packets count, where answers go, and what time does to it."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from call_manager.channel import MediaReport
from call_manager.media import control
from call_manager.media.capture import Capture, CaptureLimits, read
from call_manager.media.ports import RtpPorts
from call_manager.media.rtp import PeerTerms, RtpStream
from call_manager.media.ticker import SLOTS, TICK_S, Ticker
from mesh.clock import new_id

HERE = "127.0.0.1"
OTHER = "127.0.0.2"


def a_socket(host: str = HERE) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.setblocking(False)
    return sock


def a_packet(sequence: int, *, payload_type: int = 0, ssrc: int = 9) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, sequence, sequence * 160, ssrc) + bytes(160)


def heard(sock: socket.socket) -> list[bytes]:
    packets = []
    while True:
        try:
            packets.append(sock.recv(2048))
        except BlockingIOError:
            return packets


class Desk:
    """One stream, and the sockets of those it talks to."""

    def __init__(self) -> None:
        self.ticker = Ticker()
        rtp, rtcp = RtpPorts(HERE, 26_000, 26_998).bind_pair()
        self.stream = RtpStream(rtp, self.ticker, lambda host: host != OTHER, rtcp=rtcp)
        self.peer, self.stranger = a_socket(), a_socket(OTHER)

    def start(self, *, to: socket.socket | None = None, held: bool = False) -> None:
        remote = (self.peer if to is None else to).getsockname()
        self.stream.start("PCMU", 0, remote, held=held)

    def say(self, sequences: range, *, who: socket.socket | None = None) -> None:
        for sequence in sequences:
            (who or self.peer).sendto(a_packet(sequence), (HERE, self.stream.port))

    def report(self) -> MediaReport:
        return self.stream.report(new_id(), "192.0.2.7")

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not done():  # noqa: ASYNC110 - sockets tell nobody
                await asyncio.sleep(TICK_S / 2)

    async def turns(self, count: int = 3) -> None:
        await asyncio.sleep(count * TICK_S)


@pytest.fixture
async def desk() -> Iterator[Desk]:  # type: ignore[misc]
    desk = Desk()
    with closing(desk.stream), desk.peer, desk.stranger:
        yield desk


async def test_a_strangers_packets_are_not_the_peers(desk: Desk) -> None:
    desk.start()
    desk.say(range(5), who=desk.stranger)
    desk.say(range(100, 103))
    await desk.until(lambda: desk.stream.packets_received == 3)
    report = desk.report()
    assert report.received.packets == 3
    assert report.received.lost == 0
    assert report.remote_address == f"{HERE}:{desk.peer.getsockname()[1]}"
    assert heard(desk.stranger) == []


async def test_a_stranger_types_no_digits(desk: Desk) -> None:
    desk.start()
    for who, event in ((desk.stranger, 1), (desk.peer, 2)):
        header = struct.pack("!BBHII", 0x80, 0x80 | 101, event, event * 8000, 9)
        who.sendto(header + bytes([event, 10, 0, 160]), (HERE, desk.stream.port))
    assert await asyncio.wait_for(desk.stream.audio.digit(), 5) == "2"


async def test_audio_from_elsewhere_is_told_when_there_is_no_other(desk: Desk) -> None:
    desk.start()
    desk.say(range(5), who=desk.stranger)
    await desk.until(lambda: desk.report().received.packets == 5)
    assert desk.stream.packets_received == 0
    assert desk.report().remote_address == f"{OTHER}:{desk.stranger.getsockname()[1]}"
    assert heard(desk.stranger) == [], "it is told, and not answered to"


async def test_who_is_described_later_is_not_who_came_before(desk: Desk) -> None:
    desk.say(range(5), who=desk.stranger)
    await desk.until(lambda: desk.stream.packets_received == 5)
    desk.start()
    desk.say(range(50, 52))
    await desk.until(lambda: desk.stream.packets_received == 2)
    assert desk.report().received.packets == 2


async def test_a_new_description_is_followed_until_audio_shows_better(desk: Desk) -> None:
    desk.start()
    desk.say(range(2))
    await desk.until(lambda: desk.stream.packets_received == 2)
    with a_socket() as wrong:
        desk.start(to=wrong)
        await desk.until(lambda: len(heard(wrong)) > 0)
        heard(desk.peer)
        desk.say(range(2, 4))
        await desk.until(lambda: len(heard(desk.peer)) > 0)
        heard(wrong)
        await desk.turns()
        assert heard(wrong) == []


async def test_after_a_hold_the_first_packet_bears_the_marker(desk: Desk) -> None:
    desk.start()
    await desk.until(lambda: desk.stream.packets_sent >= 2)
    desk.start(held=True)
    before = heard(desk.peer)
    desk.start()
    sent = desk.stream.packets_sent
    await desk.until(lambda: desk.stream.packets_sent >= sent + 2)
    after = heard(desk.peer)
    assert [packet[1] for packet in (before[0], before[1], after[0], after[1])] == [128, 0, 128, 0]


async def test_ticks_that_were_never_served_leave_a_hole_in_the_timestamps(desk: Desk) -> None:
    desk.start()
    await desk.until(lambda: desk.stream.packets_sent >= 1)
    heard(desk.peer)
    desk.ticker.dropped += 50
    await desk.until(lambda: desk.stream.packets_sent >= 30)
    stamps = [struct.unpack_from("!I", packet, 4)[0] for packet in heard(desk.peer)]
    steps = [(b - a) % 2**32 // 160 for a, b in itertools.pairwise(stamps)]
    assert steps.count(1) > 20
    assert max(steps) >= 51


async def test_what_cannot_be_sent_is_not_counted(desk: Desk) -> None:
    desk.stream.start("PCMU", 0, (HERE, 0), held=False)
    await desk.until(lambda: desk.stream.send_errors >= 3)
    report = desk.report()
    assert (report.sent.packets, report.sent.first_at, report.sent.last_at) == (0, None, None)
    desk.start()
    await desk.until(lambda: desk.stream.packets_sent >= 3)
    packets = heard(desk.peer)
    numbers = [struct.unpack_from("!H", packet, 2)[0] for packet in packets]
    assert [(n - numbers[0]) % 2**16 for n in numbers] == list(range(len(numbers)))
    assert packets[0][1] == 0x80, "the marker was not lost with what could not be sent"
    assert desk.report().sent.octets == 160 * desk.report().sent.packets


async def test_a_flood_is_read_in_turns_and_all_of_it_at_the_end(desk: Desk) -> None:
    desk.start()
    desk.say(range(100))
    desk.stream.close()
    desk.stream.close()
    assert 32 <= desk.report().received.packets <= 100
    desk.start()
    assert desk.stream.packets_sent == 0, "what is closed does not begin again"


async def test_strangers_cannot_fill_the_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("call_manager.media.rtp.STRANGERS_KEPT", 5)
    kept: list[bytes] = []
    capture = Capture(HERE, CaptureLimits(packets=30), kept.append)
    with a_socket() as peer, a_socket(OTHER) as stranger:
        stream = RtpStream(a_socket(), Ticker(), lambda _: True, capture=capture)
        here = (HERE, stream.port)
        stranger.sendto(a_packet(0), here)  # Before anybody was described.
        await asyncio.sleep(2 * TICK_S)
        stream.start("PCMU", 0, peer.getsockname(), held=True)
        for sequence in range(1, 20):
            stranger.sendto(a_packet(sequence), here)
        for sequence in range(8):
            peer.sendto(a_packet(sequence), here)
        stream.close()
    sources = Counter(packet.source[0] for chunk in kept for packet in read(chunk))
    assert sources == {OTHER: 5, HERE: 8}
    assert not capture.full


async def test_reports_go_where_the_description_says_on_the_same_host_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "interval_s", lambda _, first: 0.01)
    with a_socket() as wanted:
        for rtcp in (wanted.getsockname(), desk.stranger.getsockname()):
            terms = PeerTerms(rtcp=rtcp)
            desk.stream.start("PCMU", 0, desk.peer.getsockname(), held=False, terms=terms)
            if rtcp[0] == HERE:
                await desk.until(lambda: bool(heard(wanted)))
        heard(wanted)
        await asyncio.sleep(0.6)
        assert heard(wanted) == []
    assert heard(desk.stranger) == []


async def test_what_a_stranger_reports_counts_for_nothing(desk: Desk) -> None:
    desk.start()
    report = struct.pack("!BBHI", 0x80, 201, 1, 9)
    for port in (desk.stream.port, desk.stream.port + 1):
        desk.stranger.sendto(report, (HERE, port))
        desk.peer.sendto(report, (HERE, port))
    await desk.until(lambda: desk.report().rtcp_packets == 2)
    await asyncio.sleep(0.1)
    assert (desk.report().rtcp_packets, desk.report().rtcp_errors) == (2, 0)


def test_a_pair_of_ports_needs_both() -> None:
    ports = RtpPorts(HERE, 27_000, 27_003)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HERE, 27_001))
        for _ in range(2):
            rtp, rtcp = ports.bind_pair()
            with rtp, rtcp:
                assert (rtp.getsockname()[1], rtcp.getsockname()[1]) == (27_002, 27_003)
                with pytest.raises(OSError, match="every RTP port is taken"):
                    ports.bind_pair()


async def test_members_are_spread_over_the_tick_and_each_is_called_once() -> None:
    ticker = Ticker()
    turns: dict[int, list[int]] = {number: [] for number in range(2 * SLOTS)}
    members = [lambda n=number: turns[n].append(ticker.now_ns) for number in turns]
    for member in [*members, *members]:
        ticker.add(member)
    await asyncio.sleep(0.5)
    for member in members:
        ticker.discard(member)
        ticker.discard(member)
    assert all(3 <= len(called) <= 26 for called in turns.values())
    assert len({called[0] for called in turns.values()}) == SLOTS, "each turn has two"


async def test_a_member_may_leave_in_its_turn() -> None:
    ticker, called = Ticker(), []

    def once() -> None:
        called.append(1)
        ticker.discard(once)

    ticker.add(once)
    await asyncio.sleep(0.1)
    assert called == [1]
