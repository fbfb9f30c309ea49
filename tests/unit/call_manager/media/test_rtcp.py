"""RTCP: what we write is read by tshark, what anybody writes is read by us or counted."""

from __future__ import annotations

import struct
import subprocess
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.media import rtcp
from call_manager.media.rtcp import ReportBlock, RtcpMalformed, SenderInfo
from call_manager.media.rtcp_session import INTERVAL_S, RtcpSession, Sent, interval_s
from call_manager.timeline.pcap import Datagram, Endpoint, file_header, record

NS = 1_000_000_000
T0 = 1_800_000_000 * NS
BLOCK = ReportBlock(0x22222222, 12, 34, 70_000, 56, 0x11223344, 65_536)
SENDER = SenderInfo(rtcp.ntp_of(T0), 123_456, 500, 80_000)


@pytest.mark.parametrize("sender", [SENDER, None])
@pytest.mark.parametrize("blocks", [(), (BLOCK,), (BLOCK,) * 31])
@pytest.mark.parametrize("bye", [True, False])
def test_what_is_written_is_read_back(
    sender: SenderInfo | None, blocks: tuple[ReportBlock, ...], bye: bool
) -> None:
    packet = rtcp.write(0x11111111, sender, blocks, b"name", bye=bye)
    read = rtcp.read(packet)
    assert (read.ssrc, read.sender, read.blocks, read.bye) == (0x11111111, sender, blocks, bye)


@pytest.mark.parametrize("length", range(1, 9))
def test_a_name_of_any_length_is_well_ended(length: int) -> None:
    packet = rtcp.write(1, None, (), b"n" * length, bye=True)
    assert len(packet) % 4 == 0
    assert rtcp.read(packet).bye


def test_a_name_or_blocks_that_do_not_fit_are_refused() -> None:
    for cname, blocks in ((b"", ()), (b"n" * 256, ()), (b"n", (BLOCK,) * 32)):
        with pytest.raises(ValueError, match="31 blocks"):
            rtcp.write(1, None, blocks, cname)


def test_more_was_received_than_expected_is_a_negative_loss() -> None:
    block = ReportBlock(1, 0, -3, 9, 0, 0, 0)
    assert rtcp.read(rtcp.write(2, None, (block,), b"n")).blocks == (block,)


def test_tshark_reads_every_part(tmp_path: Path) -> None:
    path = tmp_path / "rtcp.pcap"
    packet = rtcp.write(0x11111111, SENDER, (BLOCK,), b"name", bye=True)
    ours, theirs = (Endpoint(ip_address("192.0.2.1"), port) for port in (20_001, 30_001))
    path.write_bytes(file_header() + record(Datagram(datetime.now(UTC), ours, theirs, packet), 1))
    fields = ("pt", "ssrc.fraction", "ssrc.cum_nr", "ssrc.high_seq", "sender.packetcount")
    wanted = [word for field in fields for word in ("-e", f"rtcp.{field}")]
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-d", "udp.port==20001,rtcp", "-T", "fields", *wanted,
         "-e", "rtcp.sdes.text", "-e", "_ws.expert.message", "-e", "rtcp.length_check"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    row = done.stdout.rstrip("\n").split("\t")
    assert row[:5] == ["200,202,203", "12", "34", str(70_000 - 65_536), "500"]
    assert row[5] == "name"
    assert row[6] == ""
    assert row[7] in {"1", "True"}


GOOD = rtcp.write(1, None, (BLOCK,), b"n")


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x80",
        GOOD[:-1],
        GOOD + b"\x81",
        b"\x40" + GOOD[1:],  # another version
        b"\x9f" + GOOD[1:],  # 31 blocks in the room of one
        GOOD[32:],  # begins with a name
        b"\xa1" + GOOD[1:],  # the first part is padded, but not the last
        struct.pack("!BBHI", 0xA0, 201, 1, 0),  # a padding of nothing
        struct.pack("!BBHI", 0xA0, 201, 1, 8),  # longer than the packet
        struct.pack("!BBH", 0x80, 200, 0),
    ],
)
def test_what_breaks_the_rules_is_refused(packet: bytes) -> None:
    with pytest.raises(RtcpMalformed):
        rtcp.read(packet)


