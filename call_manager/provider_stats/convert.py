"""Statistics between protobuf and the domain (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from voipbin.call.v1 import provider_stats_service_pb2 as pb

from call_manager.call.hangup import cause_of_sip
from call_manager.provider_stats.domain import Figures, Window, WindowFigures

_WINDOWS_OUT: Final[Mapping[Window, pb.StatsWindow.ValueType]] = {
    Window.H1: pb.STATS_WINDOW_1H,
    Window.H24: pb.STATS_WINDOW_24H,
    Window.D7: pb.STATS_WINDOW_7D,
    Window.D30: pb.STATS_WINDOW_30D,
}


def windows(request: pb.ProviderStatsGetRequest) -> Sequence[Window]:
    """Return the windows that are asked for, the shortest first."""
    if request.window == pb.STATS_WINDOW_UNSPECIFIED:
        return tuple(Window)
    return [window for window, shown in _WINDOWS_OUT.items() if shown == request.window]


def stats_to_proto(
    provider_id: UUID, now: datetime, counted: Iterable[WindowFigures]
) -> pb.ProviderStats:
    """Show a carrier's statistics."""
    return pb.ProviderStats(
        provider_id=str(provider_id), windows=[_window(one, now) for one in counted]
    )


def _window(counted: WindowFigures, now: datetime) -> pb.ProviderStatsWindow:
    return pb.ProviderStatsWindow(
        window=_WINDOWS_OUT[counted.window],
        tm_begin=_time(now - counted.window.value),
        tm_end=_time(now),
        truncated=counted.truncated,
        live=_figures(counted.live),
        test=_figures(counted.test),
    )


def _figures(counted: Figures) -> pb.LegStats:
    codes = counted.codes.items()
    return pb.LegStats(
        legs=counted.legs,
        unreachable=counted.unreached,
        seizures=counted.seizures,
        answered=counted.answered,
        delivered=counted.delivered,
        unanswered=counted.unanswered,
        failed_over=counted.failed_over,
        asr_pct=counted.asr_pct,
        ner_pct=counted.ner_pct,
        acd_s=counted.acd_s,
        acd_samples=counted.acd_samples,
        pdd_p50_ms=counted.delays.p50_ms,
        pdd_p95_ms=counted.delays.p95_ms,
        pdd_samples=counted.delays.samples,
        codes=[pb.CodeCount(code=one, count=many, cause=cause_of_sip(one)) for one, many in codes],
        audio=pb.AudioStats(
            legs=counted.audios,
            one_way=counted.one_way,
            loss_pct=counted.loss_pct,
            mos=counted.mos,
        ),
    )


def _time(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made
