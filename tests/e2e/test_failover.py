"""A customer's call over three carriers, as REST shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest_asyncio

from tests.support.carrier import Carrier, carrier
from tests.support.running_mesh import RunningMesh, ok, reason

NUMBER: Final = "+12025550147"
ADMIN: Final = "customer_admin"


@pytest_asyncio.fixture(loop_scope="session")
async def carriers() -> AsyncIterator[list[Carrier]]:
    """Three carriers: one is overloaded, one does not know the number, one answers."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(carrier(code)) for code in (503, 404, 200)]


async def routed(mesh: RunningMesh, carriers: list[Carrier]) -> list[dict[str, Any]]:
    """Send the customer's calls to the number to these carriers, in their order."""
    providers = []
    for place, one in enumerate(carriers, start=1):
        provider = await mesh.a_provider(
            one.address, number_format="digits", tech_prefix=f"{place}#"
        )
        route = {
            "customer_id": mesh.ready[ADMIN]["customer_id"],
            "provider_id": provider["id"],
            "target": NUMBER,
            "priority": place,
        }
        ok(await mesh.post("/v1.0/routes", route))
        providers.append(provider)
    return providers


async def test_a_call_reaches_the_third_carrier_and_shows_all_three(
    mesh: RunningMesh, carriers: list[Carrier]
) -> None:
    providers = await routed(mesh, carriers)
    source = {"number": "+12025550148", "type": "normal"}
    ok(
        await mesh.post(
            "/v1.0/numbers", {**source, "customer_id": mesh.ready[ADMIN]["customer_id"]}
        )
    )
    body = {
        "source": {"type": "tel", "target": source["number"]},
        "destinations": [{"type": "tel", "target": NUMBER}],
    }
    placed = ok(await mesh.post("/v1.0/calls", body, ADMIN))["calls"]
    call = await mesh.ended(placed[0]["id"])

    assert (call["hangup_reason"], call["sip_code"]) == ("normal", 200)
    assert call["provider_id"] == providers[2]["id"]
    attempts = call["attempts"]
    assert [one["provider_id"] for one in attempts] == [one["id"] for one in providers]
    assert [(one["sequence"], one["leg"]) for one in attempts] == [(1, 1), (2, 2), (3, 3)]
    assert [one["sip_code"] for one in attempts] == [503, 404, 200]
    assert [one["transport"] for one in attempts] == ["udp"] * 3
    assert not any(one["continued"] for one in attempts)
    assert [one["pdd_ms"] is None for one in attempts] == [True, True, False]
    assert all(one["tm_first_response"] is not None for one in attempts)
    assert [one["media"] is None for one in attempts] == [True, True, False]
    # Each in its own carrier's form, without the `+`.
    assert [one.numbers for one in carriers] == [[f"{n}#12025550147"] for n in (1, 2, 3)]

    path = f"/v1.0/timelines/calls/{call['id']}/events"
    events = ok(await mesh.get(path, ADMIN))["result"]
    switches = [one for one in reversed(events) if one["event_type"] == "call_updated"]
    assert [one["data"]["provider_id"] for one in switches] == [one["id"] for one in providers[1:]]
    ladder = await mesh.ladder(call["id"])
    assert [method for method in ladder if "INVITE" in method] == [
        "INVITE", "503 INVITE", "INVITE", "404 INVITE", "INVITE", "180 INVITE", "200 INVITE",
    ]  # fmt: skip


async def test_administrators_see_after_which_answers_a_providers_calls_go_on(
    mesh: RunningMesh,
) -> None:
    plain = await mesh.a_provider("sip.carrier.example")
    own = await mesh.a_provider("sip.carrier.example", failover_codes=["486", "5xx"])

    shown = ok(await mesh.get(f"/v1.0/providers/{plain['id']}/failover"))
    assert list(shown) == ["provider_id", "source", "rows"]
    assert (shown["provider_id"], shown["source"]) == (plain["id"], "platform")
    rows = {row["code"]: row for row in shown["rows"]}
    assert rows["486"] == {"code": "486", "cause": 17, "fails_over": False, "source": "platform"}
    assert rows["5xx"]["fails_over"] is rows["unreachable"]["fails_over"] is True

    shown = ok(await mesh.get(f"/v1.0/providers/{own['id']}/failover"))
    rows = {row["code"]: row for row in shown["rows"]}
    assert rows["486"] == {"code": "486", "cause": 17, "fails_over": True, "source": "provider"}
    assert rows["4xx"]["fails_over"] is rows["unreachable"]["fails_over"] is False

    refused = await mesh.get(f"/v1.0/providers/{own['id']}/failover", ADMIN)
    assert reason(refused) == (403, "PERMISSION_DENIED")
