"""The SIP timer values (RFC 3261 table 4)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds, all from T1, the estimate of a round trip (default 0.5 s).

    T2 and T4 keep the RFC's proportion to T1, so that tests shorten everything by one value.
    """

    t1_s: float = 0.5

    @property
    def t2_s(self) -> float:
        """The longest pause between retransmissions of non-INVITE requests and responses."""
        return 8 * self.t1_s

    @property
    def t4_s(self) -> float:
        """How long a message may stay in the network."""
        return 10 * self.t1_s

    @property
    def give_up_s(self) -> float:
        """64*T1: when Timers B, F, H, J, L and M fire; 32 s by default."""
        return 64 * self.t1_s

    @property
    def session_min_s(self) -> int:
        """The shortest session interval anybody must accept: 90 s (RFC 4028 section 4)."""
        return max(1, int(180 * self.t1_s))

    @property
    def glare_s(self) -> tuple[float, float]:
        """How long the owner of a Call-ID waits after a 491: 2.1 to 4 s (RFC 3261 14.1)."""
        return 4.2 * self.t1_s, 8 * self.t1_s
