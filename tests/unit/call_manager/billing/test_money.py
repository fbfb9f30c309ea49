"""What calls cost, for how long an amount pays, and how often calls may be created; pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.billing import cells
from call_manager.billing.domain import Rate
from call_manager.billing.settlement import seconds
from call_manager.billing.terms import Limit, Terms

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRICES = st.integers(0, 5_000_000)
RATES = st.builds(Rate, PRICES, PRICES, st.integers(1, 3600))
DURATIONS = st.integers(0, 14_400)


@pytest.mark.parametrize(
    ("rate", "lasted_s", "cost"),
    [
        (Rate(12_000, 0, 1), 1, 200),
        (Rate(12_000, 0, 1), 61, 12_200),
        (Rate(12_000, 0, 6), 1, 1_200),
        (Rate(12_000, 0, 6), 7, 2_400),
        (Rate(12_000, 0, 60), 1, 12_000),
        (Rate(12_000, 0, 60), 60, 12_000),
        (Rate(12_000, 0, 60), 61, 24_000),
        (Rate(12_000, 5_000, 1), 1, 5_000),
        (Rate(12_000, 5_000, 1), 60, 12_000),
        (Rate(10, 0, 1), 1, 1),
        (Rate(12_000, 5_000, 60), 0, 0),
    ],
)
def test_a_call_costs_its_begun_increments_and_the_minimum_at_least(
    rate: Rate, lasted_s: int, cost: int
) -> None:
    assert rate.cost(lasted_s) == cost


@given(RATES, st.integers(-10, 50_000_000), st.integers(1, 14_400))
def test_what_an_amount_pays_for_never_costs_more(rate: Rate, amount: int, most_s: int) -> None:
    paid_s = rate.longest_s(amount, most_s)
    assert 0 <= paid_s <= most_s
    if paid_s:
        assert rate.cost(paid_s) <= amount


@given(RATES, st.integers(0, 50_000_000), st.integers(1, 14_400))
def test_an_amount_pays_for_no_second_more(rate: Rate, amount: int, most_s: int) -> None:
    paid_s = rate.longest_s(amount, most_s)
    if paid_s < most_s:
        # The next begun second is billed as a whole increment.
        assert rate.cost(paid_s + 1) > amount


@given(RATES, DURATIONS, DURATIONS)
def test_longer_is_never_cheaper(rate: Rate, one_s: int, other_s: int) -> None:
    shorter, longer = sorted((one_s, other_s))
    assert rate.cost(shorter) <= rate.cost(longer)


@given(RATES, st.integers(0, 14_400), st.sampled_from(Limit))
def test_terms_come_back_as_they_were_stored(rate: Rate, longest_s: int, limit: Limit) -> None:
    terms = Terms(rate, longest_s, limit)
    assert Terms.of_plain(terms.to_plain()) == terms


@pytest.mark.parametrize(
    ("lasted", "billed_s"),
    [
        (timedelta(0), 1),
        (timedelta(microseconds=1), 1),
        (timedelta(seconds=1), 1),
        (timedelta(seconds=1, microseconds=1), 2),
        (timedelta(seconds=-5), 1),
    ],
)
def test_a_begun_second_counts_whole_and_an_answered_call_has_one(
    lasted: timedelta, billed_s: int
) -> None:
    assert seconds(NOON, NOON + lasted) == billed_s


def test_a_call_that_was_never_answered_lasted_no_time() -> None:
    assert seconds(None, NOON) == 0


@given(st.integers(1, 100), st.lists(st.integers(0, 400_000), min_size=1, max_size=300))
def test_no_window_of_a_second_lets_more_than_twice_the_burst_pass(
    per_second: int, pauses_us: list[int]
) -> None:
    now_us, next_us, passed = 0, 0, []
    for pause_us in pauses_us:
        now_us += pause_us
        taken = cells.take(per_second, next_us, now_us)
        next_us = taken.next_us
        if not taken.retry_after_s:
            passed.append(now_us)
    for start in passed:
        within = [at for at in passed if start <= at < start + cells.SECOND_US]
        assert len(within) <= 2 * per_second


@given(st.integers(1, 1000), st.integers(0, 10**9), st.integers(0, 10**9))
def test_who_waits_as_told_is_let_through(per_second: int, next_us: int, now_us: int) -> None:
    # Beyond a burst only a clock that went back can have put it.
    next_us = min(next_us, now_us + cells.SECOND_US // per_second * per_second)
    taken = cells.take(per_second, next_us, now_us)
    later_us = now_us + round(taken.retry_after_s * cells.SECOND_US)
    if taken.retry_after_s:
        assert not cells.take(per_second, taken.next_us, later_us).retry_after_s


def test_a_clock_that_went_back_by_an_hour_keeps_nobody_out_and_the_cap_still_holds() -> None:
    now_us = 10**12
    next_us = cells.take(2, 0, now_us + 3600 * cells.SECOND_US).next_us
    passed = 0
    for _ in range(5):
        taken = cells.take(2, next_us, now_us)
        next_us, passed = taken.next_us, passed + (not taken.retry_after_s)
    assert passed == 2


def test_who_waited_for_the_row_is_not_taken_for_a_clock_that_went_back() -> None:
    now_us = 10**12
    full_us = cells.take(1, 0, now_us + 59 * cells.SECOND_US).next_us
    assert cells.take(1, full_us, now_us).retry_after_s


def test_without_a_cap_nothing_is_counted() -> None:
    assert cells.take(0, 5, 9) == cells.Taken(5)
