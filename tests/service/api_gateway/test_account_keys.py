"""Access keys: shown once, as good as their rights and limits say, worth nothing once ended."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from api_gateway.account.admitted import KeyLimits
from api_gateway.account.bootstrap import Accounts
from api_gateway.errors import KeyCallsExhausted
from mesh.clock import new_id
from tests.service.api_gateway.account_house import AccountHouse
from tests.support.running_mesh import ok, reason

KEYS = "/v1.0/accesskeys"
PROVIDER_CALL = "voipbin.route.v1.ProviderCallService/ProviderCallCreate"


async def test_a_token_is_shown_once_and_kept_only_as_its_digest(
    house: AccountHouse, tmp_path: Path
) -> None:
    key = await house.a_key(detail="nightly")
    assert list(key) == [
        "id", "customer_id", "name", "detail", "token", "token_prefix", "tm_expire", "tm_create",
        "permission", "rpcs", "provider_ids", "calls_per_day",
    ]  # fmt: skip
    token = key["token"]
    assert len(token) == 46
    assert token.startswith(key["token_prefix"])
    assert len(key["token_prefix"]) == 11
    assert key["token_prefix"].startswith("vb_")
    shown = ok(await house.ask("GET", f"{KEYS}/{key['id']}", house.customer_admin))
    assert shown == {name: value for name, value in key.items() if name != "token"}
    page = ok(await house.ask("GET", KEYS, house.customer_admin))
    assert page == {"result": [shown], "next_page_token": ""}
    kept = written(tmp_path)
    assert token.encode() not in kept
    if kept:
        assert hashlib.sha256(token.encode()).hexdigest().encode() in kept


async def test_a_key_is_a_customer_admin_of_its_customer(house: AccountHouse) -> None:
    key = await house.a_key()
    own = ok(await house.ask("GET", "/v1.0/customer", key=key["token"]))
    assert own["id"] == key["customer_id"] == house.first.customer_admin.customer_id
    assert reason(await house.ask("GET", "/v1.0/customers", key=key["token"])) == (
        403,
        "PERMISSION_DENIED",
    )


@pytest.mark.parametrize("expire", [-1, 0, 86_399, None, "86400", 2**31])
async def test_a_key_lives_a_day_at_least(house: AccountHouse, expire: object) -> None:
    answer = await house.ask("POST", KEYS, house.customer_admin, {"expire": expire})
    assert reason(answer) == (400, "INVALID_ARGUMENT")


async def test_unset_name_and_detail_are_left_out(house: AccountHouse) -> None:
    key = ok(await house.ask("POST", KEYS, house.customer_admin, {"expire": 86_400}))
    assert "name" not in key
    assert "detail" not in key


async def test_a_key_is_worth_nothing_once_it_ended_or_expired(house: AccountHouse) -> None:
    ended, expired = await house.a_key(), await house.a_key()
    gone = ok(await house.ask("DELETE", f"{KEYS}/{ended['id']}", house.customer_admin))
    assert gone["tm_delete"]
    refused = (401, "INVALID_CREDENTIALS")
    assert reason(await house.ask("GET", KEYS, key=ended["token"])) == refused
    again = ok(await house.ask("DELETE", f"{KEYS}/{ended['id']}", house.customer_admin))
    assert again == gone
    ok(await house.ask("GET", KEYS, key=expired["token"]))
    house.clock.ahead = timedelta(days=1)
    assert reason(await house.ask("GET", KEYS, key=expired["token"])) == refused


@pytest.mark.parametrize("text", ["x", "vb_", "vb_" + "a" * 43, "vb_" + "é" * 43, "a" * 9000])
async def test_what_is_no_key_is_refused(house: AccountHouse, text: str) -> None:
    assert reason(await house.ask("GET", KEYS, key=text)) == (401, "INVALID_CREDENTIALS")


async def test_name_and_detail_change_and_nothing_else(house: AccountHouse) -> None:
    key = await house.a_key()
    path = f"{KEYS}/{key['id']}"
    changed = ok(await house.ask("PUT", path, house.customer_admin, {"detail": "new"}))
    assert (changed["name"], changed["detail"]) == ("a program", "new")
    assert changed["tm_update"]
    bodies: list[dict[str, object]] = [
        {"permission": 1},
        {"expire": 86_400},
        {"rpcs": []},
        {"token": "x"},
    ]
    for body in bodies:
        assert reason(await house.ask("PUT", path, house.customer_admin, body)) == (
            400,
            "INVALID_ARGUMENT",
        )
    ok(await house.ask("DELETE", path, house.customer_admin))
    assert reason(await house.ask("PUT", path, house.customer_admin, {"name": "x"})) == (
        404,
        "ACCESSKEY_NOT_FOUND",
    )


async def test_another_customers_key_looks_like_none(house: AccountHouse) -> None:
    key = await house.a_key()
    other = await house.a_customer()
    stranger = await house.signed_in("stranger", 32, customer_id=other["id"])
    for method, body in (("GET", None), ("PUT", {"name": "x"}), ("DELETE", None)):
        answer = await house.ask(method, f"{KEYS}/{key['id']}", stranger, body)
        assert reason(answer) == (404, "ACCESSKEY_NOT_FOUND")
    assert ok(await house.ask("GET", KEYS, stranger))["result"] == []


async def test_nobody_makes_a_key_that_holds_more_than_itself(house: AccountHouse) -> None:
    body = {"expire": 86_400, "permission": 1}
    refused = (403, "PERMISSION_NOT_HELD")
    assert reason(await house.ask("POST", KEYS, house.customer_admin, body)) == refused
    manager_key = await house.a_key(permission=64)
    assert reason(await house.ask("POST", KEYS, key=manager_key["token"], body=body)) == (
        403,
        "PERMISSION_DENIED",
    )
    platform = await house.a_key(house.admin, permission=1)
    ok(await house.ask("GET", "/v1.0/customers", key=platform["token"]))


async def test_a_key_of_the_platform_ends_with_its_makers_rights(house: AccountHouse) -> None:
    maker = await house.an_agent("mallory", 1)
    token = await house.login("mallory")
    platform, plain = await house.a_key(token, permission=1), await house.a_key(token)
    successor = ok(
        await house.ask(
            "POST", KEYS, key=platform["token"], body={"expire": 86_400, "permission": 1}
        )
    )
    path = f"/v1.0/agents/{maker['id']}"
    ok(await house.ask("PUT", f"{path}/permission", house.admin, {"permission": 32}))
    refused = (401, "INVALID_CREDENTIALS")
    back = {"permission": 1}
    for key in (platform, successor):
        answer = await house.ask("PUT", f"{path}/permission", key=key["token"], body=back)
        assert reason(answer) == refused
    ok(await house.ask("DELETE", path, house.admin))
    for key in (platform, successor):
        assert reason(await house.ask("GET", "/v1.0/customers", key=key["token"])) == refused
    ok(await house.ask("GET", "/v1.0/customer", key=plain["token"]))


@pytest.mark.parametrize(
    "limit",
    [{"rpcs": [PROVIDER_CALL]}, {"provider_ids": [str(new_id())]}, {"calls_per_day": 1}],
)
async def test_only_a_super_admin_limits_a_key_and_such_a_key_makes_no_credentials(
    house: AccountHouse, limit: dict[str, object]
) -> None:
    body = {"expire": 86_400, **limit}
    assert reason(await house.ask("POST", KEYS, house.customer_admin, body)) == (
        403,
        "PERMISSION_DENIED",
    )
    key = await house.a_key(house.admin, **limit)
    assert {name: key[name] for name in limit} == limit
    making = {
        KEYS: {"expire": 86_400},
        "/v1.0/agents": {"username": "x", "password": "x" * 12, "permission": 32},
    }
    if "calls_per_day" in limit:
        for path, wish in making.items():
            answer = await house.ask("POST", path, key=key["token"], body=wish)
            assert reason(answer) == (403, "KEY_NOT_ALLOWED")
        own = house.first.admin.agent_id
        for path, wish in (
            ("password", {"password": "y" * 12}),
            ("permission", {"permission": 16}),
        ):
            answer = await house.ask(
                "PUT", f"/v1.0/agents/{own}/{path}", key=key["token"], body=wish
            )
            assert answer.status_code == 403


async def test_a_key_without_limits_makes_its_successor(house: AccountHouse) -> None:
    key = await house.a_key()
    successor = ok(await house.ask("POST", KEYS, key=key["token"], body={"expire": 86_400}))
    ok(await house.ask("DELETE", f"{KEYS}/{key['id']}", key=successor["token"]))
    assert reason(await house.ask("GET", KEYS, key=key["token"])) == (401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize(
    "rpc",
    ["", "ProviderCallCreate", "voipbin.call.v1.CallService/CallsCreate", PROVIDER_CALL + " "],
)
async def test_a_key_is_limited_to_public_rpcs_only(house: AccountHouse, rpc: str) -> None:
    answer = await house.ask("POST", KEYS, house.admin, {"expire": 86_400, "rpcs": [rpc]})
    assert reason(answer) == (400, "RPC_UNKNOWN")
    assert answer.json()["error"]["details"][-1]["field"] == "rpcs[0]"


async def test_keys_end_with_their_customer(house: AccountHouse) -> None:
    customer = await house.a_customer()
    admin = await house.signed_in("their-admin", 32, customer_id=customer["id"])
    key = await house.a_key(admin)
    ok(await house.ask("GET", KEYS, key=key["token"]))
    ok(await house.ask("DELETE", f"/v1.0/customers/{customer['id']}", house.admin))
    refused = (401, "INVALID_CREDENTIALS")
    assert reason(await house.ask("GET", KEYS, key=key["token"])) == refused
    assert reason(await house.ask("GET", KEYS, admin)) == refused


async def test_parallel_calls_never_pass_a_keys_limit_and_a_new_day_begins_anew(
    house: AccountHouse,
) -> None:
    key = await house.a_key(house.admin, calls_per_day=20)
    limits = KeyLimits(key["id"], frozenset(), frozenset(), 20)

    async def spend(replica: Accounts, count: int) -> int:
        try:
            await replica.authenticator.spend_calls(limits, count)
        except KeyCallsExhausted:
            return 0
        return count

    async with house.replica() as replica:
        spent = await asyncio.gather(*(spend(replica, 3) for _ in range(12)))
        assert sum(spent) == 18
        assert await spend(replica, 3) == 0
        assert await spend(replica, 2) == 2
        assert await spend(replica, 1) == 0
        house.clock.ahead = timedelta(days=1)
        assert await spend(replica, 21) == 0
        assert await spend(replica, 20) == 20
        with pytest.raises(KeyCallsExhausted) as refused:
            await replica.authenticator.spend_calls(limits, 1)
        assert refused.value.metadata["limit"] == "20"
        assert refused.value.metadata["resets_at"].endswith("T00:00:00.000000Z")
        # A replica whose clock is still in the day before counts on.
        house.clock.ahead = timedelta()
        assert await spend(replica, 1) == 0


def written(folder: Path) -> bytes:
    """Return all that SQLite wrote; nothing on PostgreSQL."""
    return b"".join(file.read_bytes() for file in folder.glob("api_gateway.db*"))
