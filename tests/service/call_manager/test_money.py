"""What is reserved for calls and what they are charged, from their creation to their end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import update

from call_manager.billing import repository as billing
from call_manager.billing.domain import Caps
from call_manager.call.domain import ProviderCaps
from mesh.clock import new_id
from tests.service.call_manager.calls_world import NUMBER, in_seconds, refusal, sip
from tests.service.call_manager.money_world import CENT, HOUR_COST, NOON, Money, money


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[Money]:
    async with money(tmp_path, database_url) as running:
        yield running


async def test_a_call_that_nobody_answered_costs_nothing(world: Money) -> None:
    await world.give(10**7)
    call = (await world.create()).calls[0]
    assert (call.reserved, call.cost, call.duration_max) == ("0.600000", "0.000000", 3600)
    ended = await world.hangup(call.id)
    assert (ended.reserved, ended.cost) == ("0.000000", "0.000000")
    account = await world.account()
    assert (account.balance, account.reserved, account.spent) == (10**7, 0, 0)
    kinds = [(row["transaction_type"], row["reserved_amount"]) for row in await world.movements()]
    assert kinds[1:] == [("reserve", HOUR_COST), ("release", -HOUR_COST)]


async def test_an_answered_call_is_charged_for_its_begun_increments_at_its_carriers_rate(
    world: Money,
) -> None:
    cheap, dear = str(new_id()), str(new_id())
    world.routes.carriers = [cheap, dear]
    await world.rate(UUID(cheap), "1", CENT, increment_s=1)
    await world.rate(UUID(dear), "1", 6 * CENT, increment_s=6)
    await world.give(10**7)
    call = (await world.create()).calls[0]
    assert call.reserved == "3.600000", "the dearest of its carriers, for as long as it may last"
    answered = NOON + timedelta(seconds=5)
    await world.move(call.id, status="progressing", tm_progressing=answered, provider_id=UUID(dear))
    # A rate that changes meanwhile is for later calls.
    await world.forget_rates()
    ended = await world.end(call.id, answered + timedelta(seconds=61, milliseconds=1))
    assert ended.cost == 66_000
    charge = (await world.movements())[-1]
    assert (charge["transaction_type"], charge["duration_s"], charge["billed_s"]) == (
        "charge",
        62,
        66,
    )
    assert (charge["amount"], charge["reserved_amount"]) == (-66_000, -3_600_000)
    account = await world.account()
    assert (account.balance, account.reserved, account.spent) == (10**7 - 66_000, 0, 66_000)
    assert charge["balance_after"] == account.balance


async def test_a_call_is_never_charged_more_than_was_reserved_for_it(world: Money) -> None:
    await world.give(3 * CENT)
    call = (await world.create()).calls[0]
    assert (call.reserved, call.duration_max) == ("0.030000", 180)
    carrier = UUID(world.routes.carrier)
    await world.move(call.id, status="progressing", tm_progressing=NOON, provider_id=carrier)
    # The BYE took its time.
    await world.end(call.id, NOON + timedelta(seconds=240))
    assert (await world.account()).balance == 0


async def test_a_cheap_carriers_call_is_not_charged_for_the_time_that_its_bye_took(
    world: Money,
) -> None:
    cheap, dear = str(new_id()), str(new_id())
    world.routes.carriers = [cheap, dear]
    await world.rate(UUID(dear), "1", 6 * CENT)
    await world.give(10**9, caps=Caps(0, 0, 60, None, 0))
    call = (await world.create()).calls[0]
    assert call.reserved == "0.060000", "there is more reserved than the cheap one may cost"
    await world.move(call.id, status="progressing", tm_progressing=NOON, provider_id=UUID(cheap))
    ended = await world.end(call.id, NOON + timedelta(seconds=60, milliseconds=20))
    assert ended.cost == CENT
    charge = (await world.movements())[-1]
    assert (charge["duration_s"], charge["billed_s"], charge["amount"]) == (61, 60, -CENT)


async def test_a_call_that_was_hung_up_costs_nothing_more_however_late_its_bye_is_answered(
    world: Money,
) -> None:
    await world.give()
    call = (await world.create()).calls[0]
    carrier = UUID(world.routes.carrier)
    await world.move(
        call.id, status="progressing", tm_progressing=NOON, provider_id=carrier,
        dial_state="claimed",
    )  # fmt: skip
    await world.clock.advance(59)
    await world.hangup(call.id)
    # No answer came for as long as a BYE waits for one (RFC 3261 section 17.1.2.2).
    ended = await world.end(call.id, NOON + timedelta(seconds=59 + 32))
    assert (ended.cost, (await world.movements())[-1]["duration_s"]) == (CENT, 59)


async def test_what_a_clock_spent_on_a_far_day_does_not_count_when_it_went_back(
    world: Money,
) -> None:
    await world.give(10**9, caps=Caps(0, 0, 60, CENT, 0))
    call = (await world.create()).calls[0]
    carrier = UUID(world.routes.carrier)
    ahead = NOON + timedelta(days=365)
    await world.move(call.id, status="progressing", tm_progressing=ahead, provider_id=carrier)
    await world.end(call.id, ahead + timedelta(seconds=30))
    assert (await world.create()).calls[0].reserved == "0.010000"


async def test_the_balance_and_the_caps_say_how_long_a_call_may_last(world: Money) -> None:
    carrier = world.routes.carrier
    await world.give(10**9, caps=Caps(0, 0, 1200, None, 0))
    assert (await world.create()).calls[0].duration_max == 1200
    world.routes.caps = {carrier: ProviderCaps(duration_max_s=300)}
    call = (await world.create()).calls[0]
    assert (call.duration_max, call.reserved) == (300, "0.050000")
    terms = (await world.row(call.id))["dialroutes"][0]["terms"]
    assert (terms["longest_s"], terms["limit"]) == (300, "carrier")


async def test_who_cannot_pay_for_the_shortest_call_makes_none(world: Money) -> None:
    await world.give(CENT - 1)
    error = await refusal(world.create())
    assert (error.code.name, error.reason) == ("FAILED_PRECONDITION", "INSUFFICIENT_BALANCE")
    assert await world.counts() == (0, 0)


async def test_what_a_rule_refused_is_told_before_what_money_refuses(world: Money) -> None:
    await world.give(caps=Caps(0, 0, 3600, 0, 0))
    assert (await refusal(world.create())).reason == "DAILY_SPEND_REACHED"
    world.routes.unserved.add("+15550100009")
    error = await refusal(world.create(NUMBER, "+15550100009"))
    assert (error.reason, error.metadata["index"]) == ("NO_DIALROUTE", "1")
    assert await world.counts() == (0, 0)


async def test_a_sip_address_that_needs_no_carrier_is_free_and_leaves_no_movement(
    world: Money,
) -> None:
    await world.give(CENT)
    answer = await world.create(destinations=[sip("bob@example.com")])
    assert (answer.calls[0].reserved, answer.calls[0].duration_max) == ("0.000000", 3600)
    assert (await world.account()).live_calls == 1
    await world.hangup(answer.calls[0].id)
    assert [row["transaction_type"] for row in await world.movements()] == ["top_up"]
    assert (await world.account()).live_calls == 0


async def test_what_was_spent_counts_until_the_day_is_over(world: Money) -> None:
    await world.give(10**9, caps=Caps(0, 0, 60, 2 * CENT, 0))
    for _ in range(2):
        call = (await world.create()).calls[0]
        carrier = UUID(world.routes.carrier)
        await world.move(call.id, status="progressing", tm_progressing=NOON, provider_id=carrier)
        await world.end(call.id, NOON + timedelta(seconds=30))
    error = await refusal(world.create())
    assert (error.reason, error.metadata["used"]) == ("DAILY_SPEND_REACHED", "0.020000")
    await world.clock.advance(error.retry_after_s or 0)
    await world.create()


async def test_a_call_settles_once_however_often_it_is_ended(world: Money) -> None:
    await world.give(10**7)
    call = (await world.create()).calls[0]
    await world.hangup(call.id)
    await world.hangup(call.id)
    await world.delete(call.id)
    assert [row["transaction_type"] for row in await world.movements()] == [
        "top_up",
        "reserve",
        "release",
    ]


async def test_nothing_is_created_while_dialling_is_switched_off(world: Money) -> None:
    await world.give()
    change = update(billing.DIALING).values(enabled=False, reason="toll fraud")
    await world.database.transact(lambda tx: tx.run(change), name="test_switch")
    error = await refusal(world.create(NUMBER, dial_not_after=in_seconds(60)))
    assert error.reason == "DIALING_DISABLED"
    assert "toll fraud" in error.message
    assert await world.counts() == (0, 0)
