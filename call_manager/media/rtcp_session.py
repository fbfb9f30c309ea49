"""One stream's RTCP: when reports are due, what they say, and what the peer's say (pure).

RFC 3550 section 6 for two members. The interval is 5 s, randomized (6.2, 6.3.1); at a telephone's
rate the share of bandwidth never asks for a longer one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from call_manager.media import rtcp
from call_manager.media.g711 import SAMPLE_RATE_HZ
from call_manager.media.reception import Reception
from call_manager.media.tones import FRAME_SAMPLES

INTERVAL_S: Final = 5.0
COMPENSATION: Final = 2.718281828 - 1.5
"""What the reconsideration of timers (6.3.1) does to the average, undone."""

RTT_S_MAX: Final = 60.0
"""A longer one is a wrong clock's."""

_NS: Final = 1_000_000_000
_UNITS_PER_MS: Final = SAMPLE_RATE_HZ / 1000
PATIENCE_NS: Final = 2 * _NS
"""A report this soon after our first packet may know nothing of it."""


@dataclass(slots=True)
class Sent:
    """What left on a stream so far."""

    packets: int = 0
    first_ns: int = 0
    last_ns: int = 0
    first_sequence: int = 0
    missing: int = 0
    """By how many octets telephone events were shorter than audio."""

    @property
    def octets(self) -> int:
        """Of payload; all packets of audio have one length."""
        return self.packets * FRAME_SAMPLES - self.missing


class RtcpSession:
    """Both sides' reports on one stream."""

    def __init__(self, ssrc: int, sent: Sent) -> None:
        self.reception = Reception()
        """What came from the peer."""
        self.packets = 0
        """Compound packets that came."""
        self.octets = 0
        self.errors = 0
        self.arrived: int | None = None
        """How many of our packets came by the peer's last report; None without one."""
        self.lost = 0
        self.jitter_ms = 0.0
        self.jitter_max_ms = 0.0
        self.stalled_ns = 0
        """The longest time in which, by the peer's reports, nothing of ours arrived."""
        self._reported = False
        self._ssrc = ssrc
        self._sent = sent
        # RFC 7022 section 4.2: a name that no other stream has, at least 96 random bits.
        self._cname = secrets.token_urlsafe(12).encode()
        self._sent_before = (0, 0)
        self._last_report = 0
        self._last_report_ns = 0
        self._rtts_ms = 0.0
        self._rtts = 0
        self._highest = -1
        self._advanced_ns = 0

    @property
    def begun(self) -> bool:
        """Whether we sent anything: who did not, says no goodbye (6.3.7)."""
        return self._reported or self._sent.packets > 0

    @property
    def rtt_ms(self) -> float | None:
        """The mean round trip; None when no report allowed it."""
        return self._rtts_ms / self._rtts if self._rtts else None

    def report(self, now_ns: int, timestamp: int, *, bye: bool = False) -> bytes:
        """Return the report that is due; `timestamp` is what our audio would bear now."""
        sent, known = self._sent, self.reception
        sender = None
        # Who sent since the report before the last one is a sender (6.4).
        if sent.packets > self._sent_before[0]:
            ntp = rtcp.ntp_of(now_ns)
            sender = rtcp.SenderInfo(
                ntp, timestamp, sent.packets & 0xFFFFFFFF, sent.octets & 0xFFFFFFFF
            )
        self._sent_before = (self._sent_before[1], sent.packets)
        blocks = [self._block(now_ns)] if known.valid else []
        self._reported = True
        return rtcp.write(self._ssrc, sender, blocks, self._cname, bye=bye)

    def _block(self, now_ns: int) -> rtcp.ReportBlock:
        known = self.reception
        delay = (now_ns - self._last_report_ns) * 65_536 // _NS if self._last_report else 0
        return rtcp.ReportBlock(
            ssrc=known.ssrc,
            fraction_lost=known.fraction_lost(),
            lost=known.lost_for_report,
            highest=known.highest,
            jitter=int(known.jitter),
            last_report=self._last_report,
            delay=max(0, delay),
        )

    def take(self, packet: bytes, at_ns: int) -> None:
        """Read a packet of the peer's that arrived at `at_ns`; a broken one is only counted."""
        self.packets += 1
        self.octets += len(packet)
        try:
            compound = rtcp.read(packet)
        except rtcp.RtcpMalformed:
            self.errors += 1
            return
        if compound.sender is not None:
            self._last_report = rtcp.middle(compound.sender.ntp)
            self._last_report_ns = at_ns
        block = next((block for block in compound.blocks if block.ssrc == self._ssrc), None)
        if block is not None:
            self._note_block(block, at_ns)
        elif not compound.bye and self._sent.packets:
            self._note_silence(at_ns)

    def _note_block(self, block: rtcp.ReportBlock, at_ns: int) -> None:
        # How many had left when the last of them arrived; the peer knows 16 bits for sure.
        sent = self._sent.packets
        newest = (self._sent.first_sequence + sent - 1) & 0xFFFF
        reached = max(0, sent - ((newest - block.highest) & 0xFFFF))
        self.lost = max(0, block.lost)
        self.arrived = max(0, reached - self.lost)
        self.jitter_ms = block.jitter / _UNITS_PER_MS
        self.jitter_max_ms = max(self.jitter_max_ms, self.jitter_ms)
        if block.highest != self._highest:
            self._highest, self._advanced_ns = block.highest, at_ns
        self._note_stall(at_ns)
        self._note_rtt(block, at_ns)

    def _note_silence(self, at_ns: int) -> None:
        """A report without a word on us: nothing of ours came since the one before (6.4.1)."""
        if at_ns - self._sent.first_ns < PATIENCE_NS:
            return
        self.arrived = self.arrived or 0
        self._note_stall(at_ns)

    def _note_stall(self, at_ns: int) -> None:
        since = self._advanced_ns or self._sent.first_ns
        # While we are held we send nothing, and nothing can arrive.
        until = min(at_ns, self._sent.last_ns)
        self.stalled_ns = max(self.stalled_ns, until - since)

    def _note_rtt(self, block: rtcp.ReportBlock, at_ns: int) -> None:
        """Section 6.4.1: arrival, less when our report left, less how long the peer kept it."""
        if not block.last_report:
            return
        apart = (rtcp.middle(rtcp.ntp_of(at_ns)) - block.last_report - block.delay) & 0xFFFFFFFF
        if apart > 0x80000000:
            apart = 0  # Clocks have grains: nothing is faster than at once.
        if apart / 65_536 <= RTT_S_MAX:
            self._rtts_ms += apart * 1000 / 65_536
            self._rtts += 1


def interval_s(draw: Callable[[], float], *, first: bool) -> float:
    """Return when the next report is due: half as soon for the first (6.2, 6.3.1)."""
    return (INTERVAL_S / 2 if first else INTERVAL_S) * (draw() + 0.5) / COMPENSATION
