"""Captured RTP and RTCP packets in chunks, written and read.

A chunk is `R`, its version, the time of its first packet (nanoseconds since 1970, 64 bits), the
addresses in it (a count; of each 4 or 6, the IP address, the port), and a zlib stream of packets:
microseconds since the chunk's time (32 bits), kind, index of source and of destination (8 bits
each), length (16 bits), the packet. Numbers are in network byte order.
"""

from __future__ import annotations

import ipaddress
import logging
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

Address = tuple[str, int]
"""An IP address without brackets, and a port."""

VERSION: Final = 1
CHUNK_BYTES_MAX: Final = 256 * 1024
"""A leg that is flooded hands its packets over before they are this many bytes."""

_MAGIC: Final = b"R"
_HEAD: Final = struct.Struct("!cBQB")
_PACKET: Final = struct.Struct("!IBBBH")
_SENT: Final = 1
_RTCP: Final = 2
_ADDRESSES_MAX: Final = 255
_COMPRESSION: Final = 1  # Silence shrinks to nothing at any level; speech at none.
_INFLATED_MAX: Final = 4 * CHUNK_BYTES_MAX

log = logging.getLogger(__name__)


class CaptureUnreadable(ValueError):
    """The chunk is none, or of a version that is not known."""


@dataclass(frozen=True, slots=True)
class CaptureLimits:
    """What is kept of one leg."""

    packets: int = 200_000
    """Both ways; over half an hour of a call."""
    octets: int = 16 * 1024 * 1024
    """Of packets, before they are made smaller."""


class CapturedPacket(NamedTuple):
    """One RTP or RTCP packet."""

    at_ns: int
    """Nanoseconds since 1970, to the microsecond."""
    sent: bool
    rtcp: bool
    source: Address
    destination: Address
    data: bytes


class Capture:
    """Takes one leg's packets, and hands them over in chunks when told to."""

    def __init__(self, host: str, limits: CaptureLimits, write: Callable[[bytes], None]) -> None:
        """Keep what `limits` allow; `host` is our own IP address, as the peer knows it."""
        self.host = host
        self.full = False
        """Whether more came than the limits allow."""
        self._limits = limits
        self._write = write
        self._packets_left = limits.packets
        self._octets_left = limits.octets
        self._pending: list[CapturedPacket] = []
        self._pending_octets = 0

    def take(self, packet: CapturedPacket) -> None:
        """Keep one packet, unless the limits are reached."""
        if self.full:
            return
        size = len(packet.data)
        self._packets_left -= 1
        self._octets_left -= size
        if self._packets_left < 0 or self._octets_left < 0:
            self.full = True
            log.warning("a leg's capture is full; no more of its audio is kept")
            return
        if self._pending_octets + size > CHUNK_BYTES_MAX:
            self.flush()
        self._pending.append(packet)
        self._pending_octets += size

    def flush(self) -> None:
        """Hand over what waits."""
        pending, self._pending, self._pending_octets = self._pending, [], 0
        if not pending:
            return
        try:
            for chunk in write(pending):
                self._write(chunk)
        except Exception:
            # What is heard matters more than what is kept of it.
            log.exception("a leg's captured audio could not be handed over")


def write(packets: list[CapturedPacket]) -> list[bytes]:
    """Return chunks of the packets, ordered by time."""
    ordered = sorted(packets, key=lambda packet: packet.at_ns)
    chunks, begin = [], 0
    places: dict[Address, int] = {}
    for index, packet in enumerate(ordered):
        fresh = {packet.source, packet.destination} - places.keys()
        late = packet.at_ns - ordered[begin].at_ns >= 2**32 * 1000
        if late or len(places) + len(fresh) > _ADDRESSES_MAX:
            chunks.append(_chunk(ordered[begin:index], places))
            begin, places = index, {}
        for address in (packet.source, packet.destination):
            places.setdefault(address, len(places))
    return [*chunks, _chunk(ordered[begin:], places)] if ordered else []


def _chunk(packets: list[CapturedPacket], places: dict[Address, int]) -> bytes:
    base_ns = packets[0].at_ns
    parts = []
    for packet in packets:
        kind = (_SENT if packet.sent else 0) | (_RTCP if packet.rtcp else 0)
        ends = (places[packet.source], places[packet.destination])
        since_us = (packet.at_ns - base_ns) // 1000
        parts.append(_PACKET.pack(since_us, kind, *ends, len(packet.data)))
        parts.append(packet.data)
    head = _HEAD.pack(_MAGIC, VERSION, base_ns, len(places))
    addresses = b"".join(_written(address) for address in places)
    return head + addresses + zlib.compress(b"".join(parts), _COMPRESSION)


def _written(address: Address) -> bytes:
    host = ipaddress.ip_address(address[0].partition("%")[0])
    return bytes([host.version]) + host.packed + address[1].to_bytes(2, "big")


def read(chunk: bytes) -> list[CapturedPacket]:
    """Return a chunk's packets, ordered by time; raises CaptureUnreadable."""
    try:
        magic, version, base_ns, count = _HEAD.unpack_from(chunk)
        if (magic, version) != (_MAGIC, VERSION):
            raise CaptureUnreadable(f"Captured audio of version {version} is not known here.")
        addresses, at = _addresses(chunk, _HEAD.size, count)
        inflating = zlib.decompressobj()
        body = inflating.decompress(chunk[at:], _INFLATED_MAX)
        if not inflating.eof:
            raise CaptureUnreadable("A chunk of captured audio is cut, or too long.")
        return _packets(body, base_ns, addresses)
    except CaptureUnreadable:
        raise
    except (struct.error, zlib.error, IndexError, ValueError) as error:
        raise CaptureUnreadable(f"A chunk of captured audio is broken: {error}.") from error


def _addresses(chunk: bytes, at: int, count: int) -> tuple[list[Address], int]:
    found: list[Address] = []
    for _ in range(count):
        size = 4 if chunk[at] == 4 else 16
        host = ipaddress.ip_address(chunk[at + 1 : at + 1 + size])
        at += 1 + size
        found.append((str(host), int.from_bytes(chunk[at : at + 2], "big")))
        at += 2
    return found, at


def _packets(body: bytes, base_ns: int, addresses: list[Address]) -> list[CapturedPacket]:
    found, at = [], 0
    while at < len(body):
        since_us, kind, source, destination, length = _PACKET.unpack_from(body, at)
        at += _PACKET.size
        data = body[at : at + length]
        at += length
        found.append(
            CapturedPacket(
                at_ns=base_ns + since_us * 1000,
                sent=bool(kind & _SENT),
                rtcp=bool(kind & _RTCP),
                source=addresses[source],
                destination=addresses[destination],
                data=data,
            )
        )
    return found
