"""What the options of a contract mean at the door: bare failures, cookies, key limits, reasons."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from voipbin.account.v1 import auth_service_pb2

from api_gateway.door import Door, ServedService
from api_gateway.door.reasons import check_reasons, reason_enums
from api_gateway.errors import LoginFailed
from api_gateway.transcoder import Transcoder
from api_gateway.transcoder.cookies import cookies_of
from mesh.clients import channel
from mesh.contract import ContractError
from mesh.errors import ServiceOverloaded, ServiceUnavailable
from tests.unit.api_gateway.transcoder.door import (
    OTHER_PROVIDER_ID,
    PEER_TOKEN,
    PROVIDER_ID,
    KnownTokens,
    Peer,
    reason,
    running_node,
    servicer,
)
from tests.unit.api_gateway.transcoder.everything import compiled

LOGIN = {"username": "u", "password": "p"}
CREATE = "voipbin.route.v1.ProviderCallService/ProviderCallCreate"
TWO = [{"type": "tel", "target": "+15550100002"}, {"type": "tel", "target": "+15550100003"}]
SCOPE = (403, "KEY_SCOPE_EXCEEDED")


async def test_a_token_is_also_set_as_a_cookie_that_no_other_site_can_use(
    anonymous: httpx.AsyncClient,
) -> None:
    answer = await anonymous.post("/auth/login", json=LOGIN)
    assert answer.json()["token"] == "made"
    assert answer.headers["set-cookie"] == (
        "token=made; Path=/; Max-Age=604800; Secure; HttpOnly; SameSite=Strict"
    )


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"{}", b'{"username":"u"}', b'{"username":1,"password":"p"}', b""],
)
async def test_whatever_is_wrong_with_signing_in_is_a_bare_400(
    anonymous: httpx.AsyncClient, body: bytes
) -> None:
    headers = {"content-type": "application/json"}
    answer = await anonymous.post("/auth/login", content=body, headers=headers)
    assert (answer.status_code, answer.content) == (400, b"")
    assert "content-type" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-request-id"].startswith("req_")


async def test_what_the_service_says_of_a_sign_in_is_bare_too(
    anonymous: httpx.AsyncClient, peer: Peer
) -> None:
    peer.error = LoginFailed("No.")
    answer = await anonymous.post("/auth/login", json=LOGIN)
    assert (answer.status_code, answer.content) == (400, b"")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ServiceUnavailable("Later.", retry_after_s=1), 503),
        (ServiceOverloaded("Later.", retry_after_s=1), 429),
    ],
)
async def test_who_did_nothing_wrong_learns_when_to_ask_again(
    anonymous: httpx.AsyncClient, peer: Peer, error: Any, status: int
) -> None:
    peer.error = error
    answer = await anonymous.post("/auth/login", json=LOGIN)
    assert (answer.status_code, answer.content) == (status, b"")
    assert answer.headers["retry-after"] == "1"


async def placed(client: httpx.AsyncClient, key: str, **fields: Any) -> httpx.Response:
    body = {"provider_id": PROVIDER_ID, "destinations": TWO, **fields}
    return await client.post("/v1.0/providercalls", json=body, headers={"x-api-key": key})


async def test_a_key_may_ask_the_rpcs_that_it_names_and_no_other(
    anonymous: httpx.AsyncClient, authenticator: KnownTokens, peer: Peer
) -> None:
    authenticator.limit("key", rpcs={CREATE})
    assert (await placed(anonymous, "key")).status_code == 200
    asked = len(peer.requests)
    answer = await anonymous.get("/v1.0/providers", headers={"x-api-key": "key"})
    assert reason(answer) == SCOPE
    assert answer.json()["error"]["details"] == [
        {"limit": "rpcs", "rpc": "voipbin.route.v1.ProviderService/ProviderList"}
    ]
    assert len(peer.requests) == asked


async def test_a_key_may_name_its_own_providers_only(
    anonymous: httpx.AsyncClient, authenticator: KnownTokens, peer: Peer
) -> None:
    authenticator.limit("key", providers={PROVIDER_ID})
    assert (await placed(anonymous, "key")).status_code == 200
    asked = len(peer.requests)
    answer = await placed(anonymous, "key", provider_id=OTHER_PROVIDER_ID)
    assert reason(answer) == SCOPE
    limit, violation = answer.json()["error"]["details"]
    assert (limit, violation["field"]) == ({"limit": "provider_ids"}, "provider_id")
    assert len(peer.requests) == asked


async def test_a_key_of_a_provider_may_ask_what_names_none_where_it_says_so(
    anonymous: httpx.AsyncClient, authenticator: KnownTokens
) -> None:
    authenticator.limit("narrow", providers={PROVIDER_ID})
    authenticator.limit(
        "wide", providers={PROVIDER_ID}, rpcs={"voipbin.flow.v1.FlowService/FlowList"}
    )
    assert reason(await anonymous.get("/v1.0/flows", headers={"x-api-key": "narrow"})) == SCOPE
    answer = await anonymous.get("/v1.0/flows", headers={"x-api-key": "wide"})
    assert answer.status_code == 200


async def test_calls_of_a_keys_day_are_counted_before_they_are_placed(
    anonymous: httpx.AsyncClient, authenticator: KnownTokens, peer: Peer
) -> None:
    authenticator.limit("key", calls=10)
    assert (await placed(anonymous, "key")).status_code == 200
    assert authenticator.spent == [("key", 2)]
    await placed(anonymous, "key", destinations=[])
    peer.provider.tm_delete.GetCurrentTime()
    assert reason(await placed(anonymous, "key")) == (404, "PROVIDER_NOT_FOUND")
    assert authenticator.spent == [("key", 2)]


async def test_a_key_without_such_a_limit_counts_nothing(
    anonymous: httpx.AsyncClient, authenticator: KnownTokens
) -> None:
    authenticator.limit("key", rpcs={CREATE})
    await placed(anonymous, "key")
    assert authenticator.spent == []


ONE = """
syntax = "proto3";
package {package};
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "voipbin/mesh/v1/options.proto";
enum Kind {{
  option (voipbin.mesh.v1.enum_json) = {{unknown_reason: "{unknown}"}};
  KIND_UNSPECIFIED = 0;
}}
message Ask {{
  string call_id = 1 [(buf.validate.field).string.min_len = 1];
  int32 size = 2 [(buf.validate.field).int32.lte = 5];
  Inner inner = 3;
  Kind kind = 4;
}}
message Inner {{
  string code = 1 [
    (buf.validate.field).string.max_len = 2,
    (voipbin.mesh.v1.field).invalid_reason = "{invalid}"
  ];
}}
message Told {{
  string text = 1 [(voipbin.mesh.v1.field).cookie = {{ {cookie} }}];
}}
service One {{
  rpc Get(Ask) returns (Told) {{
    option (google.api.http) = {{
      get: "/{package}"
      additional_bindings {{post: "/{package}" body: "*"}}
    }};
    option (voipbin.mesh.v1.policy) = {{exposure: EXPOSURE_PUBLIC anonymous: true}};
  }}
}}
"""
GOOD = {"unknown": "INVALID_ID", "invalid": "INVALID_ID", "cookie": 'name: "c" max_age_s: 1'}


def one(package: str, **made: str) -> MethodDescriptor:
    text = ONE.format(package=package, **{**GOOD, **made})
    return compiled(f"{package}.proto", text).services_by_name["One"].methods_by_name["Get"]


@pytest.fixture(scope="module")
def rpc() -> MethodDescriptor:
    return one("voipbin.account.v1")


@pytest.fixture
async def client(tmp_path: Path, peer: Peer, rpc: MethodDescriptor) -> AsyncIterator[Any]:
    service = rpc.containing_service
    async with (
        running_node(tmp_path, [servicer(peer, service)]) as address,
        channel(address, token=PEER_TOKEN) as asked,
    ):
        door = Door([ServedService(service, asked)], KnownTokens())
        transport = httpx.ASGITransport(Transcoder(door))
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as opened:
            yield opened


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "MISSING_REQUEST_PARAMETER"),
        ("?size=1", "MISSING_REQUEST_PARAMETER"),
        ("?call_id=", "INVALID_REQUEST_PARAMETER"),
        ("?call_id=a&size=6", "INVALID_REQUEST_PARAMETER"),
        ("?call_id=a&inner.code=abc", "INVALID_ID"),
    ],
)
async def test_a_parameter_that_is_missing_is_told_from_one_that_is_wrong(
    client: httpx.AsyncClient, query: str, expected: str
) -> None:
    answer = await client.get(f"/voipbin.account.v1{query}")
    assert reason(answer) == (400, expected)
    assert answer.json()["error"]["details"]


async def test_a_field_names_the_reason_of_its_rules(client: httpx.AsyncClient) -> None:
    body = {"call_id": "a", "inner": {"code": "abc"}}
    answer = await client.post("/voipbin.account.v1", json=body)
    assert reason(answer) == (400, "INVALID_ID")
    assert answer.json()["error"]["details"][0]["field"] == "inner.code"
    answer = await client.post("/voipbin.account.v1", json={})
    assert reason(answer) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("option", ["unknown", "invalid"])
def test_a_reason_that_nobody_explains_stops_the_boot(option: str) -> None:
    made = one(f"reasons.{option}", **{option: "MADE_UP"})
    enums = reason_enums(auth_service_pb2.DESCRIPTOR.services_by_name.values())
    with pytest.raises(ContractError, match="MADE_UP, which nobody explains"):
        check_reasons([made], enums)


@pytest.mark.parametrize(
    "cookie", ['name: "a b" max_age_s: 1', 'name: "a;b" max_age_s: 1', 'name: "c"', "max_age_s: 1"]
)
def test_a_cookie_that_cannot_be_stops_the_boot(cookie: str) -> None:
    package = f"cookie{abs(hash(cookie))}"
    with pytest.raises(ContractError, match="a cookie has a plain name and a lifetime"):
        cookies_of(one(package, cookie=cookie).output_type)


@pytest.mark.parametrize("value", ["a b", "a;b", "a,b", 'a"b', "a\\b", "a\r\nSet-Cookie: x=y", "ä"])
def test_a_value_that_no_cookie_can_hold_is_never_sent(rpc: MethodDescriptor, value: str) -> None:
    (cookie,) = cookies_of(rpc.output_type)
    told: Any = message_factory.GetMessageClass(rpc.output_type)
    with pytest.raises(ValueError, match="what no cookie can"):
        cookie(told(text=value))
    assert cookie(told(text="abc.-_"))[1].startswith(b"c=abc.-_; Path=/; Max-Age=1; ")
