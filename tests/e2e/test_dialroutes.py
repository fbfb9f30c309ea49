"""Routes by prefix, and why a call goes where it goes, over REST."""

from __future__ import annotations

from typing import Any, Final

import pytest

from mesh.clock import new_id
from tests.support.running_mesh import RunningMesh, ok, reason

EXPLAIN: Final = "/v1.0/dialroutes/explain"
NUMBER: Final = "+821012345678"
EXPLAINED_KEYS: Final = [
    "number", "country_code", "country", "customer_id", "targets", "result", "truncated",
]  # fmt: skip
CONSIDERED_KEYS: Final = [
    "id", "customer_id", "provider_id", "provider_name", "name", "priority", "target",
    "synthetic", "used", "place", "reason", "why",
]  # fmt: skip


async def a_route(mesh: RunningMesh, provider_id: str, **fields: Any) -> str:
    body = {"provider_id": provider_id, **fields}
    made: str = ok(await mesh.post("/v1.0/routes", body))["id"]
    return made


async def test_an_explanation_names_every_route_its_place_and_its_reason(mesh: RunningMesh) -> None:
    a, b, gone = [
        (await mesh.a_provider("sip.carrier.example", name=name))["id"]
        for name in ("a", "b", "gone")
    ]
    customer_id = str(new_id())
    own = {"customer_id": customer_id}
    country = await a_route(mesh, a, target="+82", **own)
    again = await a_route(mesh, b, target="all", priority=1, **own)
    mobile = await a_route(mesh, b, target="+8210", priority=9, **own)
    dead = await a_route(mesh, gone, target="+82", priority=5, **own)
    assert ok(await mesh.delete(f"/v1.0/providers/{gone}"))["tm_delete"]

    told = ok(await mesh.post(EXPLAIN, {"destination": "+82 10-1234-5678", **own}))

    assert list(told) == EXPLAINED_KEYS
    assert (told["number"], told["country_code"], told["country"]) == (NUMBER, "+82", "kr")
    assert told["customer_id"] == customer_id
    assert told["targets"][:1] + told["targets"][-2:] == [NUMBER, "+82", "all"]
    result = told["result"][:4]
    assert list(result[0]) == CONSIDERED_KEYS
    assert [(one["id"], one["used"], one["place"], one["reason"]) for one in result] == [
        (mobile, True, 1, "first"),
        (country, True, 2, "shorter_target"),
        (dead, False, 0, "provider_deleted"),
        (again, False, 0, "provider_repeated"),
    ]
    assert result[0]["provider_name"] == "b"
    assert all(one["why"] for one in told["result"])


async def test_forced_providers_are_the_only_ones_considered(mesh: RunningMesh) -> None:
    providers = [(await mesh.a_provider("sip.carrier.example"))["id"] for _ in range(2)]
    told = ok(await mesh.post(EXPLAIN, {"destination": NUMBER, "provider_ids": providers}))
    assert told["customer_id"] == mesh.ready["admin"]["customer_id"]
    assert [one["provider_id"] for one in told["result"]] == providers
    assert {one["reason"] for one in told["result"]} == {"forced"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "INVALID_DESTINATION_NUMBER")),
        ({"destination": "82101234567"}, (400, "INVALID_DESTINATION_NUMBER")),
        ({"destination": "+999123456789"}, (400, "INVALID_DESTINATION_NUMBER")),
        ({"destination": NUMBER, "customer_id": "me"}, (400, "INVALID_ID")),
        ({"destination": NUMBER, "provider_ids": ["x"]}, (400, "INVALID_ID")),
        ({"destination": NUMBER, "provider_ids": [str(new_id())]}, (404, "PROVIDER_NOT_FOUND")),
        ({"destination": NUMBER, "metadata": {}}, (400, "INVALID_ARGUMENT")),
    ],
)
async def test_a_question_that_cannot_be(
    mesh: RunningMesh, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert reason(await mesh.post(EXPLAIN, body)) == expected


async def test_only_a_platform_administrator_is_told(mesh: RunningMesh) -> None:
    response = await mesh.post(EXPLAIN, {"destination": NUMBER}, role="customer_admin")
    assert reason(response) == (403, "PERMISSION_DENIED")


async def test_routes_are_listed_by_customer_and_provider(mesh: RunningMesh) -> None:
    provider = (await mesh.a_provider("sip.carrier.example"))["id"]
    other = (await mesh.a_provider("sip.carrier.example"))["id"]
    customer_id = str(new_id())
    first = await a_route(mesh, provider, customer_id=customer_id, target="+8210")
    await a_route(mesh, other, customer_id=customer_id, target="all")
    listed = ok(await mesh.get(f"/v1.0/routes?provider_id={provider}&customer_id={customer_id}"))
    assert [one["id"] for one in listed["result"]] == [first]
    assert listed["next_page_token"] == ""


async def test_records_are_listed_by_agent_and_time(mesh: RunningMesh) -> None:
    provider = (await mesh.a_provider("127.0.0.1:9"))["id"]
    records = [await mesh.place(provider, NUMBER) for _ in range(3)]
    times = [record["tm_create"] for record in records]
    path = f"/v1.0/providercalls?provider_id={provider}"

    async def ids(query: str) -> list[str]:
        return [one["id"] for one in ok(await mesh.get(f"{path}{query}"))["result"]]

    every = [record["id"] for record in reversed(records)]
    assert await ids(f"&agent_id={records[0]['agent_id']}") == every
    assert await ids(f"&agent_id={new_id()}") == []
    assert await ids(f"&created_after={times[1]}") == every[:2]
    assert await ids(f"&created_before={times[1]}") == every[2:]
    assert await ids(f"&created_after={times[1]}&created_before={times[2]}") == every[1:2]
    response = await mesh.get(f"{path}&created_after=yesterday")
    assert reason(response) == (400, "INVALID_REQUEST_PARAMETER")
