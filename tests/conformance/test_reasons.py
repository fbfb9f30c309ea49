"""Every error reason of section 1.5 that a client of this slice can meet, met."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from mesh.clock import new_id
from tests.conformance.checklist import holds
from tests.conformance.town import NUMBER, Town, tel
from tests.support.running_mesh import ok
from tests.support.telnyx import KEY, UNAUTHENTICATED, answering

ADMIN, CUSTOMER = "super_admin", "customer_admin"
COMPATIBILITY: Final = Path(__file__).parents[2] / "docs" / "compatibility.md"
Ask = Callable[[Town], Awaitable[httpx.Response]]


def asking(who: str, method: str, path: str, body: Any = None, **query: str) -> Ask:
    async def ask(town: Town) -> httpx.Response:
        return await town.ask(who, method, path, body, **query)

    return ask


def raw(content: bytes) -> Ask:
    async def ask(town: Town) -> httpx.Response:
        headers = {**town.people[CUSTOMER].headers, "Content-Type": "application/json"}
        return await town.mesh.http.post("/v1.0/flows", content=content, headers=headers)

    return ask


def with_headers(**headers: str) -> Ask:
    async def ask(town: Town) -> httpx.Response:
        return await town.mesh.http.get("/v1.0/calls", headers=headers)

    return ask


async def too_often(town: Town) -> httpx.Response:
    body = {"customer_id": town.people["other_admin"].customer_id, "reason": "to ask too often"}
    token = (await town.made("/auth/delegate", body))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    for _ in range(3):
        ok(await town.mesh.http.get("/v1.0/calls", headers=headers))
    return await town.mesh.http.get("/v1.0/calls", headers=headers)


async def frozen(town: Town) -> httpx.Response:
    leaving = await town.somebody(await town.a_customer(), 32)
    ok(await town.ask(leaving, "POST", "/auth/unregister"))
    response = await town.ask(leaving, "GET", "/v1.0/calls")
    [details] = [one for one in response.json()["error"]["details"] if "recovery_endpoint" in one]
    assert details["recovery_endpoint"] == "DELETE /auth/unregister"
    assert details["deletion_scheduled_at"] < details["deletion_effective_at"]
    ok(await town.ask(leaving, "DELETE", "/auth/unregister"))
    return response


async def unverified(town: Town) -> httpx.Response:
    return await calling(town, {"name": "New"})


async def penniless(town: Town) -> httpx.Response:
    return await calling(town, {"name": "New", "identity_verification_status": "verified"})


async def calling(town: Town, customer: dict[str, str]) -> httpx.Response:
    """Have a new customer call that nobody gave anything yet."""
    customer_id = (await town.made("/v1.0/customers", customer))["id"]
    admin = await town.somebody(customer_id, 32)
    source = tel((await town.a_number(customer_id))["number"])
    whitelist = {"destination_whitelist": ["us"]}
    ok(await town.ask(admin, "PUT", "/v1.0/outbound_config", whitelist))
    body = {"source": source, "destinations": [tel(NUMBER)]}
    return await town.ask(admin, "POST", "/v1.0/calls", body)


async def hung_up_when_deleted(town: Town) -> httpx.Response:
    record = await town.mesh.place(town.provider_id, NUMBER)
    path = f"/v1.0/calls/{record['call_ids'][0]}"
    await town.ended(record["call_ids"][0])
    ok(await town.ask(ADMIN, "DELETE", path))
    return await town.ask(ADMIN, "POST", f"{path}/hangup")


async def rejected_key(town: Town) -> httpx.Response:
    town.telnyx.then("GET /balance", answering(UNAUTHENTICATED))
    body = {"carrier": "telnyx", "name": f"t{new_id()}", "credentials": {"api_key": KEY}}
    return await town.ask(ADMIN, "POST", "/v1.0/providers/setup", body)


async def recorded_twice(town: Town) -> httpx.Response:
    path = f"/v1.0/calls/{await town.a_live_call()}/recording_start"
    ok(await town.ask(CUSTOMER, "POST", path, {}))
    return await town.ask(CUSTOMER, "POST", path, {})


async def spoken_to_too_much(town: Town) -> httpx.Response:
    path = f"/v1.0/calls/{await town.a_live_call()}/talk"
    body = {"text": "One moment, please. " * 10}
    # One is spoken, ten wait.
    for _ in range(11):
        ok(await town.ask(CUSTOMER, "POST", path, body))
    return await town.ask(CUSTOMER, "POST", path, body)


async def spoken_to_too_late(town: Town) -> httpx.Response:
    # A call of its own: the town's may be deleted by now.
    call_id = await town.a_call("answer")
    await town.ended(call_id)
    return await town.ask(CUSTOMER, "POST", f"/v1.0/calls/{call_id}/talk", {"text": "Hello?"})


def call(**fields: Any) -> Ask:
    body = {"source": tel("+12025550199"), "destinations": [tel(NUMBER)], **fields}
    return asking(CUSTOMER, "POST", "/v1.0/calls", body)


def missing(path: str, who: str = CUSTOMER) -> Ask:
    return asking(who, "GET", path.format(id=new_id()))


MET: Final[list[tuple[int, str, Ask]]] = [
    (401, "AUTHENTICATION_REQUIRED", with_headers()),
    (401, "INVALID_CREDENTIALS", with_headers(Authorization="Bearer x")),
    (403, "PERMISSION_DENIED", asking(CUSTOMER, "GET", "/v1.0/providers")),
    (403, "DIRECT_ACCESS_NOT_SUPPORTED", with_headers(Authorization="Bearer direct.x")),
    (403, "ACCOUNT_FROZEN", frozen),
    (403, "IDENTITY_VERIFICATION_REQUIRED", unverified),
    (402, "INSUFFICIENT_BALANCE", penniless),
    (429, "RATE_LIMIT_EXCEEDED", too_often),
    (400, "INVALID_JSON_BODY", raw(b"{")),
    (400, "INVALID_ID", asking(CUSTOMER, "GET", "/v1.0/calls/7")),
    (400, "INVALID_ARGUMENT", asking(CUSTOMER, "POST", "/v1.0/flows", {"nam": "f"})),
    (400, "INVALID_REQUEST_PARAMETER", asking(CUSTOMER, "GET", "/v1.0/calls", status="sleeping")),
    (400, "MISSING_REQUEST_PARAMETER", asking(CUSTOMER, "GET", "/v1.0/aggregated-events")),
    (400, "INVALID_VARIABLES", call(variables={f"v{n}": "" for n in range(101)})),
    (400, "INVALID_ACTION_TYPE", call(actions=[{"type": "dance"}])),
    (400, "INVALID_ANONYMOUS_VALUE", call(anonymous="maybe")),
    (400, "INVALID_CODECS", asking(CUSTOMER, "PUT", "/v1.0/outbound_config", {"codecs": "("})),
    (400, "INVALID_RESOURCE_TYPE", missing("/v1.0/timelines/conferences/{id}/events")),
    (422, "CARRIER_CREDENTIALS_REJECTED", rejected_key),
    (409, "STATE_INVALID", hung_up_when_deleted),
    (404, "ROUTE_NOT_FOUND", asking(CUSTOMER, "GET", "/v1.0/nothing")),
    (404, "ROUTE_NOT_FOUND", missing("/v1.0/routes/{id}", ADMIN)),
    (404, "PROVIDER_NOT_FOUND", missing("/v1.0/providers/{id}", ADMIN)),
    (404, "PROVIDERCALL_NOT_FOUND", missing("/v1.0/providercalls/{id}", ADMIN)),
    (404, "CALL_NOT_FOUND", missing("/v1.0/calls/{id}")),
    (404, "RECORDING_NOT_FOUND", missing("/v1.0/recordings/{id}")),
    (409, "RECORDING_IN_PROGRESS", recorded_twice),
    (409, "CALL_NOT_ANSWERED", spoken_to_too_late),
    (429, "SPEECHES_TOO_MANY", spoken_to_too_much),
    (404, "GROUPCALL_NOT_FOUND", missing("/v1.0/groupcalls/{id}")),
    (404, "FLOW_NOT_FOUND", missing("/v1.0/flows/{id}")),
    (404, "ACTIVEFLOW_NOT_FOUND", missing("/v1.0/activeflows/{id}")),
    (404, "NUMBER_NOT_FOUND", missing("/v1.0/numbers/{id}")),
    (404, "ACCESSKEY_NOT_FOUND", missing("/v1.0/accesskeys/{id}")),
    (404, "OUTBOUND_CONFIG_NOT_FOUND", missing("/v1.0/outbound_configs/{id}", ADMIN)),
]  # fmt: skip
ELSEWHERE: Final = {"REQUEST_TIMEOUT", "SERVICE_UNAVAILABLE"}
"""Met in test_provider_calls.py, which stops and kills a service for it."""
UNMET: Final = {
    "CALL_ALREADY_HANGUP", "CALL_STATE_INVALID", "INTERNAL", "INVALID_CALL_ID",
    "REQUEST_CANCELED", "RESOURCE_NOT_FOUND",
}  # fmt: skip
"""What no client meets here; docs/compatibility.md says why of each."""
STATUS: Final = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 402: "PAYMENT_REQUIRED",
    403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "FAILED_PRECONDITION",
    422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED",
}  # fmt: skip


@holds("each error reason reachable")
@pytest.mark.parametrize(("status", "expected", "ask"), MET, ids=[row[1] for row in MET])
async def test_a_reason_is_met(town: Town, status: int, expected: str, ask: Ask) -> None:
    response = await ask(town)
    error = response.json()["error"]
    assert (response.status_code, error["reason"]) == (status, expected)
    assert error["status"] == STATUS[status]
    assert error["message"]
    assert error["request_id"] == response.headers["X-Request-Id"]


@holds("each error reason reachable")
def test_what_nobody_meets_is_told_with_the_reason_why() -> None:
    text = COMPATIBILITY.read_text()
    assert [reason for reason in UNMET if f"| `{reason}` |" not in text] == []
    assert not UNMET & ({row[1] for row in MET} | ELSEWHERE)
