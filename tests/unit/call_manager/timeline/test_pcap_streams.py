"""Messages over TCP and TLS are written so that tshark reads each and complains of none."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from call_manager.timeline.ordering import HELD_BACK, in_order, merged
from call_manager.timeline.pcap import Datagram, Endpoint, Recorder, file_header
from call_manager.timeline.segments import ACK, SEGMENT_BYTES_MAX, SYN, Connections

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
SEVERITY = "_ws.expert.severity"
CHAT = str(0x00200000)
"""What tshark calls a handshake; everything above is a complaint."""


def a_message(method: str, size: int = 0) -> bytes:
    head = (
        f"{method} sip:+15550100@carrier.example SIP/2.0\r\n"
        "Via: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1\r\n"
        "From: <sip:a@mesh.example>;tag=1\r\nTo: <sip:+15550100@carrier.example>\r\n"
        f"Call-ID: 1\r\nCSeq: 1 {method}\r\nContent-Length: {size}\r\n\r\n"
    )
    return head.encode() + b"x" * size


def over_tcp(source: str, destination: str, payload: bytes) -> Datagram:
    ends = (Endpoint.parse(source), Endpoint.parse(destination))
    return Datagram(AT, *ends, payload, stream=True)


def tshark(path: Path, *arguments: str) -> list[str]:
    checks = [
        *("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"),
        *("-o", "udp.check_checksum:TRUE"),
    ]
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), *checks, *arguments],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def fields(*names: str) -> list[str]:
    return ["-T", "fields", *(word for name in names for word in ("-e", name))]


def write(path: Path, datagrams: Sequence[Datagram]) -> None:
    recorder = Recorder()
    path.write_bytes(file_header() + b"".join(recorder.records(one) for one in datagrams))


@pytest.mark.parametrize("ours", ["192.0.2.1:41234", "[2001:db8::1]:41234"])
@pytest.mark.parametrize("port", [5060, 5061, 443, 51_234])
def test_a_dialog_over_a_connection_is_read_whole(tmp_path: Path, ours: str, port: int) -> None:
    """5061 and 443 are TLS' ports: what is not encrypted there is read as SIP all the same."""
    theirs = f"[2001:db8::2]:{port}" if "[" in ours else f"198.51.100.7:{port}"
    path = tmp_path / "call.pcap"
    answer = b"SIP/2.0 200 OK\r\n" + a_message("INVITE").partition(b"\r\n")[2]
    messages = [
        over_tcp(ours, theirs, a_message("INVITE", 2000)),
        over_tcp(theirs, ours, answer),
        over_tcp(ours, theirs, a_message("ACK")),
        # A request of the carrier's comes on a connection of its own.
        over_tcp(theirs.replace(str(port), "40000"), ours, a_message("BYE")),
    ]
    write(path, messages)
    names = ("sip.Method", "sip.Status-Code", "tcp.flags.syn", "tcp.flags.ack", SEVERITY)
    rows = [line.split("\t") for line in tshark(path, *fields(*names))]
    assert [row[0] + row[1] for row in rows if row[0] or row[1]] == ["INVITE", "200", "ACK", "BYE"]
    assert [row[2:4] for row in rows].count(["1", "0"]) == 2, "two handshakes"
    assert {row[4] for row in rows} <= {"", CHAT}


def test_a_message_longer_than_a_packet_is_put_together_again(tmp_path: Path) -> None:
    path = tmp_path / "call.pcap"
    long = a_message("INVITE", SEGMENT_BYTES_MAX + 1000)
    write(path, [over_tcp("192.0.2.1:1000", "192.0.2.2:5060", long)])
    rows = [line.split("\t") for line in tshark(path, *fields("sip.Method", SEVERITY))]
    assert [row[0] for row in rows if row[0]] == ["INVITE"]
    assert {row[1] for row in rows} <= {"", CHAT}


def test_every_octet_is_numbered_and_acknowledged() -> None:
    connections = Connections()
    near, far = (ip_address("192.0.2.1"), 1), (ip_address("192.0.2.2"), 2)
    segments = [*connections.carry(near, far, b"12345"), *connections.carry(far, near, b"123")]
    shown = [(s.source == near, s.sequence, s.acknowledged, len(s.payload)) for s in segments]
    assert shown == [
        *((True, 0, 0, 0), (False, 0, 1, 0), (True, 1, 1, 0)),
        *((True, 1, 1, 5), (False, 1, 6, 0)),
        *((False, 1, 6, 3), (True, 6, 4, 0)),
    ]
    assert [s.flags for s in segments[:3]] == [SYN, SYN | ACK, ACK]


def at(seconds: float) -> Datagram:
    moment = AT + timedelta(seconds=seconds)
    return Datagram(moment, Endpoint.parse("192.0.2.1:1"), Endpoint.parse("192.0.2.1:2"), b"")


async def of(*seconds: float) -> AsyncGenerator[Datagram, None]:
    for one in seconds:
        yield at(one)


async def times(source: AsyncGenerator[Datagram, None]) -> list[float]:
    return [(one.at - AT).total_seconds() async for one in source]


async def test_what_was_stored_late_is_put_where_it_belongs() -> None:
    assert await times(in_order(of(0, 1, 0.5, 2, 1.9, 9, 8.8, 20))) == [
        *(0, 0.5, 1, 1.9, 2, 8.8, 9, 20),
    ]
    assert await times(in_order(of())) == []


async def test_what_comes_far_too_late_is_not_lost() -> None:
    late = HELD_BACK.total_seconds() + 1
    assert sorted(await times(in_order(of(0, late, late * 2, 1)))) == [0, 1, late, late * 2]


async def test_two_kinds_of_packets_are_read_as_one() -> None:
    assert await times(merged(of(0, 2, 4), of(1, 2, 3, 9))) == [0, 1, 2, 2, 3, 4, 9]
    assert await times(merged(of(), of(1))) == [1]
    assert await times(merged(of(1), of())) == [1]
