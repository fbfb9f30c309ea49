"""A customer's money over REST: topped up, reserved, charged, refused; and the sums are equal."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx

from tests.support.carrier import Carrier
from tests.support.running_mesh import RunningMesh, ok, reason

PASSWORD = "correct horse battery"
US = "+12025550123"
PER_SECOND, AT_LEAST = Decimal("0.01"), Decimal("0.02")


@dataclass(frozen=True)
class Customer:
    """A customer that may call the US, asked for by its own administrator."""

    mesh: RunningMesh
    id: str
    headers: Mapping[str, str]
    account: str
    number: str

    async def get(self, path: str) -> Any:
        return ok(await self.mesh.http.get(f"/v1.0/{path}", headers=self.headers))

    async def call(self) -> httpx.Response:
        body = {
            "source": {"type": "tel", "target": self.number},
            "destinations": [{"type": "tel", "target": US}],
            "actions": [{"type": "answer"}, {"type": "sleep", "option": {"duration": 300}}],
        }
        return await self.mesh.http.post("/v1.0/calls", json=body, headers=self.headers)

    async def placed(self) -> str:
        return str(ok(await self.call())["calls"][0]["id"])

    async def money(self) -> tuple[str, str, str]:
        """Return balance, reserved and available."""
        account = await self.get("billing_account")
        return account["balance"], account["reserved"], account["available"]

    async def of_call(self, call_id: str) -> list[Any]:
        """Return a call's movements, the newest first."""
        found: list[Any] = (await self.get(f"billings?reference_id={call_id}"))["result"]
        return found

    async def sums_are_equal(self) -> None:
        booked = (await self.get("billings"))["result"]
        balance, reserved, _ = await self.money()
        assert sum(Decimal(one["amount"]) for one in booked) == Decimal(balance)
        assert sum(Decimal(one["reserved_amount"]) for one in booked) == Decimal(reserved)


async def a_customer(mesh: RunningMesh, carrier: Carrier) -> Customer:
    """Make a customer whose calls go to the carrier, at a rate of its own."""
    body = {"name": "Payer", "identity_verification_status": "verified"}
    customer_id = ok(await mesh.post("/v1.0/customers", body))["id"]
    of_it = {"customer_id": customer_id}
    agent = {**of_it, "username": f"{uuid4()}@example.com", "password": PASSWORD, "permission": 32}
    ok(await mesh.post("/v1.0/agents", agent))
    sign_in = {name: agent[name] for name in ("username", "password")}
    token = ok(await mesh.http.post("/auth/login", json=sign_in))["token"]
    whitelist = {**of_it, "destination_whitelist": ["us"]}
    ok(await mesh.post("/v1.0/outbound_configs", whitelist))
    provider = (await mesh.a_provider(carrier.address))["id"]
    route = {**of_it, "provider_id": provider, "target": "all", "name": "all"}
    ok(await mesh.post("/v1.0/routes", route))
    rate = {"provider_id": provider, "price_per_minute": "0.60", "price_minimum": "0.02"}
    ok(await mesh.post("/v1.0/rates", {**rate, "prefix": "+1", "increment": 1}))
    number = {**of_it, "type": "normal", "number": f"+1202557{random.randrange(10_000):04d}"}
    ok(await mesh.post("/v1.0/numbers", number))
    account = ok(await mesh.post("/v1.0/billing_accounts", of_it))["id"]
    headers = {"Authorization": f"Bearer {token}"}
    return Customer(mesh, customer_id, headers, account, number["number"])


