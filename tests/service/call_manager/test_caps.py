"""Two hundred who call at once: of every cap exactly as many pass as it says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

import pytest
from voipbin.call.v1 import call_service_pb2

from call_manager.billing.domain import Caps, Plan
from call_manager.call.domain import ProviderCaps
from mesh.clock import new_id
from tests.service.call_manager.calls_world import NUMBER, refusal
from tests.service.call_manager.money_world import CENT, HOUR_COST, Money, money

AT_ONCE = 200
CAP = 7
NONE = Caps(0, 0, 3600, None, 0)


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[Money]:
    async with money(tmp_path, database_url) as running:
        yield running


def numbers(
    world: Money, number: Callable[[int], str]
) -> list[call_service_pb2.CallsCreateRequest]:
    return [world.request(number(at)) for at in range(AT_ONCE)]


def many(at: int) -> str:
    return f"+1555010{at:04d}"


CAPS = [
    (Caps(CAP, 0, 3600, None, 0), 10**9, "CALL_RATE_REACHED"),
    (Caps(0, CAP, 3600, None, 0), 10**9, "CALLS_AT_ONCE_REACHED"),
    (Caps(0, 0, 3600, CAP * HOUR_COST, 0), 10**9, "DAILY_SPEND_REACHED"),
    (NONE, CAP * HOUR_COST, "INSUFFICIENT_BALANCE"),
]


@pytest.mark.parametrize(("caps", "balance", "reason"), CAPS, ids=[row[2] for row in CAPS])
async def test_of_two_hundred_at_once_a_customer_has_exactly_its_cap(
    world: Money, caps: Caps, balance: int, reason: str
) -> None:
    await world.give(balance, caps=caps)
    made, refused = await world.many(numbers(world, many))
    assert (len(made), Counter(one.reason for one in refused)) == (
        CAP,
        {reason: AT_ONCE - CAP},
    )
    account = await world.account()
    assert (account.live_calls, account.reserved) == (CAP, CAP * HOUR_COST)
    assert await world.counts() == (CAP, CAP)


async def test_of_two_hundred_calls_to_one_number_exactly_the_days_cap_are_made(
    world: Money,
) -> None:
    await world.give(caps=Caps(0, 0, 3600, None, CAP))
    made, refused = await world.many(numbers(world, lambda _: NUMBER))
    assert (len(made), {one.reason for one in refused}) == (CAP, {"NUMBER_CALLED_TOO_OFTEN"})
    await world.create(many(1))
    # Noon is twelve hours before the next day.
    assert refused[0].retry_after_s == 12 * 3600
    await world.clock.advance(12 * 3600)
    await world.create(NUMBER)
    assert await world.called() == {NUMBER: 1}


@pytest.mark.parametrize(
    ("caps", "reason"),
    [
        (ProviderCaps(calls_at_once=CAP), "PROVIDER_FULL"),
        (ProviderCaps(calls_per_second=CAP), "PROVIDER_RATE_REACHED"),
    ],
)
async def test_of_two_hundred_at_once_by_many_customers_a_carrier_gets_exactly_its_cap(
    world: Money, caps: ProviderCaps, reason: str
) -> None:
    world.routes.caps[world.routes.carrier] = caps
    # Nobody waits for anybody else's account here: it is the carrier's use that holds them.
    customers = [await world.another_customer() for _ in range(AT_ONCE // 20)]
    made, refused = await world.many(
        [world.request(many(at), customer_id=customers[at // 20]) for at in range(AT_ONCE)]
    )
    assert (len(made), {one.reason for one in refused}) == (CAP, {reason})
    assert await world.used(world.routes.carrier) == CAP


async def test_a_carrier_that_is_full_is_passed_by_for_the_next(world: Money) -> None:
    first, second = world.routes.carrier, str(new_id())
    world.routes.carriers = [first, second]
    world.routes.caps = {
        first: ProviderCaps(calls_at_once=1),
        second: ProviderCaps(calls_at_once=2),
    }
    await world.give()
    went = []
    for at in range(3):
        call = (await world.create(many(at))).calls[0]
        row = await world.row(call.id)
        went.append((str(row["slot_provider_id"]), len(row["dialroutes"])))
    assert went == [(first, 2), (second, 1), (second, 1)]
    error = await refusal(world.create(many(9)))
    assert (error.reason, error.metadata["provider_id"]) == ("PROVIDER_FULL", first)


async def test_calls_from_before_a_carrier_had_a_cap_count_when_it_has_one(world: Money) -> None:
    carrier = world.routes.carrier
    await world.give()
    await world.create(many(1), many(2))
    assert await world.used(carrier) == 2
    world.routes.caps[carrier] = ProviderCaps(calls_at_once=3)
    await world.create(many(3))
    assert (await refusal(world.create(many(4)))).reason == "PROVIDER_FULL"
    world.routes.caps[carrier] = ProviderCaps(duration_max_s=60)
    await world.create(many(5))
    assert await world.used(carrier) == 4


async def test_a_second_later_the_rate_lets_as_many_pass_again(world: Money) -> None:
    await world.give(caps=Caps(2, 0, 3600, None, 0))
    assert [len(part) for part in await world.many(numbers(world, many)[:5])] == [2, 3]
    error = await refusal(world.create())
    assert error.retry_after_s == 0.5
    await world.clock.advance(0.5)
    await world.create()
    assert (await refusal(world.create())).reason == "CALL_RATE_REACHED"
    await world.clock.advance(1.0)
    assert [len(part) for part in await world.many(numbers(world, many)[:5])] == [2, 3]


async def test_one_refused_destination_is_told_and_the_others_are_called(world: Money) -> None:
    await world.give(caps=Caps(0, 2, 3600, None, 0))
    answer = await world.create(many(1), many(2), many(3))
    assert [(one.admitted, one.reason) for one in answer.outcomes] == [
        (True, ""),
        (True, ""),
        (False, "CALLS_AT_ONCE_REACHED"),
    ]
    refused = await world.get(answer.calls[2].id)
    assert (refused.error_reason, refused.duration_max) == ("CALLS_AT_ONCE_REACHED", 0)
    assert (refused.reserved, refused.cost) == ("0.000000", "0.000000")
    assert (await world.account()).live_calls == 2
    assert await world.used(world.routes.carrier) == 2


async def test_a_repeat_is_answered_as_the_first_time_and_takes_nothing(world: Money) -> None:
    await world.give(caps=Caps(0, 1, 3600, None, 0))
    request = world.request(many(1), many(2))
    first = await world.calls().CallsCreate(request)
    again = await world.calls().CallsCreate(request)
    assert again.outcomes == first.outcomes
    assert (await world.account()).live_calls == 1


async def test_the_end_of_a_call_makes_room_for_the_next(world: Money) -> None:
    await world.give(caps=Caps(0, 1, 3600, None, 0))
    call = (await world.create(many(1))).calls[0]
    assert (await refusal(world.create(many(2)))).reason == "CALLS_AT_ONCE_REACHED"
    await world.hangup(call.id)
    await world.create(many(2))
    account = await world.account()
    assert (account.live_calls, account.reserved, account.balance) == (1, HOUR_COST, 10**9)


async def test_a_number_without_a_rate_is_not_called_unless_the_plan_is_unlimited(
    world: Money,
) -> None:
    await world.forget_rates()
    await world.rate(UUID(world.routes.carrier), "44", CENT)
    await world.give()
    error = await refusal(world.create())
    assert (error.reason, error.metadata["number"]) == ("RATE_MISSING", NUMBER)
    await world.give(plan=Plan.UNLIMITED)
    call = (await world.create()).calls[0]
    assert (call.reserved, call.duration_max) == ("0.000000", 3600)


async def test_carriers_without_a_rate_are_left_out(world: Money) -> None:
    rated, unrated = str(new_id()), str(new_id())
    world.routes.carriers = [unrated, rated]
    await world.forget_rates()
    await world.rate(UUID(rated), "1555", CENT)
    await world.give()
    row = await world.row((await world.create()).calls[0].id)
    assert [route["provider_id"] for route in row["dialroutes"]] == [rated]
    assert str(row["slot_provider_id"]) == rated


async def test_creations_and_ends_at_once_leave_every_sum_as_it_should_be(world: Money) -> None:
    first, second = world.routes.carrier, str(new_id())
    world.routes.carriers = [first, second]
    world.routes.caps = {first: ProviderCaps(calls_at_once=20)}
    await world.give()
    made, _ = await world.many([world.request(many(at)) for at in range(40)])
    ends = asyncio.gather(*(world.hangup(answer.calls[0].id) for answer in made))
    more, refused = await world.many([world.request(many(at)) for at in range(40)])
    await ends
    assert (len(more), refused) == (40, [])
    account = await world.account()
    assert (account.live_calls, account.reserved) == (40, 40 * HOUR_COST)
    assert await world.used(first) + await world.used(second) == 40
    assert await world.used(first) <= 20
