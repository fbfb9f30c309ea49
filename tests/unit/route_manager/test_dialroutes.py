"""What a call is tried on, in which order, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from mesh.clock import new_id
from route_manager.route.dialroute import (
    DIALROUTES_MAX,
    Candidate,
    Considered,
    InService,
    Reason,
    consider,
    consider_forced,
    tried,
)
from route_manager.route.domain import DEFAULT_CUSTOMER_ID, Route, RouteSettings, targets_of

START = datetime(2026, 1, 1, tzinfo=UTC)
CUSTOMER, STRANGER = new_id(), new_id()
PROVIDERS = [new_id() for _ in range(12)]
NUMBER = "+821012345678"
TARGETS = targets_of(NUMBER)


def a_route(
    provider: int,
    *,
    customer_id: UUID = CUSTOMER,
    target: str = "+82",
    priority: int = 0,
    age: int = 0,
    deleted: bool = False,
    shunned: bool = False,
) -> Candidate:
    settings = RouteSettings(PROVIDERS[provider], target, priority)
    route = Route(new_id(), customer_id, settings, START - timedelta(seconds=age))
    return Candidate(route, f"carrier {provider}", not deleted, provider_shunned=shunned)


def considered(*candidates: Candidate, customer_id: UUID = CUSTOMER) -> list[Considered]:
    return consider(candidates, customer_id, TARGETS)


def merged(*candidates: Candidate, customer_id: UUID = CUSTOMER) -> list[int]:
    found = tried(considered(*candidates, customer_id=customer_id))
    return [PROVIDERS.index(one.provider_id) for one in found]


def told(*candidates: Candidate) -> list[tuple[int, int, Reason]]:
    return [
        (PROVIDERS.index(one.dialroute.provider_id), one.place, one.reason)
        for one in considered(*candidates)
    ]


def test_the_longest_target_comes_first_and_all_last() -> None:
    assert merged(
        a_route(3, target="all", priority=0),
        a_route(2, target="+82", priority=1),
        a_route(1, target="+8210", priority=2),
        a_route(0, target=NUMBER, priority=3),
    ) == [0, 1, 2, 3]


def test_all_that_is_the_customers_comes_before_all_that_is_everybodys() -> None:
    default = DEFAULT_CUSTOMER_ID
    assert merged(
        a_route(4, customer_id=default, target="all"),
        a_route(3, customer_id=default),
        a_route(2, customer_id=default, target="+8210"),
        a_route(1, target="all"),
        a_route(0),
    ) == [0, 1, 2, 3, 4]


def test_an_unhealthy_provider_is_passed_by_while_another_is_left() -> None:
    assert told(
        a_route(0, priority=0, shunned=True),
        a_route(1, priority=1),
        a_route(2, priority=2, shunned=True),
    ) == [
        (0, 0, Reason.PROVIDER_UNHEALTHY),
        (1, 1, Reason.FIRST),
        (2, 0, Reason.PROVIDER_UNHEALTHY),
    ]


def test_when_nobody_else_is_left_the_unhealthy_ones_stay_in_their_order() -> None:
    assert told(
        a_route(0, priority=0, shunned=True),
        a_route(1, priority=1, deleted=True),
        a_route(2, priority=2, shunned=True),
    ) == [
        (0, 1, Reason.FIRST),
        (1, 0, Reason.PROVIDER_DELETED),
        (2, 2, Reason.HIGHER_PRIORITY_NUMBER),
    ]


def test_whoever_is_left_may_be_everybodys() -> None:
    assert merged(
        a_route(0, shunned=True), a_route(1, customer_id=DEFAULT_CUSTOMER_ID, target="all")
    ) == [1]


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


def test_priority_orders_within_a_target_only() -> None:
    assert merged(a_route(0, priority=9), a_route(1, target="all", priority=0)) == [0, 1]


def test_the_lower_number_comes_first_and_the_newest_among_equals() -> None:
    assert merged(
        a_route(0, priority=5, age=3), a_route(1, priority=5, age=1), a_route(2, priority=1, age=9)
    ) == [2, 1, 0]


def test_of_two_routes_to_one_provider_the_better_one_counts() -> None:
    assert merged(a_route(0, priority=9), a_route(1, priority=5), a_route(0, priority=1)) == [0, 1]


def test_other_customers_and_other_targets_are_ignored() -> None:
    assert (
        considered(
            a_route(0, customer_id=STRANGER),
            a_route(1, target="+81"),
            a_route(2, target="+8211"),
            a_route(3, target="+8"),  # what an earlier version may have stored
            a_route(4, target=""),
        )
        == []
    )


def test_everybodys_own_routes_are_merged_once() -> None:
    default = DEFAULT_CUSTOMER_ID
    routes = [a_route(0, customer_id=default), a_route(1, customer_id=default, target="all")]
    assert merged(*routes, customer_id=default) == [0, 1]


def test_eight_providers_are_tried_at_most_and_a_deleted_one_takes_no_place() -> None:
    routes = [a_route(number, priority=number, deleted=number == 3) for number in range(12)]
    assert merged(*routes) == [0, 1, 2, 4, 5, 6, 7, 8]


def test_every_route_says_why_it_stands_where_it_does() -> None:
    default = DEFAULT_CUSTOMER_ID
    assert told(
        a_route(0, target="+8210", deleted=True),
        a_route(1, target="+8210", priority=1),
        a_route(2, target="+82", priority=1),
        a_route(3, target="+82", priority=7, age=1),
        a_route(1, target="+82", priority=7, age=2),
        a_route(4, target="+82", priority=7, age=3),
        a_route(5, customer_id=default, target="+82"),
        *(a_route(6 + number, customer_id=default, target="all") for number in range(4)),
    )[:-1] == [
        (0, 0, Reason.PROVIDER_DELETED),
        (1, 1, Reason.FIRST),
        (2, 2, Reason.SHORTER_TARGET),
        (3, 3, Reason.HIGHER_PRIORITY_NUMBER),
        (1, 0, Reason.PROVIDER_REPEATED),
        (4, 4, Reason.OLDER),
        (5, 5, Reason.DEFAULT_AFTER_OWN),
        (9, 6, Reason.SHORTER_TARGET),
        (8, 7, Reason.OLDER),
        (7, 8, Reason.OLDER),
    ]


def test_the_sentences_name_what_decided() -> None:
    found = considered(
        *(a_route(number, priority=number) for number in range(9)),
        a_route(0, priority=20),
        a_route(10, target="+8210", deleted=True),
    )
    sentences = {one.reason: one.why for one in found}
    assert sentences == {
        Reason.PROVIDER_DELETED: "Its provider is deleted.",
        Reason.FIRST: "No route in service comes before it.",
        Reason.HIGHER_PRIORITY_NUMBER: "Its priority 7 comes after 6.",
        Reason.BEYOND_LIMIT: "8 routes come before it; no more are tried.",
        Reason.PROVIDER_REPEATED: "The route at place 1 leads to the same provider.",
    }


@given(
    st.lists(
        st.builds(
            a_route,
            st.integers(0, 11),
            customer_id=st.sampled_from([CUSTOMER, STRANGER, DEFAULT_CUSTOMER_ID]),
            target=st.sampled_from(["+82", "+8210", "+81", "all", NUMBER]),
            priority=st.integers(0, 3),
            age=st.integers(0, 3),
            deleted=st.booleans(),
            shunned=st.booleans(),
        ),
        max_size=40,
    ),
    st.randoms(use_true_random=False),
)
def test_the_answer_does_not_depend_on_the_order_of_the_routes(
    routes: list[Candidate], rng: object
) -> None:
    shuffled = list(routes)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    first = considered(*routes)
    assert considered(*shuffled) == first
    gone = {one.route.id for one in routes if not one.provider_in_service}
    used = tried(first)
    assert len({one.provider_id for one in used}) == len(used) <= DIALROUTES_MAX
    assert not {one.id for one in used} & gone
    told_ids = {one.dialroute.id for one in first}
    told_of = [one for one in routes if one.route.id in told_ids and one.provider_in_service]
    shunned = {one.route.id for one in told_of if one.provider_shunned}
    # Either everybody is passed by, or nobody who should be is tried.
    assert len(shunned) == len(told_of) or not {one.id for one in used} & shunned
    assert [one.place for one in first if one.place] == [*range(1, len(used) + 1)]
    assert all(
        one.dialroute.customer_id != STRANGER and one.dialroute.target != "+81" for one in first
    )


def test_forced_providers_keep_their_order_and_are_marked_as_made_up() -> None:
    forced = consider_forced({PROVIDERS[1]: InService("b"), PROVIDERS[0]: InService("a")}, CUSTOMER)
    assert [(one.place, one.reason, one.provider_name) for one in forced] == [
        (1, Reason.FORCED, "b"),
        (2, Reason.FORCED, "a"),
    ]
    found = tried(forced)
    assert [(one.id, one.provider_id, one.priority) for one in found] == [
        (PROVIDERS[1], PROVIDERS[1], 0),
        (PROVIDERS[0], PROVIDERS[0], 1),
    ]
    assert {(one.name, one.synthetic) for one in found} == {("synthetic-test-route", True)}
