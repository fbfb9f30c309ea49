from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.ratelimit import Rate, RateLimiter


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def test_a_burst_is_let_through_at_once_and_the_next_is_not(time: Time) -> None:
    limiter = RateLimiter("x", Rate(10.0, 20), now=time)
    taken = [limiter.take("a") for _ in range(21)]
    assert [one.refused for one in taken] == [False] * 20 + [True]
    assert [one.remaining for one in taken[:3]] == [19, 18, 17]
    assert taken[-1].retry_after_s == pytest.approx(0.1)
    assert taken[-1].reset_s == pytest.approx(2.0)


def test_it_is_let_through_again_exactly_when_it_was_told(time: Time) -> None:
    limiter = RateLimiter("x", Rate(10.0, 1), now=time)
    limiter.take("a")
    wait_s = limiter.take("a").retry_after_s
    time.now += wait_s - 0.001
    assert limiter.take("a").refused
    time.now += 0.001
    assert not limiter.take("a").refused


def test_one_asker_does_not_use_up_anothers(time: Time) -> None:
    limiter = RateLimiter("x", Rate(1.0, 1), now=time)
    limiter.take("a")
    assert not limiter.take("b").refused


def test_the_silent_ones_are_forgotten_first_and_memory_stays_bounded(time: Time) -> None:
    limiter = RateLimiter("x", Rate(1.0, 1), keys_max=3, now=time)
    limiter.take("busy")
    for number in range(100):
        limiter.take(str(number))
        time.now += 1.0
        limiter.take("busy")
    assert len(limiter) == 3
    assert limiter.take("busy").refused


@pytest.mark.parametrize("rate", [Rate(0.0, 5), Rate(-1.0, 5), Rate(5.0, 0)])
def test_no_limit_is_no_limiter(rate: Rate) -> None:
    assert rate.unlimited
    with pytest.raises(ValueError, match="no limiter"):
        RateLimiter("x", rate)


def test_the_window_is_the_time_in_which_a_burst_is_paid_back() -> None:
    rates = (Rate(200, 400), Rate(10, 20), Rate(16.7, 33), Rate(8.3, 16), Rate(100, 1))
    assert [RateLimiter("x", rate).window_s for rate in rates] == [2, 2, 2, 2, 1]


@given(
    per_second=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    steps=st.lists(st.floats(0, 3), max_size=150),
)
def test_never_more_than_the_burst_and_what_was_paid_back(
    per_second: float, burst: int, steps: list[float]
) -> None:
    time = Time()
    limiter, let_in, began = RateLimiter("x", Rate(per_second, burst), now=time), 0, time.now
    for step in steps:
        time.now += step
        let_in += not limiter.take("a").refused
    assert let_in <= burst + (time.now - began) * per_second + 1e-3
