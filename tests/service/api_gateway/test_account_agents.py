"""Agents: who may make, change and end whom, and what that does to their tokens."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from mesh.clock import new_id
from tests.service.api_gateway.account_house import PASSWORD, AccountHouse
from tests.support.running_mesh import ok, reason

AGENTS = "/v1.0/agents"
MANAGER, ADMIN, AGENT, SUPER = 64, 32, 16, 1


async def test_an_agent_is_shown_without_its_password(house: AccountHouse) -> None:
    body = {
        "username": "alice", "password": PASSWORD, "name": "Alice", "detail": "night shift",
        "permission": MANAGER,
    }  # fmt: skip
    made = ok(await house.ask("POST", AGENTS, house.customer_admin, body))
    assert list(made) == [
        "id", "customer_id", "username", "name", "detail", "permission",
        "tm_create", "tm_update", "tm_delete",
    ]  # fmt: skip
    assert made["customer_id"] == house.first.customer_admin.customer_id
    assert (made["tm_update"], made["tm_delete"]) == (None, None)
    assert ok(await house.ask("GET", f"{AGENTS}/{made['id']}", house.customer_admin)) == made
    listed = ok(await house.ask("GET", AGENTS, house.customer_admin))["result"]
    assert [agent["username"] for agent in listed] == ["alice", "customer-admin@voipbin.local"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "x" * 11}, {"password": "x" * 256}, {"username": ""}, {"username": "x" * 256},
        {"username": "a\x00b"}, {"name": "x" * 256}, {"permission": -1}, {"permission": 65536},
        {"permission": "32"}, {"customer_id": "x"}, {"colour": "red"}, {"password": None},
    ],
)  # fmt: skip
async def test_a_malformed_agent_is_refused(house: AccountHouse, wrong: dict[str, object]) -> None:
    body = {"username": "alice", "password": PASSWORD, "permission": AGENT, **wrong}
    answer = await house.ask("POST", AGENTS, house.customer_admin, body)
    assert answer.status_code == 400
    assert reason(answer)[1] in ("INVALID_ARGUMENT", "INVALID_ID")


async def test_a_user_name_is_taken_until_its_agent_is_deleted(house: AccountHouse) -> None:
    agent = await house.an_agent("alice", AGENT)
    other = await house.a_customer()
    body = {"username": "alice", "password": PASSWORD, "permission": ADMIN}
    there = {**body, "customer_id": other["id"]}
    assert reason(await house.ask("POST", AGENTS, house.admin, there)) == (409, "USERNAME_TAKEN")
    ok(await house.ask("DELETE", f"{AGENTS}/{agent['id']}", house.admin))
    ok(await house.ask("POST", AGENTS, house.admin, there))


async def test_of_two_who_take_a_user_name_at_once_one_gets_it(house: AccountHouse) -> None:
    body = {"username": "alice", "password": PASSWORD, "permission": AGENT}
    answers = await asyncio.gather(
        *(house.ask("POST", AGENTS, house.customer_admin, body) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_only_a_super_admin_makes_agents_of_another_customer(house: AccountHouse) -> None:
    other = await house.a_customer()
    body = {
        "username": "a", "password": PASSWORD, "permission": AGENT, "customer_id": other["id"]
    }  # fmt: skip
    answer = await house.ask("POST", AGENTS, house.customer_admin, body)
    assert reason(answer) == (403, "PERMISSION_DENIED")
    assert ok(await house.ask("POST", AGENTS, house.admin, body))["customer_id"] == other["id"]
    nowhere = {**body, "username": "b", "customer_id": str(new_id())}
    assert reason(await house.ask("POST", AGENTS, house.admin, nowhere)) == (
        404,
        "CUSTOMER_NOT_FOUND",
    )


@pytest.mark.parametrize("permission", [SUPER, 0x000F, 0xFFFF, 0x0100 | ADMIN])
async def test_nobody_grants_what_it_does_not_hold(house: AccountHouse, permission: int) -> None:
    refused = (403, "PERMISSION_NOT_HELD")
    body = {"username": "a", "password": PASSWORD, "permission": permission}
    assert reason(await house.ask("POST", AGENTS, house.customer_admin, body)) == refused
    mine = ok(await house.ask("POST", AGENTS, house.customer_admin, {**body, "permission": AGENT}))
    path = f"{AGENTS}/{mine['id']}/permission"
    wish = {"permission": permission}
    assert reason(await house.ask("PUT", path, house.customer_admin, wish)) == refused
    assert ok(await house.ask("PUT", path, house.admin, wish))["permission"] == permission


async def test_a_customers_admin_has_no_power_over_a_super_admin_beside_it(
    house: AccountHouse,
) -> None:
    admin = await house.signed_in("platform-office", ADMIN)
    path = f"{AGENTS}/{house.first.admin.agent_id}"
    refused = (403, "PERMISSION_NOT_HELD")
    assert reason(await house.ask("PUT", path, admin, {"name": "x"})) == refused
    assert reason(await house.ask("DELETE", path, admin)) == refused
    for what, wish in (("password", {"password": "y" * 12}), ("permission", {"permission": 16})):
        assert reason(await house.ask("PUT", f"{path}/{what}", admin, wish)) == refused


async def test_managers_and_agents_set_their_own_password_and_nobody_elses(
    house: AccountHouse,
) -> None:
    other = await house.an_agent("other", AGENT)
    for permission in (MANAGER, AGENT):
        name = f"own-{permission}"
        mine = await house.an_agent(name, permission)
        token = await house.login(name)
        wish = {"password": "another good password"}
        answer = await house.ask("PUT", f"{AGENTS}/{other['id']}/password", token, wish)
        assert reason(answer) == (404, "AGENT_NOT_FOUND")
        ok(await house.ask("PUT", f"{AGENTS}/{mine['id']}/password", token, wish))
        await house.login(name, wish["password"])


async def test_a_new_password_ends_every_older_token(house: AccountHouse) -> None:
    agent = await house.an_agent("alice", ADMIN)
    old = await house.login("alice")
    path = f"{AGENTS}/{agent['id']}/password"
    ok(await house.ask("PUT", path, house.admin, {"password": "another good password"}))
    assert reason(await house.ask("GET", AGENTS, old)) == (401, "INVALID_CREDENTIALS")
    body = {"username": "alice", "password": PASSWORD}
    assert (await house.ask("POST", "/auth/login", body=body)).status_code == 400
    ok(await house.ask("GET", AGENTS, await house.login("alice", "another good password")))


async def test_rights_and_deletion_count_at_the_next_request(house: AccountHouse) -> None:
    agent = await house.an_agent("alice", ADMIN)
    token = await house.login("alice")
    ok(await house.ask("GET", AGENTS, token))
    path = f"{AGENTS}/{agent['id']}"
    ok(await house.ask("PUT", f"{path}/permission", house.admin, {"permission": AGENT}))
    assert reason(await house.ask("GET", AGENTS, token)) == (403, "PERMISSION_DENIED")
    deleted = ok(await house.ask("DELETE", path, house.admin))
    assert ok(await house.ask("DELETE", path, house.admin)) == deleted
    assert ok(await house.ask("GET", path, house.admin)) == deleted
    assert reason(await house.ask("GET", AGENTS, token)) == (401, "INVALID_CREDENTIALS")
    for what, wish in (
        ("", {"name": "x"}), ("/password", {"password": "x" * 12}),
        ("/permission", {"permission": 1}),
    ):  # fmt: skip
        answer = await house.ask("PUT", path + what, house.admin, wish)
        assert reason(answer) == (404, "AGENT_NOT_FOUND")


async def test_another_customers_agent_looks_like_none(house: AccountHouse) -> None:
    agent = await house.an_agent("alice", AGENT)
    path = f"{AGENTS}/{agent['id']}"
    for method, where, body in (
        ("GET", path, None),
        ("PUT", path, {"name": "x"}),
        ("DELETE", path, None),
        ("PUT", f"{path}/password", {"password": "x" * 12}),
        ("PUT", f"{path}/permission", {"permission": AGENT}),
    ):
        answer = await house.ask(method, where, house.customer_admin, body)
        assert reason(answer) == (404, "AGENT_NOT_FOUND")


async def test_the_last_super_admin_stays(house: AccountHouse) -> None:
    own = f"{AGENTS}/{house.first.admin.agent_id}"
    customer = f"/v1.0/customers/{house.first.admin.customer_id}"
    refused = (409, "LAST_SUPER_ADMIN")
    demotion = {"permission": ADMIN}
    assert reason(await house.ask("DELETE", own, house.admin)) == refused
    assert reason(await house.ask("PUT", f"{own}/permission", house.admin, demotion)) == refused
    assert reason(await house.ask("DELETE", customer, house.admin)) == refused
    beside = await house.an_agent("second", SUPER)
    assert reason(await house.ask("DELETE", customer, house.admin)) == refused
    other = await house.a_customer()
    third = await house.signed_in("third", SUPER, customer_id=other["id"])
    ok(await house.ask("PUT", f"{own}/permission", house.admin, demotion))
    ok(await house.ask("DELETE", f"{AGENTS}/{beside['id']}", third))
    ok(await house.ask("DELETE", customer, third))


async def test_two_super_admins_who_remove_each_other_at_once_do_not_both_succeed(
    house: AccountHouse,
) -> None:
    for round_ in range(4):
        names = [f"left-{round_}", f"right-{round_}"]
        agents = [await house.an_agent(name, SUPER) for name in names]
        left, right = [await house.login(name) for name in names]
        first = f"{AGENTS}/{house.first.admin.agent_id}/permission"
        # Only these two are left; the demoted one comes back for the next round.
        ok(await house.ask("PUT", first, left, {"permission": ADMIN}))
        answers = await asyncio.gather(
            house.ask("DELETE", f"{AGENTS}/{agents[1]['id']}", left),
            house.ask("DELETE", f"{AGENTS}/{agents[0]['id']}", right),
        )
        assert sum(answer.status_code == 200 for answer in answers) == 1
        winner = left if answers[0].status_code == 200 else right
        ok(await house.ask("PUT", first, winner, {"permission": SUPER}))
        survivor = agents[0] if winner is left else agents[1]
        ok(await house.ask("DELETE", f"{AGENTS}/{survivor['id']}", house.admin))


@pytest.mark.parametrize("what", ["password", "permission", "delete"])
async def test_whoever_becomes_a_super_admin_meanwhile_is_out_of_reach(
    house: AccountHouse, what: str
) -> None:
    admin = await house.signed_in("office", ADMIN)
    agent = await house.an_agent("rising", AGENT)
    path = f"{AGENTS}/{agent['id']}"
    asks = {
        "password": ("PUT", f"{path}/password", {"password": "known to the admin"}),
        "permission": ("PUT", f"{path}/permission", {"permission": 0}),
        "delete": ("DELETE", path, None),
    }
    method, target, wish = asks[what]
    engine = create_async_engine(house.settings.database_url_for("api_gateway"))
    try:
        async with engine.begin() as promotion:
            rise = text("UPDATE agent SET permissions = 1 WHERE username = 'rising'")
            await promotion.execute(rise)
            asked = asyncio.create_task(house.ask(method, target, admin, wish))
            await asyncio.sleep(1.0)
        assert reason(await asked) == (403, "PERMISSION_NOT_HELD")
    finally:
        await engine.dispose()


async def test_a_customer_that_is_deleted_meanwhile_gets_no_agent(house: AccountHouse) -> None:
    customer = await house.a_customer()
    wish = {
        "username": "late",
        "password": PASSWORD,
        "permission": ADMIN,
        "customer_id": customer["id"],
    }
    engine = create_async_engine(house.settings.database_url_for("api_gateway"))
    try:
        async with engine.begin() as deletion:
            gone = text("UPDATE customer SET tm_delete = tm_create WHERE name = 'Example Ltd'")
            await deletion.execute(gone)
            asked = asyncio.create_task(house.ask("POST", AGENTS, house.admin, wish))
            await asyncio.sleep(1.0)
        assert reason(await asked) == (404, "CUSTOMER_NOT_FOUND")
    finally:
        await engine.dispose()
    # The name stays free.
    await house.an_agent("late", ADMIN)
