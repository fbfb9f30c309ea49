"""What a refusal leaves behind: nothing of a request, or a call that says why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from call_manager.billing import repository as billing
from call_manager.billing.domain import Movement
from call_manager.billing.ledger import Entry, Reference
from call_manager.outbound_config.domain import OutboundConfigChange
from mesh.clock import new_id
from mesh.database import Transaction
from mesh.errors import ServiceUnavailable
from tests.service.call_manager.calls_world import World, facts, known, raw, refusal, sip, tel

PREMIUM, ORDINARY = "+19005550199", "+12025550123"
CARRIERS_HOST = "carrier.example:5060"


async def switch_off(world: World) -> None:
    async def work(tx: Transaction) -> None:
        off = {"enabled": False, "reason": "Somebody calls Cuba."}
        await tx.run(update(billing.DIALING).values(off))

    await world.database.transact(work, name="test_switch_off")


async def spend_all_but(world: World, left: int) -> None:
    """Take the customer's money away, as a super-admin does."""
    now = datetime.now(UTC)

    async def work(tx: Transaction) -> None:
        held = await billing.held_account(tx, UUID(world.customer), now)
        taken = left - held.balance
        entry = Entry(Movement.ADJUSTMENT, taken, 0, new_id(), Reference.REQUEST)
        await billing.add_movement(tx, held, entry, now)

    await world.database.transact(work, name="test_spend")


async def freeze(world: World) -> None:
    async def work(tx: Transaction) -> None:
        mine = billing.ACCOUNTS.c.customer_id == UUID(world.customer)
        await tx.run(update(billing.ACCOUNTS).where(mine).values(status="frozen"))

    await world.database.transact(work, name="test_freeze")


async def configured(world: World, **columns: Any) -> None:
    config = await world.configs.open(UUID(world.customer))
    await world.configs.update(config.id, OutboundConfigChange(columns))


async def told(world: World, **fields: Any) -> str:
    """Return the reason that a request is refused with, and see that it left nothing."""
    reason = facts(await refusal(world.calls().CallsCreate(world.request(**fields))))[1]
    assert await world.counts() == (0, 0)
    assert world.dialled.wakes == 0
    return reason


async def test_every_rule_in_its_order_leaves_nothing_of_what_it_refuses(world: World) -> None:
    """From the last rule to the first: each request breaks one rule more than the one before."""
    world.routes.hosts = {CARRIERS_HOST}
    at_a_carrier = [sip(f"bob@{CARRIERS_HOST}")]
    assert await told(world, destinations=at_a_carrier) == "PROVIDER_HOST_NOT_ALLOWED"
    world.routes.unserved = {PREMIUM, ORDINARY}
    assert await told(world, destinations=[tel(ORDINARY)]) == "NO_DIALROUTE"
    broken: dict[str, Any] = {"destinations": [tel(PREMIUM)]}
    assert await told(world, **broken) == "NUMBER_TYPE_NOT_ALLOWED"
    await configured(world, destination_whitelist=["kr"], everywhere=False)
    assert await told(world, **broken) == "DESTINATION_NOT_ALLOWED"
    broken = {"destinations": [tel("+99912345678")]}
    assert await told(world, **broken) == "DESTINATION_INVALID"
    await spend_all_but(world, 9_999)
    assert await told(world, **broken) == "INSUFFICIENT_BALANCE"
    await freeze(world)
    assert await told(world, **broken) == "BILLING_ACCOUNT_NOT_ACTIVE"
    broken = {"destinations": [tel(ORDINARY)], "customer": known(identity_verification="none")}
    assert await told(world, **broken) == "IDENTITY_VERIFICATION_REQUIRED"
    broken = {
        "destinations": [tel(ORDINARY)],
        "customer": known(status="frozen", identity_verification="none"),
    }
    assert await told(world, **broken) == "CUSTOMER_NOT_ACTIVE"
    await switch_off(world)
    assert await told(world, **broken) == "DIALING_DISABLED"


async def test_what_is_blocked_among_others_is_a_call_that_is_over_and_says_why(
    world: World,
) -> None:
    world.routes.hosts = {CARRIERS_HOST}
    made = await world.calls().CallsCreate(
        world.request(destinations=[tel(PREMIUM), tel(ORDINARY), sip(f"bob@{CARRIERS_HOST}")])
    )
    assert [one.reason for one in made.outcomes] == [
        "NUMBER_TYPE_NOT_ALLOWED",
        "",
        "PROVIDER_HOST_NOT_ALLOWED",
    ]
    rows = [await world.row(call.id) for call in made.calls]
    assert [row["status"] for row in rows] == ["hangup", "dialing", "hangup"]
    assert [row["dial_state"] for row in rows] == ["done", "queued", "done"]
    assert "premium_rate" in rows[0]["hangup_detail"]


async def test_nothing_is_called_while_carriers_hosts_cannot_be_asked_for(world: World) -> None:
    world.routes.failure = ServiceUnavailable("away")
    error = await refusal(
        world.calls().CallsCreate(world.request(destinations=[sip("bob@office.example")]))
    )
    assert error.reason == "SERVICE_UNAVAILABLE"
    assert await world.counts() == (0, 0)


@pytest.mark.parametrize("forced", [True, False])
async def test_a_type_that_is_allowed_by_name_is_called(world: World, forced: bool) -> None:
    await configured(world, allowed_number_types=["premium_rate"])
    providers = {"route_provider_ids": [str(new_id())]} if forced else {}
    made = await world.calls().CallsCreate(
        world.request(PREMIUM, metadata=raw(skip_source_validation=True, **providers))
    )
    assert [one.reason for one in made.outcomes] == [""]
