"""What comes in on an RTP stream, counted as RFC 3550 appendix A says (pure).

Packets are taken in the order they arrived, with the time they arrived at. A peer that changes
its source (SSRC), or restarts its numbers, begins a new run; losses are counted within runs.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Final

from call_manager.channel import RtpCount
from call_manager.media.g711 import SAMPLE_RATE_HZ

HEADER: Final = struct.Struct("!BBHII")
"""First octet, marker and payload type, sequence, timestamp, SSRC (RFC 3550 section 5.1)."""

PACKET_BYTES_MAX: Final = 2048
"""A longer packet is no telephone's."""

DROPOUT_MAX: Final = 3000
MISORDER_MAX: Final = 100
SEQUENTIAL_MIN: Final = 2
"""RFC 3550 appendix A.1's own values."""

OTHER_PAYLOADS_MAX: Final = 16
_MISSING_MAX: Final = 1024
_UNITS_PER_NS: Final = SAMPLE_RATE_HZ / 1e9
_UNITS_PER_MS: Final = SAMPLE_RATE_HZ / 1000
_WRAP: Final = float(2**32)
_NEVER: Final = float("inf")
_JUMP: Final = 10.0 * SAMPLE_RATE_HZ  # A clock that jumps this far was set anew.

Fields = tuple[int, int, int, int, int]
"""What `HEADER` unpacks."""


def payload_span(packet: bytes | bytearray, size: int) -> tuple[int, int] | None:
    """Return where a packet's payload begins and ends; None for what is no RTP.

    Contributing sources and an extension come before it, padding after (section 5.1, A.1).
    """
    if size < HEADER.size or packet[0] & 0xC0 != 0x80:
        return None
    begin, end = HEADER.size + 4 * (packet[0] & 0x0F), size
    if packet[0] & 0x10:
        if begin + 4 > size:
            return None
        begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4], "big")
    if packet[0] & 0x20:
        end -= packet[size - 1] or size  # A padding of nothing is none.
    return (begin, end) if begin <= end else None