async def test_a_call_is_paid_from_what_was_topped_up(mesh: RunningMesh, answers: Carrier) -> None:
    customer = await a_customer(mesh, answers)
    assert reason(await customer.call()) == (402, "INSUFFICIENT_BALANCE")
    ok(await mesh.put(f"/v1.0/call_limits/{customer.id}", {"duration_max": 30}))
    path = f"/v1.0/billing_accounts/{customer.account}"
    for _ in range(2):
        ok(await mesh.post(f"{path}/balance_add_force", {"amount": "1.00"}, idempotency_key="one"))
    assert await customer.money() == ("1.000000", "0.000000", "1.000000")

    call_id = await customer.placed()
    over = await mesh.ended(call_id)
    charge, reserve = await customer.of_call(call_id)
    assert (reserve["transaction_type"], reserve["amount"]) == ("reserve", "0.000000")
    assert (reserve["reserved_amount"], reserve["number"]) == ("0.300000", US)
    assert charge["transaction_type"] == "charge"
    cost = max(AT_LEAST, PER_SECOND * charge["duration"])
    assert Decimal(charge["amount"]) == -cost
    assert charge["reserved_amount"] == "-0.300000"
    assert (charge["price_per_minute"], charge["increment"]) == ("0.600000", 1)
    assert charge["provider_id"] == over["provider_id"]
    assert await customer.get(f"billings/{charge['id']}") == charge
    left = f"{1 - cost:.6f}"
    assert await customer.money() == (left, "0.000000", left)
    limit = await customer.get("call_limit")
    assert (limit["spent_today"], limit["live_calls"]) == (f"{cost:.6f}", 0)
    await customer.sums_are_equal()


async def test_a_call_that_nobody_answers_costs_nothing(mesh: RunningMesh, rings: Carrier) -> None:
    customer = await a_customer(mesh, rings)
    path = f"/v1.0/billing_accounts/{customer.account}"
    ok(await mesh.post(f"{path}/balance_add_force", {"amount": "0.30"}))
    call_id = await customer.placed()
    await mesh.call_in(call_id, "ringing")
    assert await customer.money() == ("0.300000", "0.300000", "0.000000")
    assert (await customer.get("call_limit"))["live_calls"] == 1
    # What is reserved is neither spent twice nor taken out.
    assert reason(await customer.call()) == (402, "INSUFFICIENT_BALANCE")
    taken = await mesh.post(f"{path}/balance_subtract_force", {"amount": "0.000001"})
    assert reason(taken) == (409, "BALANCE_NOT_AVAILABLE")
    ok(await mesh.post(f"/v1.0/calls/{call_id}/hangup"))
    await mesh.ended(call_id)
    assert [one["transaction_type"] for one in await customer.of_call(call_id)] == [
        "release",
        "reserve",
    ]
    assert await customer.money() == ("0.300000", "0.000000", "0.300000")
    await customer.sums_are_equal()


async def test_a_switch_a_freeze_and_a_limit_keep_calls_back(
    mesh: RunningMesh, answers: Carrier
) -> None:
    customer = await a_customer(mesh, answers)
    path = f"/v1.0/billing_accounts/{customer.account}"
    ok(await mesh.post(f"{path}/balance_add_force", {"amount": "5"}))
    off = ok(await mesh.put("/v1.0/dialing", {"enabled": False, "reason": "a drill"}))
    try:
        assert off["agent_id"] == mesh.ready["admin"]["agent_id"]
        assert reason(await customer.call()) == (403, "DIALING_DISABLED")
    finally:
        ok(await mesh.put("/v1.0/dialing", {"enabled": True}))
    ok(await mesh.put(path, {"status": "frozen"}))
    assert reason(await customer.call()) == (403, "BILLING_ACCOUNT_NOT_ACTIVE")
    ok(await mesh.put(path, {"status": "active"}))
    ok(await mesh.put(f"/v1.0/call_limits/{customer.id}", {"daily_spend": "0"}))
    refused = await customer.call()
    assert reason(refused) == (429, "DAILY_SPEND_REACHED")
    assert 0 < int(refused.headers["Retry-After"]) <= 24 * 60 * 60
    ok(await mesh.put(f"/v1.0/call_limits/{customer.id}", {"daily_spend": ""}))
    await mesh.ended(await customer.placed())
    await customer.sums_are_equal()
