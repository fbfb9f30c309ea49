"""Calls that money and caps let through, at carriers that do what the test says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select, update

from call_manager.billing import repository as billing
from call_manager.billing.consistency import mistakes
from call_manager.billing.domain import LAB_BALANCE, Movement
from call_manager.billing.gate import Gate
from call_manager.billing.ledger import Entry, Reference
from call_manager.billing.usage import PROVIDERS
from call_manager.call import repository as calls
from call_manager.call.creation import Settled
from call_manager.call.domain import (
    Call,
    CallStatus,
    Creation,
    Dialroute,
    HangupReason,
    Outcome,
    ProviderCaps,
)
from mesh.clock import new_id
from mesh.database import Transaction
from tests.unit.call_manager.dialer.dialer_world import PROVIDER_ID, World, a_call, eventually

CARRIERS = (new_id(), new_id(), new_id())
ROUTES = tuple(Dialroute(new_id(), carrier) for carrier in CARRIERS)
BALANCE = 30_000
"""Three minutes at a lab's rate."""


async def admitted(
    world: World, routes: Sequence[Dialroute] = ROUTES, balance: int = LAB_BALANCE
) -> UUID:
    """Store a call as its creation does, and wake the dialer."""
    call = replace(a_call(world.clock.now()), dialroutes=tuple(routes), flow_id=PROVIDER_ID)

    async def work(tx: Transaction) -> Call:
        account = await billing.open_lab(tx, call.customer_id, call.tm_create)
        spent = Entry(
            Movement.ADJUSTMENT, balance - account.balance, 0, new_id(), Reference.REQUEST
        )
        await billing.add_movement(tx, account, spent, call.tm_create)
        asked = Settled(False, (call,), (Outcome(call.id, admitted=True),))
        made = await Gate(world.clock, 3600).admit(tx, asked)
        creation = Creation(call.creation_id, False, "f", (), call.tm_create, call.customer_id)
        assert await calls.insert_creation(tx, creation)
        assert await calls.insert_calls(tx, made.calls)
        return made.calls[0]

    stored = await world.database.transact(work, name="test_commit")
    world.dialer.wake()
    return stored.id


async def slots(world: World) -> list[int]:
    """Return how many calls count at each of the carriers."""
    rows = await world.database.read(lambda tx: tx.all(select(PROVIDERS)), name="test_slots")
    used = {row["provider_id"]: row["live_calls"] for row in rows}
    return [used.get(carrier, 0) for carrier in CARRIERS]


async def switch(world: World, *, enabled: bool) -> None:
    change = update(billing.DIALING).values(enabled=enabled, reason="toll fraud")
    await world.database.transact(lambda tx: tx.run(change), name="test_switch")


async def agrees(world: World) -> bool:
    return await world.database.read(mistakes, name="test_mistakes") == ()


async def test_a_call_that_goes_on_counts_at_the_carrier_it_goes_to(world: World) -> None:
    call_id = await admitted(world)
    first = await world.lines.line(0)
    assert await slots(world) == [1, 0, 0]
    await first.refuse(503)
    second = await world.lines.line(1)
    assert await slots(world) == [0, 1, 0]
    assert await agrees(world)
    await second.refuse(486)
    await world.over(call_id)
    assert await slots(world) == [0, 0, 0]
    assert await agrees(world)


async def test_a_full_carrier_is_passed_by_at_a_failover_and_the_attempt_says_so(
    world: World,
) -> None:
    full = replace(ROUTES[1], caps=ProviderCaps(calls_at_once=1))
    other = await admitted(world, [full])
    await world.lines.line(0)
    call_id = await admitted(world, [ROUTES[0], full, ROUTES[2]])
    await (await world.lines.line(1)).refuse(503)
    third = await world.lines.line(2)
    assert await slots(world) == [0, 1, 1]
    attempt = (await world.attempts(call_id))[1]
    assert (attempt["provider_id"], attempt["reached"]) == (CARRIERS[1], False)
    assert attempt["detail"] == "The carrier has 1 calls, as many as it takes at once."
    await third.refuse(486)
    await world.over(call_id)
    await world.ask_hangup(other)
    await world.over(other)
    assert await agrees(world)


async def test_nothing_is_dialled_once_dialling_is_switched_off(stopped: World) -> None:
    call_id = await admitted(stopped)
    await switch(stopped, enabled=False)
    async with stopped.running():
        call = await stopped.over(call_id)
    assert [line.invites for line in stopped.lines.lines] == [0]
    assert call.hangup_reason is HangupReason.FAILED
    assert call.hangup_detail == "Dialling is switched off: toll fraud"
    assert (call.reserved, call.cost) == (0, 0)
    assert await agrees(stopped)


async def test_a_call_goes_on_to_no_carrier_once_dialling_is_switched_off(world: World) -> None:
    call_id = await admitted(world)
    first = await world.lines.line(0)
    await switch(world, enabled=False)
    await first.refuse(503)
    call = await world.over(call_id)
    assert (call.sip_code, call.provider_id) == (503, CARRIERS[0])
    assert call.hangup_detail == "Dialling is switched off: toll fraud"


async def test_a_challenge_is_not_answered_once_dialling_is_switched_off(world: World) -> None:
    call_id = await admitted(world)
    line = await world.lines.line(0)
    await switch(world, enabled=False)
    await line.invite(2)
    call = await world.over(call_id)
    assert (line.invites, call.hangup_reason) == (1, HangupReason.FAILED)
    assert call.hangup_detail == "Dialling is switched off: toll fraud"
    assert await slots(world) == [0, 0, 0]
    assert await agrees(world)


async def test_a_call_lasts_as_long_as_the_balance_pays_for_and_says_so(world: World) -> None:
    world.flows.script(("sleep", {"duration": 3_600_000}), ("sleep", {"duration": 3_600_000}))
    call_id = await admitted(world, balance=BALANCE)
    await (await world.lines.line()).answer()
    await world.until(call_id, CallStatus.PROGRESSING)
    await world.pass_time(179)
    assert (await world.call(call_id)).status is CallStatus.PROGRESSING
    await world.pass_time(1)
    call = await world.over(call_id)
    assert call.hangup_reason is HangupReason.TIMEOUT
    assert (
        call.hangup_detail == "The call lasted as long as its customer's balance paid for: 180 s."
    )
    assert call.cost == BALANCE
    assert await agrees(world)


async def test_a_stop_settles_every_call(stopped: World) -> None:
    # Without anything to do the call would be over before it is stopped.
    stopped.flows.script(("sleep", {"duration": 3_600_000}))
    async with stopped.running():
        call_id = await admitted(stopped)
        await (await stopped.lines.line()).answer()
        await stopped.until(call_id, CallStatus.PROGRESSING)

    async def over() -> bool:
        return (await stopped.call(call_id)).status is CallStatus.HANGUP

    await eventually(over)
    assert await slots(stopped) == [0, 0, 0]
    assert await agrees(stopped)
