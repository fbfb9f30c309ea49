"""RTCP packets (RFC 3550 section 6), read and written; pure.

A compound packet of ours is a sender's or receiver's report, a CNAME, and at the end a BYE.
Of a peer's, reports, CNAME and BYE are read, and other kinds skipped.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
GOODBYE: Final = 203

BLOCKS_MAX: Final = 31
"""Report blocks of one report: its count has five bits."""

_VERSION: Final = 2 << 6
_PADDING: Final = 0x20
_CNAME: Final = 1
_NTP_EPOCH_S: Final = 2_208_988_800  # From 1900 to 1970.
_HEADER: Final = struct.Struct("!BBH")
_SENDER: Final = struct.Struct("!QIII")
_BLOCK: Final = struct.Struct("!IIIIII")


class RtcpMalformed(ValueError):
    """The packet is no compound RTCP packet (RFC 3550 appendix A.2)."""


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """How far a sender is (section 6.4.1)."""

    ntp: int
    """64 bits: seconds since 1900 and their fraction."""
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one source (section 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Since the report before, in 256ths."""
    lost: int
    highest: int
    """The extended highest sequence number."""
    jitter: int
    """In timestamp units."""
    last_report: int
    """The middle 32 bits of the last sender report's time; 0 when there was none."""
    delay: int
    """Since that report came, in 65536ths of a second."""


@dataclass(frozen=True, slots=True)
class Compound:
    """A compound packet, as far as it matters here."""

    ssrc: int
    sender: SenderInfo | None
    blocks: tuple[ReportBlock, ...]
    bye: bool = False


def ntp_of(at_ns: int) -> int:
    """Return a wall-clock time as a 64-bit NTP timestamp (section 4)."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return (seconds + _NTP_EPOCH_S & 0xFFFFFFFF) << 32 | (rest << 32) // 1_000_000_000


def middle(ntp: int) -> int:
    """Return an NTP timestamp's middle 32 bits, in 65536ths of a second."""
    return ntp >> 16 & 0xFFFFFFFF


def write(
    ssrc: int,
    sender: SenderInfo | None,
    blocks: Sequence[ReportBlock],
    cname: bytes,
    *,
    bye: bool = False,
) -> bytes:
    """Return a compound packet; raises `ValueError` for too many blocks or too long a name."""
    if len(blocks) > BLOCKS_MAX or not 0 < len(cname) < 256:
        raise ValueError("An RTCP packet has 31 blocks and a name of 1 to 255 octets at most.")
    body = struct.pack("!I", ssrc)
    if sender is not None:
        body += _SENDER.pack(sender.ntp, sender.timestamp, sender.packets, sender.octets)
    body += b"".join(_written_block(block) for block in blocks)
    kind = RECEIVER_REPORT if sender is None else SENDER_REPORT
    chunk = struct.pack("!IBB", ssrc, _CNAME, len(cname)) + cname
    # A chunk ends with at least one null octet, at a 32-bit boundary (section 6.5).
    chunk += bytes(4 - len(chunk) % 4)
    packet = _written(kind, len(blocks), body) + _written(SOURCE_DESCRIPTION, 1, chunk)
    return packet + _written(GOODBYE, 1, struct.pack("!I", ssrc)) if bye else packet


def _written(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(_VERSION | count, kind, len(body) // 4) + body


def _written_block(block: ReportBlock) -> bytes:
    lost = max(-0x800000, min(0x7FFFFF, block.lost)) & 0xFFFFFF  # 24 bits, signed
    return _BLOCK.pack(
        block.ssrc,
        block.fraction_lost << 24 | lost,
        block.highest & 0xFFFFFFFF,
        block.jitter & 0xFFFFFFFF,
        block.last_report,
        min(block.delay, 0xFFFFFFFF),
    )


def read(packet: bytes) -> Compound:
    """Read a compound packet; raises RtcpMalformed when it breaks the rules of A.2.

    The first part is a report, each has version 2, only the last is padded, the lengths add up.
    """
    found: Compound | None = None
    bye, at = False, 0
    while at < len(packet):
        if len(packet) - at < 4:
            raise RtcpMalformed("An RTCP packet ends within a header.")
        first, kind, words = _HEADER.unpack_from(packet, at)
        end = at + 4 + 4 * words
        padded = bool(first & _PADDING)
        if first & 0xC0 != _VERSION or end > len(packet) or (padded and end < len(packet)):
            raise RtcpMalformed("An RTCP packet has a wrong version, length or padding.")
        body = packet[at + 4 : end - _padding(packet, end, at) if padded else end]
        if kind in {SENDER_REPORT, RECEIVER_REPORT}:
            report = _report(kind, first & 0x1F, body)
            found = report if found is None else _joined(found, report)
        elif found is None:
            raise RtcpMalformed("An RTCP packet does not begin with a report.")
        bye = bye or kind == GOODBYE
        at = end
    if found is None:
        raise RtcpMalformed("An RTCP packet is empty.")
    return Compound(found.ssrc, found.sender, found.blocks, bye)


def _padding(packet: bytes, end: int, begin: int) -> int:
    length = packet[end - 1]
    if not length or length % 4 or length > end - begin - 4:
        raise RtcpMalformed("An RTCP packet's padding is longer than the packet.")
    return length


def _report(kind: int, count: int, body: bytes) -> Compound:
    at = 4 + (_SENDER.size if kind == SENDER_REPORT else 0)
    if len(body) < at + count * _BLOCK.size:
        raise RtcpMalformed("An RTCP report is shorter than its count says.")
    ssrc = int.from_bytes(body[:4], "big")
    sender = SenderInfo(*_SENDER.unpack_from(body, 4)) if kind == SENDER_REPORT else None
    blocks = [_block(body, at + index * _BLOCK.size) for index in range(count)]
    return Compound(ssrc, sender, tuple(blocks))


def _block(body: bytes, at: int) -> ReportBlock:
    ssrc, losses, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, at)
    lost = losses & 0xFFFFFF
    signed = lost - 0x1000000 if lost & 0x800000 else lost
    return ReportBlock(ssrc, losses >> 24, signed, highest, jitter, last_report, delay)


def _joined(before: Compound, more: Compound) -> Compound:
    """A receiver's report may follow when 31 blocks do not suffice (section 6.1)."""
    return Compound(before.ssrc, before.sender or more.sender, before.blocks + more.blocks)
