"""Writes datagrams as a classic pcap file (draft-ietf-opsawg-pcap), pure.

Little-endian, microseconds, link type RAW (101): each record is an IP packet, so no link layer
is made up. The IP and UDP headers are rebuilt from the addresses, with right checksums; the
packets were never captured, so their time to live and identification are ours.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

MEDIA_TYPE: Final = "application/vnd.tcpdump.pcap"
"""The file's media type."""

PAYLOAD_BYTES_MAX: Final = 65_507
"""The longest UDP payload an IPv4 packet can hold: 65,535 less 20 for IP and 8 for UDP."""

_MAGIC: Final = 0xA1B2C3D4
_SNAPLEN: Final = 262_144
_LINKTYPE_RAW: Final = 101
_UDP: Final = 17
_HOPS: Final = 64
_DONT_FRAGMENT: Final = 0x4000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Address = IPv4Address | IPv6Address


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
    """One UDP datagram; a payload over `PAYLOAD_BYTES_MAX` is cut, for no wire carries it."""

    at: datetime
    source: Endpoint
    destination: Endpoint
    payload: bytes


def file_header() -> bytes:
    """Return the 24 bytes that begin the file."""
    return struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, _SNAPLEN, _LINKTYPE_RAW)


def record(datagram: Datagram, identification: int) -> bytes:
    """Return one datagram as a record: its header, then the IP packet.

    `identification` is the IPv4 header's; any number, its low 16 bits count.
    """
    packet = _packet(datagram, identification)
    elapsed = datagram.at - _EPOCH
    seconds = elapsed.days * 86_400 + elapsed.seconds
    length = len(packet)
    return struct.pack("<IIII", seconds, elapsed.microseconds, length, length) + packet


def _packet(datagram: Datagram, identification: int) -> bytes:
    source, destination = _same_family(datagram.source.ip, datagram.destination.ip)
    payload = datagram.payload[:PAYLOAD_BYTES_MAX]
    ports = (datagram.source.port, datagram.destination.port)
    udp = _udp(source, destination, ports, payload)
    if isinstance(source, IPv4Address):
        return _ipv4_header(source, destination, len(udp), identification) + udp
    # RFC 8200 section 3: version 6, no traffic class, no flow label.
    header = struct.pack("!IHBB", 6 << 28, len(udp), _UDP, _HOPS)
    return header + source.packed + destination.packed + udp


def _same_family(source: Address, destination: Address) -> tuple[Address, Address]:
    if source.version == destination.version:
        return source, destination
    # A socket of both families names an IPv4 peer by its mapped address (RFC 4291 2.5.5.2).
    return _mapped(source), _mapped(destination)


def _mapped(address: Address) -> IPv6Address:
    if isinstance(address, IPv6Address):
        return address
    return IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)


def _ipv4_header(source: Address, destination: Address, length: int, identification: int) -> bytes:
    """Return an IPv4 header without options (RFC 791 section 3.1)."""
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, identification & 0xFFFF,
                       _DONT_FRAGMENT, _HOPS, _UDP)  # fmt: skip
    addresses = source.packed + destination.packed
    return head + struct.pack("!H", checksum(head + b"\0\0" + addresses)) + addresses


def _udp(source: Address, destination: Address, ports: tuple[int, int], payload: bytes) -> bytes:
    """Return a UDP datagram (RFC 768; for IPv6 the pseudo-header of RFC 8200 section 8.1)."""
    length = 8 + len(payload)
    if source.version == 4:
        pseudo = source.packed + destination.packed + struct.pack("!BBH", 0, _UDP, length)
    else:
        pseudo = source.packed + destination.packed + struct.pack("!II", length, _UDP)
    head = struct.pack("!HHH", *ports, length)
    # A computed zero is sent as all ones: zero on the wire says that there is no checksum.
    total = checksum(pseudo + head + b"\0\0" + payload) or 0xFFFF
    return head + struct.pack("!H", total) + payload


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    # 2**16 is 1 modulo 65535, so the one's complement sum is the remainder of the whole number.
    total = int.from_bytes(data, "big") % 0xFFFF
    if total == 0 and any(data):
        total = 0xFFFF
    return ~total & 0xFFFF
