"""Session timers: each row of RFC 4028's rules, without a wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.sip.message import Headers, Request, Response
from call_manager.sip.session_timer import (
    INTERVAL_MAX_S,
    SessionTimer,
    Wish,
    agreed_in,
    agreed_to,
    seconds,
    too_short,
    wish_for,
)
from call_manager.sip.timing import Timing

TIMING = Timing()
KNOWS: Headers = (("Supported", "timer"),)


def answer(value: str, code: int = 200, name: str = "Session-Expires") -> Response:
    return Response(((name, value),), b"", code, "")


def refresh(value: str, headers: Headers = KNOWS) -> Request:
    asked = (("Session-Expires", value),) if value else ()
    return Request((*asked, *headers), b"", "UPDATE", "sip:mesh@127.0.0.1")


@pytest.mark.parametrize(
    ("asked_s", "headers"),
    [
        (0, ()),
        (-5, ()),
        (1800, (("Session-Expires", "1800"), ("Min-SE", "90"))),
        (60, (("Session-Expires", "90"), ("Min-SE", "90"))),
        (10**9, (("Session-Expires", str(INTERVAL_MAX_S)), ("Min-SE", "90"))),
    ],
)
def test_a_leg_asks_for_what_everybody_accepts(asked_s: int, headers: Headers) -> None:
    assert wish_for(asked_s, TIMING).headers() == headers


@pytest.mark.parametrize(
    ("least", "raised"),
    [("1800", Wish(1800, 1800)), ("600;x=y", None), ("90", None), ("", None), ("soon", None)],
)
def test_a_422_is_followed_only_upwards(least: str, raised: Wish | None) -> None:
    assert Wish(600, 90).raised(answer(least, 422, "Min-SE")) == raised
    assert Wish(0, 90).raised(answer(least, 422, "Min-SE")) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1800;refresher=uac", SessionTimer(1800, ours=True)),
        ("1800 ; Refresher = UAS", SessionTimer(1800, ours=False)),
        ("1800", SessionTimer(1800, ours=True)),
        ("1800;refresher=nobody", SessionTimer(1800, ours=True)),
        ("0;refresher=uac", None),
        ("never", None),
        ("", None),
    ],
)
def test_the_answer_says_who_refreshes(value: str, expected: SessionTimer | None) -> None:
    assert agreed_in(answer(value)) == expected


@pytest.mark.parametrize(
    ("value", "headers", "expected"),
    [
        ("600;refresher=uac", KNOWS, SessionTimer(600, ours=False)),
        ("600;refresher=uas", KNOWS, SessionTimer(600, ours=True)),
        ("600", KNOWS, SessionTimer(600, ours=False)),
        ("600;refresher=uac", (), SessionTimer(600, ours=True)),
        ("600", (("Require", "timer"),), SessionTimer(600, ours=False)),
        ("", KNOWS, SessionTimer(1800, ours=False)),
        ("", (), SessionTimer(1800, ours=True)),
    ],
)
def test_a_request_of_the_peer_changes_who_refreshes(
    value: str, headers: Headers, expected: SessionTimer
) -> None:
    assert agreed_to(refresh(value, headers), SessionTimer(1800, ours=False)) == expected


def test_without_a_timer_a_request_that_asks_for_none_brings_none() -> None:
    assert agreed_to(refresh(""), None) is None


@pytest.mark.parametrize(
    ("timer", "headers", "written"),
    [
        (
            SessionTimer(600, ours=False),
            KNOWS,
            (("Require", "timer"), ("Session-Expires", "600;refresher=uac")),
        ),
        (SessionTimer(600, ours=True), KNOWS, (("Session-Expires", "600;refresher=uas"),)),
        (SessionTimer(600, ours=True), (), (("Session-Expires", "600;refresher=uas"),)),
    ],
)
def test_our_answer_names_the_peer_uac(
    timer: SessionTimer, headers: Headers, written: Headers
) -> None:
    assert timer.answered_to(refresh("600", headers)) == written


@pytest.mark.parametrize(
    ("value", "headers", "short"),
    [("89", KNOWS, True), ("90", KNOWS, False), ("89", (), False), ("", KNOWS, False)],
)
def test_an_interval_below_the_minimum_is_refused_to_those_who_know_how_to_go_on(
    value: str, headers: Headers, short: bool
) -> None:
    assert too_short(refresh(value, headers), TIMING) is short


@pytest.mark.parametrize(
    ("interval_s", "refresh_s", "end_s"), [(1800, 900, 1768), (90, 45, 60), (96, 48, 64)]
)
def test_a_session_is_refreshed_at_half_time_and_ended_a_little_early(
    interval_s: int, refresh_s: float, end_s: float
) -> None:
    timer = SessionTimer(interval_s, ours=True)
    assert (timer.refresh_after_s, timer.end_after_s(TIMING)) == (refresh_s, end_s)


@given(st.text(max_size=60))
def test_no_value_raises(value: str) -> None:
    assert 0 <= seconds(value) <= INTERVAL_MAX_S
    agreed_in(answer(value))
    agreed_to(refresh(value), None)
