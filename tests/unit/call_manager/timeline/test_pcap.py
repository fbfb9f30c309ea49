"""The pcap file is read by tshark, which we did not write."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.timeline.pcap import (
    PAYLOAD_BYTES_MAX,
    Datagram,
    Endpoint,
    checksum,
    file_header,
    record,
)

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def a_message(method: str, size: int = 0) -> bytes:
    head = (
        f"{method} sip:+15550100@carrier.example SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
        "From: <sip:a@mesh.example>;tag=1\r\nTo: <sip:+15550100@carrier.example>\r\n"
        f"Call-ID: 1\r\nCSeq: 1 {method}\r\nContent-Length: {size}\r\n\r\n"
    )
    return head.encode() + b"x" * size


def a_datagram(source: str, destination: str, payload: bytes) -> Datagram:
    return Datagram(AT, Endpoint.parse(source), Endpoint.parse(destination), payload)


def tshark(path: Path, *datagrams: Datagram, fields: tuple[str, ...]) -> list[list[str]]:
    content = b"".join(record(one, number) for number, one in enumerate(datagrams, 1))
    path.write_bytes(file_header() + content)
    checks = [
        argument
        for name in ("ip.check_checksum", "udp.check_checksum")
        for argument in ("-o", f"{name}:TRUE")
    ]
    wanted = [argument for field in fields for argument in ("-e", field)]
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), *checks, "-T", "fields", *wanted],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        ("192.0.2.1:5060", "198.51.100.7:5062", ("192.0.2.1", "198.51.100.7")),
        # A high port: the reader has to see that it is SIP by itself.
        ("127.0.0.1:41234", "127.0.0.1:51234", ("127.0.0.1", "127.0.0.1")),
    ],
)
def test_tshark_reads_every_message_of_an_ipv4_dialog(
    tmp_path: Path, source: str, destination: str, expected: tuple[str, str]
) -> None:
    rows = tshark(
        tmp_path / "call.pcap",
        a_datagram(source, destination, a_message("INVITE", 1200)),
        a_datagram(source, destination, a_message("ACK")),
        a_datagram(source, destination, a_message("BYE", 1)),
        fields=("sip.Method", "ip.src", "ip.dst", "ip.checksum.status", "udp.checksum.status"),
    )
    assert [row[0] for row in rows] == ["INVITE", "ACK", "BYE"]
    assert all((row[1], row[2]) == expected for row in rows)
    assert {(row[3], row[4]) for row in rows} == {("1", "1")}, "a checksum is wrong"


def test_tshark_reads_ipv6_and_the_time_to_the_microsecond(tmp_path: Path) -> None:
    rows = tshark(
        tmp_path / "call.pcap",
        a_datagram("[2001:db8::1]:5060", "[2001:db8::2%eth0]:5060", a_message("INVITE")),
        fields=("sip.Method", "ipv6.src", "ipv6.dst", "udp.checksum.status", "frame.time_epoch"),
    )
    method, source, destination, status, moment = rows[0]
    assert (method, source, destination) == ("INVITE", "2001:db8::1", "2001:db8::2")
    assert status == "1", "the checksum is wrong"
    assert moment.startswith(("1767323045.678901", "2026-01-02T03:04:05.678901"))


def test_the_longest_datagram_is_kept_whole_and_a_longer_one_is_cut(tmp_path: Path) -> None:
    longest = a_datagram("127.0.0.1:5060", "127.0.0.1:5060", b"x" * PAYLOAD_BYTES_MAX)
    longer = a_datagram("127.0.0.1:5060", "127.0.0.1:5060", b"x" * (PAYLOAD_BYTES_MAX + 100))
    rows = tshark(
        tmp_path / "call.pcap", longest, longer, fields=("udp.length", "udp.checksum.status")
    )
    assert rows == [["65515", "1"], ["65515", "1"]]


def test_mixed_families_are_written_as_ipv6_with_a_mapped_address(tmp_path: Path) -> None:
    rows = tshark(
        tmp_path / "call.pcap",
        a_datagram("192.0.2.1:5060", "[2001:db8::2]:5060", a_message("INVITE")),
        fields=("sip.Method", "ipv6.src", "ipv6.dst"),
    )
    assert rows == [["INVITE", "::ffff:192.0.2.1", "2001:db8::2"]]


@pytest.mark.parametrize("text", ["192.0.2.1", "host:5060", "192.0.2.1:70000", "192.0.2.1:x", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Endpoint.parse(text)


def test_an_address_is_read() -> None:
    assert Endpoint.parse("[::1]:5060") == Endpoint(ip_address("::1"), 5060)


def plain_checksum(data: bytes) -> int:
    """The sum as RFC 1071 section 4.1 writes it."""
    total = 0
    for index in range(0, len(data) - 1, 2):
        total += data[index] << 8 | data[index + 1]
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@given(st.binary(max_size=200))
def test_the_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    assert checksum(data) == plain_checksum(data)
