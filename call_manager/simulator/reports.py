"""What the carrier says of a call's audio over RTCP (RFC 3550 section 6.4)."""

from __future__ import annotations

import secrets
import socket
import time
from dataclasses import dataclass
from typing import Final

from call_manager.media import rtcp
from call_manager.media.ticker import TICK_S

FIRST_S: Final = 2.5
EVERY_S: Final = 5.0
"""Between reports; a single call needs no randomness to keep two members apart."""

_FIRST_TICK: Final = round(FIRST_S / TICK_S)
_TICKS: Final = round(EVERY_S / TICK_S)
_PACKET_MAX: Final = 2048
_READS_MAX: Final = 8
_UNITS: Final = 65_536  # Of a delay, in a second.


@dataclass(slots=True)
class Heard:
    """What came from the caller."""

    ssrc: int = 0
    received: int = 0
    lost: int = 0
    highest: int = 0
    """The highest sequence number, with its cycles above 16 bits."""


@dataclass(slots=True)
class Said:
    """What went to the caller."""

    ssrc: int
    packets: int = 0
    octets: int = 0
    timestamp: int = 0


class Reports:
    """The reports of one call, from a socket of their own, which it closes."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._name = secrets.token_urlsafe(12).encode()
        self._ticks = 0
        self._before = Heard()
        self._last_report = self._last_report_ns = 0

    def tick(self, said: Said, heard: Heard, to: tuple[str, int]) -> None:
        """Send a report when one is due; `to` is where the caller's RTP is received."""
        self._ticks += 1
        if self._ticks < _FIRST_TICK or (self._ticks - _FIRST_TICK) % _TICKS:
            return
        self._read()
        now_ns = time.time_ns()
        sender = None
        if said.packets:
            ntp = rtcp.ntp_of(now_ns)
            sender = rtcp.SenderInfo(ntp, said.timestamp, said.packets, said.octets)
        blocks = [self._block(heard, now_ns)] if heard.received > self._before.received else []
        self._before = Heard(heard.ssrc, heard.received, heard.lost, heard.highest)
        report = rtcp.write(said.ssrc, sender, blocks, self._name)
        try:
            self._socket.sendto(report, (to[0], to[1] + 1))
        except OSError:
            return  # As with audio: what the network does not take is lost.

    def close(self) -> None:
        """Free the port."""
        self._socket.close()

    def _block(self, heard: Heard, now_ns: int) -> rtcp.ReportBlock:
        before = self._before
        lost = max(0, heard.lost - before.lost)
        expected = heard.received - before.received + lost
        delay = (now_ns - self._last_report_ns) * _UNITS // 1_000_000_000
        return rtcp.ReportBlock(
            ssrc=heard.ssrc,
            fraction_lost=min(255, 256 * lost // expected),
            lost=heard.lost,
            highest=heard.highest,
            jitter=0,
            last_report=self._last_report,
            delay=max(0, delay) if self._last_report else 0,
        )

    def _read(self) -> None:
        """Note when the caller's newest sender report left, which tells it the round trip."""
        for _ in range(_READS_MAX):
            try:
                compound = rtcp.read(self._socket.recv(_PACKET_MAX))
            except BlockingIOError:
                return
            except (OSError, rtcp.RtcpMalformed):
                continue
            if compound.sender is not None:
                self._last_report = rtcp.middle(compound.sender.ntp)
                self._last_report_ns = time.time_ns()