@given(st.binary(max_size=120))
def test_no_packet_breaks_the_reader(packet: bytes) -> None:
    try:
        rtcp.read(packet)
    except RtcpMalformed:
        return


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_no_changed_octet_breaks_the_reader(at: int, octet: int) -> None:
    try:
        rtcp.read(GOOD[:at] + bytes([octet]) + GOOD[at + 1 :])
    except RtcpMalformed:
        return


class Line:
    """Two sessions that hear each other, `delay_ns` apart."""

    def __init__(self, delay_ns: int = 30_000_000) -> None:
        self.delay_ns = delay_ns
        self.books = [Sent(), Sent()]
        self.ends = [RtcpSession(index + 1, self.books[index]) for index in (0, 1)]

    def talk(self, sender: int, sequences: range, at_ns: int, lost: frozenset[int]) -> None:
        sent = self.books[sender]
        if not sent.packets:
            sent.first_ns, sent.first_sequence = at_ns, sequences[0]
        for index, sequence in enumerate(sequences):
            sent.packets += 1
            sent.last_ns = at_ns + index * NS // 50
            if sequence not in lost:
                fields = (0x80, 0, sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, sender + 1)
                self.ends[1 - sender].reception.note(fields, 160, sent.last_ns + self.delay_ns)

    def report(self, sender: int, at_ns: int) -> None:
        packet = self.ends[sender].report(at_ns, 0)
        self.ends[1 - sender].take(packet, at_ns + self.delay_ns)


def test_both_sides_learn_of_loss_and_of_the_round_trip() -> None:
    line = Line()
    line.talk(0, range(65_500, 65_750), T0, frozenset(range(65_600, 65_610)))
    line.report(0, T0 + 5 * NS)
    assert line.ends[1].arrived is None, "nothing of the other's could have been reported"
    line.report(1, T0 + 6 * NS)
    near = line.ends[0]
    assert (near.arrived, near.lost) == (240, 10)
    assert near.rtt_ms == pytest.approx(60, abs=0.1)
    line.report(0, T0 + 7 * NS)
    assert line.ends[1].rtt_ms is None, "who sends nothing sends no sender's report"
    assert (near.packets, near.errors) == (1, 0)


def test_a_peer_that_hears_nothing_says_so_by_saying_nothing_of_us() -> None:
    line = Line()
    line.talk(0, range(250), T0, frozenset(range(250)))
    line.report(1, T0 + NS)
    assert line.ends[0].arrived is None, "too early: it may not have come yet"
    line.report(1, T0 + 5 * NS)
    assert line.ends[0].arrived == 0


def test_audio_that_stops_arriving_is_seen_in_the_reports() -> None:
    line = Line()
    line.talk(0, range(250), T0, frozenset())
    line.report(1, T0 + 5 * NS)
    line.talk(0, range(250, 750), T0 + 5 * NS, frozenset(range(250, 750)))
    line.report(1, T0 + 15 * NS)
    assert line.ends[0].stalled_ns == pytest.approx(10 * NS, rel=0.05)
    assert line.ends[0].arrived == 250


def test_a_broken_report_is_counted_and_changes_nothing() -> None:
    session = RtcpSession(1, Sent())
    session.take(b"nonsense", T0)
    assert (session.packets, session.octets, session.errors) == (1, 8, 1)
    assert session.arrived is None


def test_a_clock_that_runs_backwards_makes_no_round_trip_of_hours() -> None:
    session = RtcpSession(1, Sent(packets=5, first_ns=T0))
    middle = rtcp.middle(rtcp.ntp_of(T0))
    for delay in (65_536, 0):
        block = ReportBlock(1, 0, 0, 4, 0, middle, delay)
        session.take(rtcp.write(2, None, (block,), b"n"), T0)
    assert session.rtt_ms == 0
    block = ReportBlock(1, 0, 0, 4, 0, (middle - 65_536 * 4000) & 0xFFFFFFFF, 0)
    session.take(rtcp.write(2, None, (block,), b"n"), T0)
    assert session.rtt_ms == 0, "an hour is no round trip"


def test_reports_come_every_five_seconds_on_average_and_never_in_step() -> None:
    assert interval_s(lambda: 0.0, first=False) == pytest.approx(2.05, abs=0.01)
    assert interval_s(lambda: 1.0, first=False) == pytest.approx(6.16, abs=0.01)
    assert interval_s(lambda: 1.0, first=True) == pytest.approx(3.08, abs=0.01)
    assert INTERVAL_S == 5.0