class Reception:
    """One direction's books."""

    __slots__ = (
        *("packets", "octets", "first_ns", "last_ns", "gap_ns", "ssrc", "late", "repeated"),
        *("jitter", "_jitter_max", "_transit", "_base", "_max", "_cycles", "_unique", "_run"),
        *("_bad", "_probation", "_missing", "_lost", "_expected_before", "_run_before"),
    )

    def __init__(self) -> None:
        self.packets = 0
        self.octets = 0
        self.first_ns = 0
        self.last_ns = 0
        self.gap_ns = 0
        self.ssrc = -1
        self.late = 0
        self.repeated = 0
        self.jitter = 0.0
        """In timestamp units (appendix A.8)."""
        self._jitter_max = 0.0
        self._transit = _NEVER
        self._lost = 0  # Of runs that are over.
        self._missing: set[int] = set()
        self._max = self._unique = self._run = self._probation = 0
        self._begin(0)

    def note(self, fields: Fields, octets: int, at_ns: int, *, timed: bool = True) -> None:
        """Count one packet; `timed` is False where its timestamp is not its own time's.

        The packets of one telephone event all bear the time it began (RFC 4733 section 2.3.2).
        """
        _, _, sequence, timestamp, ssrc = fields
        if ssrc != self.ssrc:
            self._begin_source(ssrc, sequence, at_ns)
        elif sequence == (self._max + 1) & 0xFFFF and not self._probation:
            if not sequence:
                self._wrap()
            self._max = sequence
            self._unique += 1
            self._run += 1
        else:
            self._out_of_line(sequence)
        self.packets += 1
        self.octets += octets
        gap_ns = at_ns - self.last_ns
        if gap_ns > self.gap_ns:  # noqa: PLR1730 - 20,000 times a second, a call costs
            self.gap_ns = gap_ns
        self.last_ns = at_ns
        if not timed:
            return
        # The interarrival jitter (appendix A.8).
        transit = at_ns * _UNITS_PER_NS - timestamp
        apart = abs(transit - self._transit)
        if apart > _JUMP:
            apart = self._over_the_wrap(apart)
        jitter = self.jitter = self.jitter + (apart - self.jitter) / 16.0
        if jitter > self._jitter_max:  # noqa: PLR1730
            self._jitter_max = jitter
        self._transit = transit

    def _over_the_wrap(self, apart: float) -> float:
        """Return how far apart two transits are where the timestamp began anew.

        A clock that was set, or another source's, is compared with nothing.
        """
        apart = abs(apart - _WRAP)  # The timestamp has 32 bits.
        return apart if apart < _JUMP else self.jitter

    def _begin_source(self, ssrc: int, sequence: int, at_ns: int) -> None:
        if not self.packets:
            self.first_ns = self.last_ns = at_ns
        self.ssrc = ssrc
        self._transit = _NEVER
        self.jitter = 0.0
        self._end_run()
        self._begin(sequence)

    def _begin(self, sequence: int) -> None:
        """Begin a run; it counts once `SEQUENTIAL_MIN` packets came in a row (A.1)."""
        self._base = self._max = sequence
        self._cycles = 0
        self._unique = self._run = 1
        self._bad = -1
        self._probation = SEQUENTIAL_MIN - 1
        self._missing.clear()
        self._expected_before = self._run_before = 0

    def _end_run(self) -> None:
        self._lost += self._lost_in_run()
        self._unique = self._run = 0

    def _lost_in_run(self) -> int:
        return 0 if self._probation else max(0, self.expected - self._unique)

    def _wrap(self) -> None:
        self._cycles += 0x10000
        self._missing.clear()  # Their numbers are about to be used again.

    def _out_of_line(self, sequence: int) -> None:
        """Take a packet that is not the next one (appendix A.1)."""
        ahead = (sequence - self._max) & 0xFFFF
        if self._probation:
            self._try(sequence, ahead)
        elif ahead == 0:
            self.repeated += 1
            self._run += 1
        elif ahead < DROPOUT_MAX:
            self._skip(sequence, ahead)
        elif ahead <= 0x10000 - MISORDER_MAX:
            self._restart(sequence)
        elif sequence in self._missing:
            self._missing.discard(sequence)
            self.late += 1
            self._unique += 1
            self._run += 1
        else:
            self.repeated += 1
            self._run += 1

    def _try(self, sequence: int, ahead: int) -> None:
        if ahead != 1:
            self._begin(sequence)
            return
        if not sequence:
            self._wrap()
        self._max = sequence
        self._unique += 1
        self._run += 1
        self._probation -= 1

    def _skip(self, sequence: int, ahead: int) -> None:
        if sequence < self._max:
            self._wrap()
        if len(self._missing) < _MISSING_MAX and ahead <= MISORDER_MAX:
            before = self._max
            self._missing.update((before + step) & 0xFFFF for step in range(1, ahead))
        self._max = sequence
        self._unique += 1
        self._run += 1

    def _restart(self, sequence: int) -> None:
        """Two packets in a row after a great jump: the peer numbers anew."""
        if sequence != self._bad:
            self._bad = (sequence + 1) & 0xFFFF
            return
        self._end_run()
        self._begin((sequence - 1) & 0xFFFF)
        self._try(sequence, 1)

    @property
    def valid(self) -> bool:
        """Whether enough packets came in a row to call it a stream."""
        return self.packets > 0 and not self._probation

    @property
    def highest(self) -> int:
        """The extended highest sequence number (section 6.4.1)."""
        return self._cycles + self._max

    @property
    def expected(self) -> int:
        """How many packets the run has by its numbers (appendix A.3)."""
        return self.highest - self._base + 1

    @property
    def lost(self) -> int:
        """Packets that never came, in all runs; one that came twice makes up for none."""
        return self._lost + (self._lost_in_run() if self.packets else 0)

    @property
    def lost_for_report(self) -> int:
        """The run's loss as RFC 3550 6.4.1 has it: repeated packets count as received."""
        return self.expected - self._run

    def fraction_lost(self) -> int:
        """Return the loss since the last call in 256ths (appendix A.3)."""
        expected = self.expected - self._expected_before
        lost = expected - (self._run - self._run_before)
        self._expected_before, self._run_before = self.expected, self._run
        return min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0

    def count(self) -> RtpCount:
        """Return the books."""
        return RtpCount(
            packets=self.packets,
            octets=self.octets,
            first_at=moment(self.first_ns),
            last_at=moment(self.last_ns),
            lost=self.lost,
            jitter_ms=self.jitter / _UNITS_PER_MS,
            jitter_max_ms=self._jitter_max / _UNITS_PER_MS,
            late_or_repeated=self.late + self.repeated,
            gap_max_ms=self.gap_ns / 1e6,
        )


def moment(at_ns: int) -> datetime | None:
    """Return a wall-clock time in nanoseconds as a datetime; None for 0, which never was."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC) if at_ns else None
