"""Who asks: signing in, where a credential may stand, and how often one may ask."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from tests.conformance.checklist import holds
from tests.conformance.town import PASSWORD, Somebody, Town
from tests.support.running_mesh import ok, reason

OWN: Final = "/v1.0/customer"
PROVIDERS: Final = "/v1.0/providers"
DAY_S: Final = 86_400


@holds("login success/failure shapes")
async def test_signing_in_answers_a_token_and_a_cookie(town: Town) -> None:
    agent = await town.an_agent(town.customer_id, 32)
    body = {"username": agent["username"], "password": PASSWORD}
    response = await town.mesh.http.post("/auth/login", json=body)
    shown = ok(response)
    assert list(shown) == ["username", "token"]
    assert shown["username"] == agent["username"]
    cookie, *attributes = response.headers["Set-Cookie"].split("; ")
    assert cookie == f"token={shown['token']}"
    assert {one.lower() for one in attributes} == {
        "secure", "httponly", "samesite=strict", "path=/", f"max-age={7 * DAY_S}",
    }  # fmt: skip


@holds("login success/failure shapes")
@pytest.mark.parametrize(
    "content",
    [
        b'{"username": "admin@voipbin.local", "password": "wrong"}',
        b'{"username": "nobody", "password": "wrong"}',
        b'{"username": "nobody"}',
        b'{"username": 1, "password": []}',
        b"{}",
        b"[]",
        b"{",
        b"",
    ],
)
async def test_every_sign_in_that_fails_is_a_bare_400(town: Town, content: bytes) -> None:
    response = await town.mesh.http.post(
        "/auth/login", content=content, headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, response.content) == (400, b"")
    assert "Set-Cookie" not in response.headers


async def credentials(town: Town) -> tuple[str, str]:
    """Return a token of the customer's, and an access key of another's."""
    token = town.people["customer_admin"].headers["Authorization"].removeprefix("Bearer ")
    made = await town.made("/v1.0/accesskeys", {"expire": DAY_S}, "other_admin")
    return token, made["token"]


def request(position: str, credential: str) -> dict[str, Any]:
    """Return where in a request a credential stands."""
    kind, name = position.split(" ")
    return {
        "cookie": {"headers": {"Cookie": f"{name}={quote(credential)}"}},
        "query": {"params": {name: credential}},
        "header": {"headers": {name: f"Bearer {credential}"}},
    }[kind]


POSITIONS: Final = (
    "cookie token", "query token", "header Authorization", "cookie accesskey", "query accesskey",
)  # fmt: skip


def merged(*requests: dict[str, Any]) -> dict[str, Any]:
    together: dict[str, Any] = {"headers": {}, "params": {}}
    for one in requests:
        cookies = [
            part["headers"]["Cookie"]
            for part in (together, one)
            if "Cookie" in part.get("headers", {})
        ]
        together["headers"].update(one.get("headers", {}))
        together["params"].update(one.get("params", {}))
        if cookies:
            together["headers"]["Cookie"] = "; ".join(cookies)
    return together


@holds("five credential positions and their precedence")
@pytest.mark.parametrize("position", POSITIONS)
async def test_a_credential_is_taken_from_each_position(town: Town, position: str) -> None:
    token, key = await credentials(town)
    used = key if "accesskey" in position else token
    owner = "other_admin" if "accesskey" in position else "customer_admin"
    shown = ok(await town.mesh.http.get(OWN, **request(position, used)))
    assert shown["id"] == town.people[owner].customer_id


@holds("five credential positions and their precedence")
@pytest.mark.parametrize("first", range(len(POSITIONS) - 1))
async def test_an_earlier_position_wins_whatever_it_is_worth(town: Town, first: int) -> None:
    token, key = await credentials(town)
    for later in POSITIONS[first + 1 :]:
        good = request(later, key if "accesskey" in later else token)
        both = merged(request(POSITIONS[first], "worthless"), good)
        refused = await town.mesh.http.get(OWN, **both)
        assert reason(refused) == (401, "INVALID_CREDENTIALS"), later


@holds("401 versus 403")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (401, "AUTHENTICATION_REQUIRED")),
        ({"Authorization": "Bearer"}, (401, "AUTHENTICATION_REQUIRED")),
        ({"Authorization": "Bearer nonsense"}, (401, "INVALID_CREDENTIALS")),
        ({"x-api-key": "vb_nonsense"}, (401, "INVALID_CREDENTIALS")),
        ({"Authorization": "Bearer direct.hash"}, (403, "DIRECT_ACCESS_NOT_SUPPORTED")),
    ],
    ids=["none", "empty", "no token", "no key", "direct"],
)
async def test_who_is_unknown_gets_401(
    town: Town, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert reason(await town.mesh.http.get(PROVIDERS, headers=headers)) == expected


@holds("401 versus 403")
async def test_who_is_known_and_may_not_gets_403(town: Town) -> None:
    for role in ("customer_admin", "manager", "agent", "other_admin"):
        response = await town.ask(role, "GET", PROVIDERS)
        assert reason(response) == (403, "PERMISSION_DENIED"), role


@holds("rate-limit reply")
async def test_one_request_too_many_says_when_to_come_back(town: Town) -> None:
    body = {"customer_id": town.customer_id, "reason": "to ask too often"}
    token = (await town.made("/auth/delegate", body))["token"]
    hasty = Somebody(town.customer_id, 0, {"Authorization": f"Bearer {token}"})
    responses = [await town.ask(hasty, "GET", OWN) for _ in range(4)]
    assert [one.status_code for one in responses] == [200, 200, 200, 429]
    refused = responses[-1]
    assert reason(refused) == (429, "RATE_LIMIT_EXCEEDED")
    assert refused.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert refused.json()["error"]["details"][0]["limited_by"] == "customer"
    assert 1 <= int(refused.headers["Retry-After"]) <= 30
    assert "RateLimit" in refused.headers
    assert "RateLimit-Policy" in responses[0].headers


@holds("access-key one-time token")
async def test_the_token_of_a_key_is_shown_once(town: Town) -> None:
    made = await town.made("/v1.0/accesskeys", {"name": "k", "expire": DAY_S}, "customer_admin")
    token = made["token"]
    assert token.startswith("vb_")
    assert made["token_prefix"] == token[:11]
    path = f"/v1.0/accesskeys/{made['id']}"
    shown = ok(await town.ask("customer_admin", "GET", path))
    assert "token" not in shown
    listed = ok(await town.ask("customer_admin", "GET", "/v1.0/accesskeys"))["result"]
    changed = ok(await town.ask("customer_admin", "PUT", path, {"name": "renamed"}))
    gone = ok(await town.ask("customer_admin", "DELETE", path))
    assert not any("token" in one for one in (*listed, changed, gone))
    refused = await town.mesh.http.get(OWN, headers={"Cookie": f"accesskey={token}"})
    assert reason(refused) == (401, "INVALID_CREDENTIALS")


@holds("access-key one-time token")
async def test_a_key_lives_for_a_day_at_least(town: Town) -> None:
    short = await town.ask("customer_admin", "POST", "/v1.0/accesskeys", {"expire": DAY_S - 1})
    assert short.status_code == httpx.codes.BAD_REQUEST
