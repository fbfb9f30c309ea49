"""What becomes of a provider's status, check after check, and which answers are good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.clock import new_id
from route_manager.health.domain import (
    DETAIL_MAX,
    Answer,
    Health,
    Rhythm,
    Target,
    Thresholds,
    sentence,
)
from route_manager.provider.domain import HealthStatus, ProviderSettings, Transport

UNKNOWN, HEALTHY, UNHEALTHY = HealthStatus.UNKNOWN, HealthStatus.HEALTHY, HealthStatus.UNHEALTHY
NOW = datetime(2026, 1, 1, tzinfo=UTC)

thresholds_of_any_kind = st.builds(Thresholds, st.integers(1, 6), st.integers(1, 6))
histories = st.lists(st.booleans(), max_size=40)


def after(marks: str, thresholds: Thresholds = Thresholds()) -> Health:  # noqa: B008
    """Return what is known after checks: `+` good, `-` failed."""
    health = Health()
    for mark in marks:
        health = health.after(mark == "+", thresholds)
    return health


@pytest.mark.parametrize(
    ("marks", "status"),
    [
        ("", UNKNOWN),
        ("+", HEALTHY),
        ("-", UNKNOWN),
        ("--", UNKNOWN),
        ("---", UNHEALTHY),
        ("--+", HEALTHY),
        ("+--", HEALTHY),
        ("+---", UNHEALTHY),
        ("+--+--", HEALTHY),
        ("---+", UNHEALTHY),
        ("---++", HEALTHY),
        ("---+-+", UNHEALTHY),
        ("---+-++", HEALTHY),
        ("---++--", HEALTHY),
        ("-----", UNHEALTHY),
    ],
)
def test_three_failures_make_it_unhealthy_and_two_successes_healthy(
    marks: str, status: HealthStatus
) -> None:
    assert after(marks).status is status


def test_the_numbers_can_be_chosen() -> None:
    assert after("-", Thresholds(failures=1)).status is UNHEALTHY
    assert after("-+", Thresholds(failures=1, successes=1)).status is HEALTHY


@given(histories, thresholds_of_any_kind)
def test_a_status_changes_only_after_as_many_checks_in_a_row_as_it_takes(
    history: list[bool], thresholds: Thresholds
) -> None:
    health = Health()
    for at, good in enumerate(history):
        before, health = health, health.after(good, thresholds)
        if health.status is before.status:
            continue
        assert health.status is (HEALTHY if good else UNHEALTHY)
        assert health.streak == 0
        needed = thresholds.successes if good else thresholds.failures
        if before.status is UNKNOWN and good:
            needed = 1
        assert history[max(0, at + 1 - needed) : at + 1] == [good] * needed


@given(histories, thresholds_of_any_kind)
def test_enough_checks_in_a_row_always_decide(history: list[bool], thresholds: Thresholds) -> None:
    health = Health()
    for good in history:
        health = health.after(good, thresholds)
        assert health.status is not UNKNOWN or not good
        # What has not decided yet is less than it takes.
        assert 0 <= health.streak < max(thresholds.failures, thresholds.successes)
    for _ in range(thresholds.failures):
        health = health.after(False, thresholds)
    assert health == Health(UNHEALTHY)
    for _ in range(thresholds.successes):
        health = health.after(True, thresholds)
    assert health == Health(HEALTHY)


@given(st.integers(1, 30))
def test_a_provider_that_flaps_keeps_its_status(times: int) -> None:
    assert after("+" + "-+" * times).status is HEALTHY
    assert after("---" + "+-" * times).status is UNHEALTHY


def a_target(*codes: str, **settings: object) -> Target:
    reached = ProviderSettings(hostname="sip.carrier.example", **settings)  # type: ignore[arg-type]
    return Target(new_id(), reached, codes)


def test_by_default_every_final_answer_is_good_but_those_that_say_it_does_not_work() -> None:
    target = a_target()
    bad = {408, 500, 502, 503, 504, *range(600, 700)}
    assert {code for code in range(700) if not target.is_healthy(code)} == {*range(200), *bad}


def test_a_provider_can_have_a_list_of_its_own() -> None:
    target = a_target("2xx", "503")
    assert {code for code in range(700) if target.is_healthy(code)} == {*range(200, 300), 503}


@pytest.mark.parametrize(
    ("settings", "route"),
    [
        ({}, ""),
        ({"outbound_proxy": "proxy.example"}, "sip:proxy.example;lr"),
        ({"outbound_proxy": "proxy.example:5070"}, "sip:proxy.example:5070;lr"),
        ({"outbound_proxy": "[2001:db8::1]"}, "sip:[2001:db8::1];lr"),
        (
            {"outbound_proxy": "proxy.example", "transport": Transport.TCP},
            "sip:proxy.example;transport=tcp;lr",
        ),
    ],
)
def test_an_outbound_proxy_is_a_loose_route(settings: dict[str, object], route: str) -> None:
    assert a_target(**settings).route == route


def test_what_a_check_met_is_one_sentence() -> None:
    assert sentence(Answer(200, "OK", 12), True) == "It answered 200 OK after 12 ms."
    assert (
        sentence(Answer(503, "", 5), False)
        == "It answered 503 after 5 ms, which does not count as healthy."
    )
    assert sentence(Answer(trouble="Nothing answered."), False) == "Nothing answered."
    assert sentence(Answer(), False) == "No answer came."
    assert len(sentence(Answer(200, "x" * 2000, 1), True)) <= DETAIL_MAX
    assert len(sentence(Answer(trouble="x" * 2000), False)) <= DETAIL_MAX


def test_providers_that_are_asked_together_are_spread_over_the_interval() -> None:
    rhythm = Rhythm(interval_s=30.0, timeout_s=5.0)
    waits = [
        (rhythm.next_due(new_id(), NOW, first=True) - NOW).total_seconds() for _ in range(1000)
    ]
    tenths = [0] * 10
    for wait in waits:
        assert 3.0 <= wait <= 30.0
        tenths[min(9, int(wait / 3.0))] += 1
    assert all(60 <= count <= 170 for count in tenths[1:])


def test_later_they_wait_for_the_interval_give_or_take_a_twentieth() -> None:
    rhythm = Rhythm(interval_s=30.0, timeout_s=5.0)
    for _ in range(100):
        wait = (rhythm.next_due(new_id(), NOW, first=False) - NOW).total_seconds()
        assert 28.5 <= wait <= 31.5


def test_a_check_that_comes_long_after_its_time_begins_anew() -> None:
    rhythm = Rhythm(interval_s=30.0, timeout_s=5.0)
    assert rhythm.missed(None, NOW)
    assert rhythm.missed(NOW - timedelta(seconds=31), NOW)
    assert not rhythm.missed(NOW - timedelta(seconds=1), NOW)
