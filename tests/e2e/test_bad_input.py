"""Bad input gets a precise 4xx with a stable reason, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from mesh.clock import new_id
from tests.support.running_mesh import RunningMesh, ok, reason
from tests.support.silent_carrier import SilentCarrier

CALLS: Final = "/v1.0/providercalls"
A_NUMBER: Final = {"type": "tel", "target": "+12025550123"}
A_SOURCE: Final = {"type": "tel", "target": "+12025550100"}


async def rows(mesh: RunningMesh) -> list[str]:
    """Return the newest record, call and flow of the administrator."""
    newest = []
    for path in (CALLS, "/v1.0/calls", "/v1.0/flows"):
        page = ok(await mesh.get(f"{path}?page_size=1"))["result"]
        newest.append(page[0]["id"] if page else "none")
    return newest


async def post_raw(mesh: RunningMesh, path: str, body: bytes) -> tuple[int, str]:
    headers = {**mesh.headers(), "Content-Type": "application/json"}
    response = await mesh.http.post(path, content=body, headers=headers)
    error = response.json()["error"]
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["message"]
    return response.status_code, error["reason"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", (400, "INVALID_JSON_BODY")),
        (b"", (400, "INVALID_ARGUMENT")),
        (b"\xff\xfe", (400, "INVALID_JSON_BODY")),
        (b"[]", (400, "INVALID_JSON_BODY")),
        (b'"x"', (400, "INVALID_JSON_BODY")),
        (b"3", (400, "INVALID_JSON_BODY")),
        (b'{"provider_id": "a", "provider_id": "b"}', (400, "INVALID_JSON_BODY")),
        (b'{"a": ' * 40 + b"1" + b"}" * 40, (400, "INVALID_JSON_BODY")),
        (b'{"x": "' + b"x" * 300_000 + b'"}', (413, "BODY_TOO_LARGE")),
    ],
)
async def test_a_body_that_is_no_json_object(
    mesh: RunningMesh, body: bytes, expected: tuple[int, str]
) -> None:
    before = await rows(mesh)

    assert await post_raw(mesh, CALLS, body) == expected
    assert await rows(mesh) == before


def body_with(provider_id: str, /, **changes: Any) -> dict[str, Any]:
    body = {"provider_id": provider_id, "source": A_SOURCE, "destinations": [A_NUMBER], **changes}
    return {key: value for key, value in body.items() if value is not ...}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"colour": "red"}, "INVALID_ARGUMENT"),
        ({"metadata": {"rtp_debug": True}}, "INVALID_ARGUMENT"),
        ({"customer_id": str(new_id())}, "INVALID_ARGUMENT"),
        ({"agent_id": str(new_id())}, "INVALID_ARGUMENT"),
        ({"idempotency_key": "k"}, "INVALID_ARGUMENT"),
        ({"flowId": str(new_id())}, "INVALID_ARGUMENT"),
        ({"destinations": [{**A_NUMBER, "colour": "red"}]}, "INVALID_ARGUMENT"),
        ({"destinations": "x"}, "INVALID_ARGUMENT"),
        ({"destinations": ["+12025550123"]}, "INVALID_ARGUMENT"),
        ({"provider_id": 7}, "INVALID_ARGUMENT"),
        ({"provider_id": "x"}, "INVALID_ID"),
        ({"provider_id": ...}, "INVALID_ARGUMENT"),
        ({"flow_id": "x"}, "INVALID_ID"),
        ({"destinations": []}, "INVALID_ARGUMENT"),
        ({"destinations": ...}, "INVALID_ARGUMENT"),
        ({"destinations": [A_NUMBER] * 11}, "INVALID_ARGUMENT"),
        ({"destinations": [{"type": "tel", "target": "hello"}]}, "INVALID_ARGUMENT"),
        ({"destinations": [{"type": "tel", "target": "+12"}]}, "INVALID_ARGUMENT"),
        ({"destinations": [{"type": "tel", "target": "+12025550123;a=b"}]}, "INVALID_ARGUMENT"),
        ({"destinations": [{"type": "tel", "target": "+12025550123@x"}]}, "INVALID_ARGUMENT"),
        ({"destinations": [{"type": "pigeon", "target": "home"}]}, "INVALID_ARGUMENT"),
        (
            {"destinations": [A_NUMBER, {"type": "tel", "target": "+999123456789"}]},
            "INVALID_DESTINATION_NUMBER",
        ),
        ({"anonymous": "maybe"}, "INVALID_ANONYMOUS_VALUE"),
        ({"anonymous": True}, "INVALID_ARGUMENT"),
        ({"actions": [{"type": "dance"}]}, "INVALID_ACTION_TYPE"),
        ({"actions": [{"type": "sleep", "option": {"duration": -1}}]}, "INVALID_ACTION_OPTION"),
        ({"actions": [{"type": "sleep"}]}, "INVALID_ACTION_OPTION"),
        ({"actions": [{"type": "beep", "option": {"volume": 3}}]}, "INVALID_ACTION_OPTION"),
        ({"actions": [{"type": "beep", "next_id": str(new_id())}]}, "INVALID_ACTION_TARGET"),
    ],
)
async def test_a_provider_call_that_cannot_be(
    mesh: RunningMesh, nobody: SilentCarrier, changes: dict[str, Any], expected: str
) -> None:
    provider = await mesh.a_provider(nobody.address)
    before = await rows(mesh)

    response = await mesh.post(CALLS, body_with(provider["id"], **changes))

    assert reason(response) == (400, expected)
    await asyncio.sleep(0.1)
    assert nobody.datagrams == []
    assert await rows(mesh) == before


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"hostname": ""}, "INVALID_HOSTNAME"),
        ({"hostname": "host:99999"}, "INVALID_HOSTNAME"),
        ({"hostname": "a b"}, "INVALID_HOSTNAME"),
        ({"hostname": "sip:carrier.example"}, "INVALID_HOSTNAME"),
        ({"hostname": "carrier.example;lr"}, "INVALID_HOSTNAME"),
        ({"hostname": "carrier.example\r\nVia: x"}, "INVALID_HOSTNAME"),
        ({"tech_prefix": "9;x=y"}, "INVALID_TECH_PREFIX"),
        ({"tech_prefix": "9\r\n"}, "INVALID_TECH_PREFIX"),
        ({"tech_prefix": "sip:9@"}, "INVALID_TECH_PREFIX"),
        ({"tech_postfix": "@a@b"}, "INVALID_TECH_POSTFIX"),
        ({"tech_postfix": "@"}, "INVALID_TECH_POSTFIX"),
        ({"tech_postfix": ";transport=tcp"}, "INVALID_TECH_POSTFIX"),
        ({"tech_headers": {"X-A": "1\r\nVia: x"}}, "INVALID_TECH_HEADERS"),
        ({"tech_headers": {"X-A": "1\x01"}}, "INVALID_TECH_HEADERS"),
        ({"tech_headers": {"X-A": "1\x00"}}, "INVALID_ARGUMENT"),
        ({"tech_headers": {"Via": "x"}}, "INVALID_TECH_HEADERS"),
        ({"tech_headers": {"pRiVaCy": "id"}}, "INVALID_TECH_HEADERS"),
        ({"tech_headers": {"X A": "x"}}, "INVALID_TECH_HEADERS"),
        ({"tech_headers": {"": "x"}}, "INVALID_TECH_HEADERS"),
        ({"tech_headers": {"X-A": "1", "x-a": "2"}}, "INVALID_TECH_HEADERS"),
        ({"tech_headers": {"X-A": 1}}, "INVALID_ARGUMENT"),
        ({"codecs": "PCMU,,PCMA"}, "INVALID_CODECS"),
        ({"codecs": ","}, "INVALID_CODECS"),
        ({"codecs": "PCMU(x)"}, "INVALID_CODECS"),
        ({"codecs": "P" * 256}, "INVALID_CODECS"),
        ({"sip_password": "secret"}, "INVALID_SIP_CREDENTIALS"),
        ({"type": "h323"}, "INVALID_ARGUMENT"),
        ({"health_status": "healthy"}, "INVALID_ARGUMENT"),
    ],
)
async def test_a_provider_that_cannot_be(
    mesh: RunningMesh, fields: dict[str, Any], expected: str
) -> None:
    listed = ok(await mesh.get("/v1.0/providers"))["result"]

    response = await mesh.post("/v1.0/providers", {"hostname": "carrier.example", **fields})

    assert reason(response) == (400, expected)
    assert ok(await mesh.get("/v1.0/providers"))["result"] == listed


async def test_a_flow_that_is_not_the_callers(mesh: RunningMesh, nobody: SilentCarrier) -> None:
    provider = await mesh.a_provider(nobody.address)
    theirs = ok(await mesh.post("/v1.0/flows", {"name": "theirs", "actions": []}, "customer_admin"))
    before = await rows(mesh)

    for flow_id in (theirs["id"], str(new_id())):
        response = await mesh.post(CALLS, body_with(provider["id"], flow_id=flow_id))
        assert reason(response) == (404, "FLOW_NOT_FOUND")

    assert await rows(mesh) == before
    assert nobody.datagrams == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("page_size=-1", "PAGE_SIZE_INVALID"),
        ("page_size=x", "INVALID_REQUEST_PARAMETER"),
        ("page_size=1&page_size=2", "INVALID_REQUEST_PARAMETER"),
        ("colour=red", "INVALID_REQUEST_PARAMETER"),
        ("page_token=garbage", "PAGE_TOKEN_INVALID"),
    ],
)
async def test_a_page_that_cannot_be(mesh: RunningMesh, query: str, expected: str) -> None:
    assert reason(await mesh.get(f"/v1.0/providers?{query}")) == (400, expected)


async def test_a_page_token_of_another_list(mesh: RunningMesh, nobody: SilentCarrier) -> None:
    for _ in range(2):
        await mesh.a_provider(nobody.address)
    page = ok(await mesh.get("/v1.0/providers?page_size=1"))
    foreign = page["next_page_token"]

    assert foreign
    assert reason(await mesh.get(f"/v1.0/routes?page_token={foreign}")) == (
        400,
        "PAGE_TOKEN_INVALID",
    )


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, "AUTHENTICATION_REQUIRED"),
        ("Bearer x.y.z", "INVALID_CREDENTIALS"),
        ("Bearer", "AUTHENTICATION_REQUIRED"),
        ("Basic YWRtaW46YWRtaW4=", "AUTHENTICATION_REQUIRED"),
        ("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", "INVALID_CREDENTIALS"),
    ],
)
async def test_a_token_that_is_worth_nothing(
    mesh: RunningMesh, authorization: str | None, expected: str
) -> None:
    headers = {"Authorization": authorization} if authorization is not None else {}
    response = await mesh.http.get("/v1.0/providers", headers=headers)

    assert reason(response) == (401, expected)
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_tampered_token(mesh: RunningMesh) -> None:
    token = mesh.ready["admin"]["token"]
    header, claims, _ = token.split(".")
    forged = f"{header}.{claims}.{'A' * 86}"
    response = await mesh.http.get("/v1.0/providers", headers={"Authorization": f"Bearer {forged}"})

    assert reason(response) == (401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize("field", ["username", "password"])
async def test_a_login_that_fails_does_not_tell_why(mesh: RunningMesh, field: str) -> None:
    right = {key: mesh.ready["admin"][key] for key in ("username", "password")}
    ok(await mesh.http.post("/auth/login", json=right))

    response = await mesh.http.post("/auth/login", json={**right, field: "a-bad-guess"})

    assert (response.status_code, response.content) == (400, b"")


async def test_paths_and_methods_that_are_not_served(mesh: RunningMesh) -> None:
    assert reason(await mesh.get("/v1.0/nothing")) == (404, "ROUTE_NOT_FOUND")
    response = await mesh.http.patch("/v1.0/providers", headers=mesh.headers())
    assert reason(response) == (405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(response.headers["allow"].split(", "))
    assert reason(await mesh.get("/v1.0/providers/x")) == (400, "INVALID_ID")
    assert reason(await mesh.get(f"/v1.0/providers/{new_id()}")) == (404, "PROVIDER_NOT_FOUND")
