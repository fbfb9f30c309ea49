"""How good a conversation over G.711 is expected to sound (ITU-T G.107, the E-model; pure)."""

from __future__ import annotations

from typing import Final

R_BEST: Final = 93.2
"""G.107's rating with every parameter at its default."""

LOSS_ROBUSTNESS: Final = 25.1
"""Bpl of G.711 with concealment of lost packets (ITU-T G.113 appendix I, table I.4)."""

PACKET_DELAY_MS: Final = 20.0
JITTER_BUFFER: Final = 2.0
"""A receiver's buffer is taken to hold this many times the jitter."""

_KNEE_MS: Final = 177.3


def loss_share(arrived: int, lost: int) -> float | None:
    """Return the share of packets that were lost, 0 to 1; None where none were to come."""
    expected = arrived + lost
    return lost / expected if expected else None


def loss_pct(arrived: int, lost: int) -> float | None:
    """Return the same in percent, with the digits that mean something."""
    share = loss_share(arrived, lost)
    return None if share is None else round(100 * share, 2)


def delay_ms(rtt_ms: float | None, jitter_ms: float) -> float:
    """Return the mouth-to-ear delay: half the round trip, one packet, and a jitter buffer.

    Without a round trip the network is taken to be near.
    """
    return (rtt_ms or 0.0) / 2 + PACKET_DELAY_MS + JITTER_BUFFER * jitter_ms


def rating(loss: float, mouth_to_ear_ms: float) -> float:
    """Return R for a share of lost packets (0 to 1) and a delay.

    R = 93.2 - Id - Ie,eff. Id = 0.024 d + 0.11 (d - 177.3) where d exceeds 177.3 ms, which is the
    usual reduction of G.107 section 7.4 (Cole and Rosenbluth, 2001); Ie,eff = 95 Ppl / (Ppl + Bpl)
    with Ie = 0 and random loss (G.107 section 7.5).
    """
    late = max(0.0, mouth_to_ear_ms - _KNEE_MS)
    percent = 100.0 * min(1.0, max(0.0, loss))
    return (
        R_BEST
        - (0.024 * mouth_to_ear_ms + 0.11 * late)
        - 95.0 * percent / (percent + LOSS_ROBUSTNESS)
    )


def mos(loss: float, mouth_to_ear_ms: float) -> float:
    """Return the mean opinion score, 1 to 4.5 (G.107 annex B)."""
    r = rating(loss, mouth_to_ear_ms)
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
