"""What is counted of legs, and the ratios that are made of it. Pure; docs/statistics.md defines.

A leg is one call's try on one carrier. What it came to is its last INVITE's result.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

LEGS_MAX: Final = 100_000
"""How many legs of a window are counted at most, the newest: the work has an end."""

CODES_MAX: Final = 100
"""How many different answers are told."""

DELIVERED_CODES: Final = (480, 486, 600, 603, 607)
"""Answers that the called one or its equipment gives (ITU-T E.425, RFC 3261 section 21, RFC 8197).

Busy (486, 600), nobody there (480), rejected (603, 607).
"""

DELIVERED_IF_RUNG: Final = (408, 487)
"""Answers that end a leg nobody picked up, if it had rung: given up by the network, or by us."""

MEDIAN_PCT: Final = 50
HIGH_PCT: Final = 95


class Window(enum.Enum):
    """A window of time up to now; the value is its length."""

    H1 = timedelta(hours=1)
    H24 = timedelta(hours=24)
    D7 = timedelta(days=7)
    D30 = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Group:
    """Legs that are counted together: of one age, one kind and one final answer."""

    window: Window
    """The shortest that holds them."""
    test: bool
    code: int | None
    """The final status; None when none came."""
    pending: bool
    """Under way and not answered: what they come to is not known."""
    legs: int
    unreached: int
    answered: int
    delivered: int
    failed_over: int
    durations: int
    duration_s: float
    """The sum of `durations` many."""
    audios: int
    one_way: int
    losses: int
    loss_pct: float
    """The sum of `losses` many; likewise `mos`."""
    scores: int
    mos: float


@dataclass(frozen=True, slots=True)
class Delays:
    """The post-dial delays of some legs."""

    samples: int = 0
    p50_ms: int | None = None
    p95_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """How some legs went; a ratio or mean is None where there is nothing to make it of."""

    legs: int
    unreached: int
    answered: int
    delivered: int
    unanswered: int
    failed_over: int
    acd_s: float | None
    acd_samples: int
    delays: Delays
    audios: int
    one_way: int
    loss_pct: float | None
    mos: float | None
    codes: Mapping[int, int] = field(default_factory=dict)
    """How often each final answer came, the most frequent first."""

    @property
    def seizures(self) -> int:
        """The legs that took up the carrier."""
        return self.legs - self.unreached

    @property
    def asr_pct(self) -> float | None:
        """The answer-seizure ratio (ITU-T E.411)."""
        return _percent(self.answered, self.seizures)

    @property
    def ner_pct(self) -> float | None:
        """The network effectiveness ratio (ITU-T E.425)."""
        return _percent(self.delivered, self.seizures)


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """How the legs of one window went."""

    window: Window
    truncated: bool
    live: Figures
    test: Figures


def figures(groups: Iterable[Group], delays: Delays) -> Figures:
    """Add groups up."""
    settled = [group for group in groups if not group.pending]
    codes: Counter[int] = Counter()
    for group in settled:
        if group.code is not None:
            codes[group.code] += group.legs
    ordered = sorted(codes.items(), key=lambda item: (-item[1], item[0]))
    durations = sum(group.durations for group in settled)
    losses = sum(group.losses for group in settled)
    scores = sum(group.scores for group in settled)
    legs, unreached = sum(group.legs for group in settled), sum(one.unreached for one in settled)
    return Figures(
        legs=legs,
        unreached=unreached,
        answered=sum(group.answered for group in settled),
        delivered=sum(group.delivered for group in settled),
        unanswered=sum(
            one.legs - one.unreached - one.answered for one in settled if one.code is None
        ),
        failed_over=sum(group.failed_over for group in settled),
        acd_s=_mean(sum(group.duration_s for group in settled), durations),
        acd_samples=durations,
        delays=delays,
        audios=sum(group.audios for group in settled),
        one_way=sum(group.one_way for group in settled),
        loss_pct=_mean(sum(group.loss_pct for group in settled), losses),
        mos=_mean(sum(group.mos for group in settled), scores),
        codes=dict(ordered[:CODES_MAX]),
    )


def window_figures(
    window: Window, groups: Iterable[Group], delays: Mapping[bool, Delays], legs_max: int
) -> WindowFigures:
    """Return how one window's legs went; `delays` of the tests are under True.

    The groups are of the newest `legs_max` legs, or of all.
    """
    within = [group for group in groups if group.window.value <= window.value]
    return WindowFigures(
        window=window,
        # Those that are counted are the newest, so what is left out is older than all of them.
        truncated=sum(group.legs for group in within) >= legs_max,
        live=figures((one for one in within if not one.test), delays.get(False, Delays())),
        test=figures((one for one in within if one.test), delays.get(True, Delays())),
    )


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _mean(total: float, samples: int) -> float | None:
    return round(total / samples, 3) if samples else None
