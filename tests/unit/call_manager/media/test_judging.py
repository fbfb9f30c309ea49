"""How good audio was, and which ways it went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from call_manager.channel import MediaReport, RtpCount
from call_manager.media.judging import Flow, one_way
from call_manager.media.quality import delay_ms, mos, rating
from mesh.clock import new_id

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def a_count(seconds: float, *, lost: int = 0, gap_ms: float = 20.0) -> RtpCount:
    packets = int(seconds * 50)
    if not packets:
        return RtpCount()
    return RtpCount(packets, packets * 160, T0, at(seconds), lost, 1.0, 2.0, 0, gap_ms)


def a_report(
    sent: RtpCount, received: RtpCount, arrived: int | None = None, direction: str = "sendrecv"
) -> MediaReport:
    here, there = "192.0.2.1:20000", "192.0.2.2:30000"
    return MediaReport(
        new_id(), "PCMU", 0, here, there, sent, received, arrived=arrived, direction=direction
    )


@pytest.mark.parametrize(
    ("report", "flow", "audio_in", "audio_out"),
    [
        (a_report(a_count(10), a_count(10), 500), Flow.BOTH, True, True),
        (a_report(a_count(10), a_count(10)), Flow.BOTH, True, None),
        (a_report(a_count(10), RtpCount()), Flow.NONE_RECEIVED, False, None),
        (a_report(a_count(10), RtpCount(), 500), Flow.NONE_RECEIVED, False, True),
        (a_report(a_count(10), a_count(10), 0), Flow.NONE_ARRIVED, True, False),
        (a_report(a_count(10), RtpCount(), 0), Flow.NONE, False, False),
        (a_report(a_count(1), RtpCount()), Flow.UNKNOWN, None, None),
        (a_report(a_count(1), RtpCount(), 0), Flow.UNKNOWN, None, None),
        (a_report(a_count(10), RtpCount(), None, "recvonly"), Flow.UNKNOWN, None, None),
        (a_report(a_count(10), RtpCount(), 0, "recvonly"), Flow.NONE_ARRIVED, None, False),
        (a_report(a_count(30), a_count(10), 1500), Flow.RECEIVED_STOPPED, False, True),
        (a_report(a_count(12), a_count(10)), Flow.BOTH, True, None),
        (a_report(a_count(30), a_count(10), None, "inactive"), Flow.BOTH, True, None),
        (a_report(a_count(30, gap_ms=9000), a_count(30), 900), Flow.BOTH, True, False),
        (a_report(RtpCount(), a_count(10)), Flow.UNKNOWN, True, None),
        (a_report(RtpCount(), a_count(10), None, "sendonly"), Flow.UNKNOWN, True, None),
        (a_report(RtpCount(), a_count(1)), Flow.UNKNOWN, True, None),
        (a_report(RtpCount(), RtpCount()), Flow.UNKNOWN, None, None),
    ],
)
def test_each_way_is_judged_by_what_is_known_of_it(
    report: MediaReport, flow: Flow, audio_in: bool | None, audio_out: bool | None
) -> None:
    judged = one_way(report)
    assert (judged.flow, judged.audio_in.flows, judged.audio_out.flows) == (
        *(flow, audio_in, audio_out),
    )
    for way in (judged.audio_in, judged.audio_out):
        assert way.sentence.endswith(".")


def test_how_long_the_call_was_answered_may_be_told() -> None:
    report = a_report(a_count(1), RtpCount())
    assert one_way(report, lasted_s=8).audio_in.flows is False
    assert one_way(report, lasted_s=8).audio_in.sentence == "No RTP packet came in 8 s."


def test_the_sentences_name_figures() -> None:
    judged = one_way(a_report(a_count(10, lost=50), a_count(9, lost=50), 450))
    assert judged.audio_in.sentence == "450 packets came, 10.0 % lost, jitter 1.0 ms."
    assert judged.audio_out.sentence == "By the peer's reports our audio arrived, 10.0 % lost."


def test_a_perfect_line_has_the_best_rating_of_g107() -> None:
    assert rating(0, 0) == pytest.approx(93.2)
    assert mos(0, 0) == pytest.approx(4.41, abs=0.01)


@pytest.mark.parametrize(
    ("loss", "mouth_to_ear_ms", "expected"),
    [(0, 100, 4.35), (0.01, 20, 4.31), (0.05, 20, 3.90), (0.2, 20, 2.61), (0, 400, 3.05)],
)
def test_loss_and_delay_cost_what_the_formula_says(
    loss: float, mouth_to_ear_ms: float, expected: float
) -> None:
    """By hand: R = 93.2 - 0.024 d - 0.11 max(0, d - 177.3) - 95 P / (P + 25.1), then annex B."""
    percent = 100 * loss
    r = 93.2 - 0.024 * mouth_to_ear_ms - 0.11 * max(0, mouth_to_ear_ms - 177.3)
    r -= 95 * percent / (percent + 25.1)
    assert rating(loss, mouth_to_ear_ms) == pytest.approx(r)
    assert mos(loss, mouth_to_ear_ms) == pytest.approx(expected, abs=0.01)


def test_nothing_sounds_worse_than_one() -> None:
    assert mos(1, 2000) == 1
    assert mos(2, 0) >= 1
    assert delay_ms(None, 0) == 20
    assert delay_ms(100, 5) == 80
