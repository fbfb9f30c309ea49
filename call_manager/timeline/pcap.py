"""Writes datagrams and messages as a classic pcap file (draft-ietf-opsawg-pcap), pure.

Little-endian, microseconds, link type RAW (101): each record is an IP packet, so no link layer
is made up. The headers are rebuilt from the addresses, with right checksums; the packets were
never captured, so their time to live and identification are ours, as are TCP's segments.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from call_manager.timeline.segments import Address, Connections, Segment

MEDIA_TYPE: Final = "application/vnd.tcpdump.pcap"
"""The file's media type."""

PAYLOAD_BYTES_MAX: Final = 65_507
"""The longest UDP payload an IPv4 packet can hold: 65,535 less 20 for IP and 8 for UDP."""

_MAGIC: Final = 0xA1B2C3D4
_SNAPLEN: Final = 262_144
_LINKTYPE_RAW: Final = 101
_TCP: Final = 6
_UDP: Final = 17
_WINDOW: Final = 65_535
_HOPS: Final = 64
_DONT_FRAGMENT: Final = 0x4000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a datagram."""

    ip: Address
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read `host:port`, an IPv6 host in brackets.

        Raises ValueError when the host is no IP address or the port no number up to 65535.
        """
        host, _, port = text.rpartition(":")
        number = int(port)
        if not 0 <= number <= 65_535:
            raise ValueError(f"{port} is no port")
        # A scope belongs to one machine's interfaces and has no place in a packet.
        return cls(ip_address(host.strip("[]").partition("%")[0]), number)


@dataclass(frozen=True, slots=True)
class Datagram:
    """What was sent at once: a UDP datagram, or a message over a connection.

    A datagram's payload over `PAYLOAD_BYTES_MAX` is cut, for no wire carries it.
    """

    at: datetime
    source: Endpoint
    destination: Endpoint
    payload: bytes
    stream: bool = False
    """Whether it went over TCP, or over TLS: then it is written as it was before encryption."""


def file_header() -> bytes:
    """Return the 24 bytes that begin the file."""
    return struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, _SNAPLEN, _LINKTYPE_RAW)


class Recorder:
    """Writes datagrams as records; it remembers the connections that messages went over."""

    def __init__(self) -> None:
        self._count = 0
        self._connections = Connections()

    def records(self, datagram: Datagram) -> bytes:
        """Return the records of one datagram: one, or those of its TCP segments."""
        if not datagram.stream:
            self._count += 1
            return record(datagram, self._count)
        return b"".join(self._segments(datagram))

    def _segments(self, datagram: Datagram) -> Iterator[bytes]:
        source, destination = _same_family(datagram.source.ip, datagram.destination.ip)
        ends = (source, datagram.source.port), (destination, datagram.destination.port)
        for segment in self._connections.carry(*ends, datagram.payload):
            self._count += 1
            body = _tcp(segment)
            packet = _packet(segment.source[0], segment.destination[0], _TCP, body, self._count)
            yield _timed(datagram.at, packet)


def record(datagram: Datagram, identification: int) -> bytes:
    """Return one UDP datagram as a record: its header, then the IP packet.

    `identification` is the IPv4 header's; any number, its low 16 bits count.
    """
    source, destination = _same_family(datagram.source.ip, datagram.destination.ip)
    payload = datagram.payload[:PAYLOAD_BYTES_MAX]
    udp = _udp(source, destination, (datagram.source.port, datagram.destination.port), payload)
    return _timed(datagram.at, _packet(source, destination, _UDP, udp, identification))


def _timed(at: datetime, packet: bytes) -> bytes:
    elapsed = at - _EPOCH
    seconds = elapsed.days * 86_400 + elapsed.seconds
    length = len(packet)
    return struct.pack("<IIII", seconds, elapsed.microseconds, length, length) + packet


def _packet(
    source: Address, destination: Address, protocol: int, body: bytes, identification: int
) -> bytes:
    if isinstance(source, IPv4Address):
        # RFC 791 section 3.1, without options.
        head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(body), identification & 0xFFFF,
                           _DONT_FRAGMENT, _HOPS, protocol)  # fmt: skip
        addresses = source.packed + destination.packed
        total = checksum(head + b"\0\0" + addresses)
        return head + struct.pack("!H", total) + addresses + body
    # RFC 8200 section 3: version 6, no traffic class, no flow label.
    header = struct.pack("!IHBB", 6 << 28, len(body), protocol, _HOPS)
    return header + source.packed + destination.packed + body


def _same_family(source: Address, destination: Address) -> tuple[Address, Address]:
    if source.version == destination.version:
        return source, destination
    # A socket of both families names an IPv4 peer by its mapped address (RFC 4291 2.5.5.2).
    return _mapped(source), _mapped(destination)


def _mapped(address: Address) -> IPv6Address:
    if isinstance(address, IPv6Address):
        return address
    return IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)


def _pseudo(source: Address, destination: Address, protocol: int, length: int) -> bytes:
    """Return what a checksum covers of the IP header (RFC 768; RFC 8200 section 8.1)."""
    ends = source.packed + destination.packed
    if source.version == 4:
        return ends + struct.pack("!BBH", 0, protocol, length)
    return ends + struct.pack("!II", length, protocol)


def _udp(source: Address, destination: Address, ports: tuple[int, int], payload: bytes) -> bytes:
    """Return a UDP datagram (RFC 768)."""
    length = 8 + len(payload)
    head = struct.pack("!HHH", *ports, length)
    pseudo = _pseudo(source, destination, _UDP, length)
    # A computed zero is sent as all ones: zero on the wire says that there is no checksum.
    total = checksum(pseudo + head + b"\0\0" + payload) or 0xFFFF
    return head + struct.pack("!H", total) + payload


def _tcp(segment: Segment) -> bytes:
    """Return a TCP segment without options (RFC 9293 section 3.1)."""
    ports = (segment.source[1], segment.destination[1])
    numbers = (segment.sequence, segment.acknowledged, 5 << 4, segment.flags, _WINDOW)
    head = struct.pack("!HHIIBBH", *ports, *numbers)
    ends = (segment.source[0], segment.destination[0])
    pseudo = _pseudo(*ends, _TCP, 20 + len(segment.payload))
    total = checksum(pseudo + head + bytes(4) + segment.payload)
    return head + struct.pack("!HH", total, 0) + segment.payload


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    # 2**16 is 1 modulo 65535, so the one's complement sum is the remainder of the whole number.
    total = int.from_bytes(data, "big") % 0xFFFF
    if total == 0 and any(data):
        total = 0xFFFF
    return ~total & 0xFFFF
