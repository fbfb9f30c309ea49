"""Targets, and how dialroutes are made of routes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.clock import new_id
from route_manager.errors import InvalidDestinationNumber, InvalidRouteTarget
from route_manager.route.domain import (
    DEFAULT_CUSTOMER_ID,
    DIALROUTES_MAX,
    Route,
    RouteSettings,
    check_target,
    forced_dialroutes,
    merge_dialroutes,
    target_of,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
CUSTOMER, STRANGER = new_id(), new_id()
PROVIDERS = [new_id() for _ in range(12)]


def a_route(
    provider: int,
    *,
    customer_id: UUID = CUSTOMER,
    target: str = "+82",
    priority: int = 0,
    age: int = 0,
) -> Route:
    settings = RouteSettings(PROVIDERS[provider], target, priority)
    return Route(new_id(), customer_id, settings, START - timedelta(seconds=age))


def merged(*routes: Route) -> list[int]:
    found = merge_dialroutes(routes, CUSTOMER, "+82")
    return [PROVIDERS.index(one.provider_id) for one in found]


@pytest.mark.parametrize("target", ["all", "+1", "+7", "+44", "+82", "+998", "+881"])
def test_all_and_calling_codes_that_exist_are_targets(target: str) -> None:
    check_target(target)


@pytest.mark.parametrize(
    "target", ["", "ALL", "any", "1", "+", "+0", "+999", "+1234", "+ 1", "+1 ", "+٨٢", "+1\n"]
)
def test_anything_else_is_no_target(target: str) -> None:
    with pytest.raises(InvalidRouteTarget):
        check_target(target)


@pytest.mark.parametrize(
    ("number", "target"),
    [
        ("+15550100002", "+1"),
        ("+18765550100", "+1"),  # Jamaica: the calling code is the only key
        ("+821012345678", "+82"),
        ("+390612345678", "+39"),
        ("+998901234567", "+998"),
        ("+8001234567890", "+800"),
    ],
)
def test_a_numbers_target_is_its_calling_code(number: str, target: str) -> None:
    assert target_of(number) == target
    check_target(target)


@pytest.mark.parametrize(
    "number",
    ["", "15550100002", "+", "+123456", "+1234567890123456", "+1555010000a", "tel:+15550100002",
     "+15550100002;isub=1", "+٣٣٣٣٣٣٣٣", "+99912345678", "+15550100002\n"],
)  # fmt: skip
def test_what_is_not_e164_has_no_target(number: str) -> None:
    with pytest.raises(InvalidDestinationNumber):
        target_of(number)


def test_the_four_steps_of_the_merge_come_in_order() -> None:
    default = DEFAULT_CUSTOMER_ID
    assert merged(
        a_route(3, customer_id=default, target="all"),
        a_route(2, customer_id=default),
        a_route(1, target="all"),
        a_route(0),
    ) == [0, 1, 2, 3]


def test_a_provider_is_tried_once_where_it_comes_first() -> None:
    default = DEFAULT_CUSTOMER_ID
    assert merged(
        a_route(0),
        a_route(0, target="all"),
        a_route(1, target="all"),
        a_route(1, customer_id=default),
        a_route(0, customer_id=default, target="all"),
        a_route(2, customer_id=default, target="all"),
    ) == [0, 1, 2]


def test_priority_orders_within_a_step_only() -> None:
    assert merged(a_route(0, priority=9), a_route(1, target="all", priority=0)) == [0, 1]


def test_the_lower_number_comes_first_and_the_newest_among_equals() -> None:
    assert merged(
        a_route(0, priority=5, age=3), a_route(1, priority=5, age=1), a_route(2, priority=1, age=9)
    ) == [2, 1, 0]


def test_of_two_routes_to_one_provider_the_better_one_counts() -> None:
    assert merged(a_route(0, priority=9), a_route(1, priority=5), a_route(0, priority=1)) == [0, 1]


def test_other_customers_and_other_targets_are_ignored() -> None:
    assert merged(a_route(0, customer_id=STRANGER), a_route(1, target="+81")) == []


def test_everybodys_own_routes_are_merged_once() -> None:
    default = DEFAULT_CUSTOMER_ID
    routes = [a_route(0, customer_id=default), a_route(1, customer_id=default, target="all")]
    found = merge_dialroutes(routes, default, "+82")
    assert [PROVIDERS.index(one.provider_id) for one in found] == [0, 1]


def test_eight_providers_are_tried_at_most() -> None:
    routes = [a_route(number, priority=number) for number in range(12)]
    assert merged(*routes) == list(range(DIALROUTES_MAX))


@given(
    st.lists(
        st.builds(
            a_route,
            st.integers(0, 11),
            customer_id=st.sampled_from([CUSTOMER, STRANGER, DEFAULT_CUSTOMER_ID]),
            target=st.sampled_from(["+82", "+81", "all"]),
            priority=st.integers(0, 3),
            age=st.integers(0, 3),
        ),
        max_size=40,
    ),
    st.randoms(use_true_random=False),
)
def test_a_merge_does_not_depend_on_the_order_of_its_routes(
    routes: list[Route], rng: object
) -> None:
    shuffled = list(routes)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    first = merge_dialroutes(routes, CUSTOMER, "+82")
    assert merge_dialroutes(shuffled, CUSTOMER, "+82") == first
    assert len({one.provider_id for one in first}) == len(first) <= DIALROUTES_MAX
    assert all(one.customer_id != STRANGER and one.target != "+81" for one in first)


def test_forced_providers_keep_their_order_and_are_marked_as_made_up() -> None:
    found = forced_dialroutes([PROVIDERS[1], PROVIDERS[0]], CUSTOMER)
    assert [(one.id, one.provider_id, one.priority) for one in found] == [
        (PROVIDERS[1], PROVIDERS[1], 0),
        (PROVIDERS[0], PROVIDERS[0], 1),
    ]
    assert {(one.name, one.synthetic) for one in found} == {("synthetic-test-route", True)}
