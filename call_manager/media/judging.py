"""Which ways a leg's audio went, judged from its report (pure).

What came in is what we counted. What went out is known only from the peer's RTCP reports: without
any, whether it arrived is unknown, which is not the same as good.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from call_manager.channel import MediaReport

ENOUGH_S: Final = 2.0
"""How long a leg must have lasted for silence from the peer to mean something."""

STOPPED_S: Final = 4.0
"""Audio that ended this long before the leg did has stopped; shorter is a pause or its end."""

SILENT: Final = frozenset({"recvonly", "inactive"})
"""The directions of a peer that announced to send nothing."""


class Flow(enum.StrEnum):
    """Which ways audio went."""

    UNKNOWN = "unknown"
    """Too short to say, the peer announced that it would send nothing, or we sent nothing."""
    BOTH = "both"
    """As far as our end can tell."""
    NONE_RECEIVED = "none_received"
    NONE_ARRIVED = "none_arrived"
    """By the peer's own reports."""
    NONE = "none"
    RECEIVED_STOPPED = "received_stopped"
    """The peer's audio ended long before the leg did."""


@dataclass(frozen=True, slots=True)
class Way:
    """One direction: whether audio got through, None when nobody can tell, and one sentence."""

    flows: bool | None
    sentence: str


@dataclass(frozen=True, slots=True)
class OneWay:
    """Both directions of a leg's audio, seen from our end."""

    flow: Flow
    audio_in: Way
    audio_out: Way


def one_way(report: MediaReport, *, lasted_s: float | None = None) -> OneWay:
    """Judge a leg's report; `lasted_s` is how long it was answered, else how long we sent."""
    begin, end = report.sent.first_at, report.sent.last_at
    sending_s = _between(begin, end)
    audio_in = _in(report, sending_s if lasted_s is None else lasted_s)
    audio_out = _out(report, sending_s)
    return OneWay(_flow(report, audio_in, audio_out), audio_in, audio_out)


def _in(report: MediaReport, lasted_s: float) -> Way:
    received = report.received
    if not received.packets:
        if report.direction in SILENT:
            return Way(None, f"The peer said that it sends nothing ({report.direction}).")
        if lasted_s < ENOUGH_S:
            return Way(None, "The call was too short to say whether audio would have come.")
        return Way(False, f"No RTP packet came in {lasted_s:.0f} s.")
    stopped_s = _between(received.last_at, report.sent.last_at)
    if stopped_s >= STOPPED_S and report.direction not in SILENT:
        return Way(False, f"The peer's audio stopped {stopped_s:.0f} s before ours did.")
    loss = _percent(received.lost, received.packets + received.lost)
    return Way(
        True, f"{_packets(received.packets)} came, {loss} lost, jitter {received.jitter_ms:.1f} ms."
    )


def _out(report: MediaReport, sending_s: float) -> Way:
    sent = report.sent
    if not sent.packets:
        return Way(None, "We sent no audio.")
    if report.arrived is None:
        return Way(None, "The peer sent no RTCP report, so whether our audio arrived is unknown.")
    if not report.arrived:
        if sending_s < ENOUGH_S:
            return Way(None, "The call was too short for the peer to report on our audio.")
        return Way(False, f"By the peer's reports none of our {sent.packets} packets arrived.")
    loss = _percent(sent.lost, report.arrived + sent.lost)
    stalled_s = sent.gap_max_ms / 1000
    if stalled_s >= STOPPED_S:
        return Way(False, f"By the peer's reports nothing of ours arrived for {stalled_s:.0f} s.")
    return Way(True, f"By the peer's reports our audio arrived, {loss} lost.")


def _flow(report: MediaReport, audio_in: Way, audio_out: Way) -> Flow:
    if audio_in.flows is None and not report.received.packets:
        return Flow.NONE_ARRIVED if audio_out.flows is False else Flow.UNKNOWN
    if audio_in.flows is False and not report.received.packets:
        return Flow.NONE if audio_out.flows is False and not report.arrived else Flow.NONE_RECEIVED
    if audio_out.flows is False and not report.arrived:
        return Flow.NONE_ARRIVED
    if not audio_in.flows:
        return Flow.RECEIVED_STOPPED
    # What we never sent, because nobody said where to or it was not wanted, went no way.
    return Flow.BOTH if report.sent.packets else Flow.UNKNOWN


def _between(begin: datetime | None, end: datetime | None) -> float:
    """Return the seconds from one moment to the next; 0 when one of them never was."""
    if begin is None or end is None:
        return 0.0
    return max(0.0, (end - begin).total_seconds())


def _packets(count: int) -> str:
    return "1 packet" if count == 1 else f"{count} packets"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0.0 %"
