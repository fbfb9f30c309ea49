"""Signing in, what a token is worth, and the keys it is signed with."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from voipbin.account.v1 import auth_service_pb2 as pb

from api_gateway.account.keyring import READ_AGAIN_AFTER_S
from api_gateway.account.models import Table
from api_gateway.account.repository import keys
from api_gateway.door.credentials import Credentials as Shown
from api_gateway.errors import InvalidCredentials
from mesh.migrations import check_models
from mesh.remote import RemoteError
from tests.service.api_gateway.account_house import PASSWORD, AccountHouse
from tests.support.running_mesh import VBMESH, ok, reason, running_mesh

AGENTS = "/v1.0/agents"


def part(token: str, index: int) -> dict[str, Any]:
    stated: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[index] + "=="))
    return stated


def header(token: str) -> dict[str, Any]:
    return part(token, 0)


def claims(token: str) -> dict[str, Any]:
    return part(token, 1)


async def test_signing_in_gives_a_token_for_a_week_and_a_cookie(house: AccountHouse) -> None:
    agent = await house.an_agent("alice", 32)
    body = {"username": "alice", "password": PASSWORD}
    answer = await house.ask("POST", "/auth/login", body=body)
    shown = ok(answer)
    assert list(shown) == ["username", "token"]
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"token={shown['token']};")
    for part in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"):
        assert part in cookie
    stated = claims(shown["token"])
    assert (stated["iss"], stated["aud"], stated["sub"]) == (
        "voipbin-mesh",
        "voipbin-api",
        agent["id"],
    )
    assert stated["exp"] - stated["iat"] == 7 * 86_400
    assert header(shown["token"])["alg"] == "Ed25519"
    # What the agent may do is looked up, never written down.
    assert set(stated) == {"iss", "aud", "sub", "iat", "exp", "gen"}


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"username": "alice"},
        {"username": "alice", "password": "wrong password"},
        {"username": "nobody", "password": PASSWORD},
        {"username": "alice", "password": PASSWORD, "more": 1},
        {"username": "alice\x00", "password": PASSWORD},
        {"username": 1, "password": PASSWORD},
    ],
)
async def test_every_failure_to_sign_in_is_a_bare_400(house: AccountHouse, body: object) -> None:
    await house.an_agent("alice", 32)
    answer = await house.ask("POST", "/auth/login", body=body)
    assert (answer.status_code, answer.content) == (400, b"")
    assert "set-cookie" not in answer.headers


async def test_a_direct_token_opens_nothing(house: AccountHouse) -> None:
    for path in ("/v1.0/calls", "/v1.0/providers", AGENTS):
        answer = await house.ask("GET", path, "direct.0123456789abcdef")
        assert reason(answer) == (403, "DIRECT_ACCESS_NOT_SUPPORTED")
        assert answer.json()["error"]["status"] == "PERMISSION_DENIED"


async def test_tokens_of_an_older_key_are_read_until_the_last_has_expired(
    house: AccountHouse,
) -> None:
    old = house.admin
    rotated = await house.auth.SigningKeyRotate(pb.SigningKeyRotateRequest())
    fresh = await house.login(house.first.admin.username, house.first.admin.password)
    assert header(fresh)["kid"] == rotated.key_id != header(old)["kid"]
    for token in (old, fresh):
        ok(await house.ask("GET", AGENTS, token))
    async with house.replica() as replica:
        await replica.keyring.look_after()
        assert await stored_keys(house) == {rotated.key_id, header(old)["kid"]}
        house.clock.ahead = timedelta(days=7, hours=1, minutes=1)
        await replica.keyring.look_after()
        assert await stored_keys(house) == {rotated.key_id}


async def test_a_key_that_became_known_signs_nothing_any_more(house: AccountHouse) -> None:
    old = house.admin
    async with house.replica() as replica:
        await replica.authenticator.identify(Shown(token=old))
        wish = pb.SigningKeyRotateRequest(end_tokens=True)
        rotated = await house.auth.SigningKeyRotate(wish)
        assert await stored_keys(house) == {rotated.key_id}
        refused = (401, "INVALID_CREDENTIALS")
        assert reason(await house.ask("GET", AGENTS, old)) == refused
        await replica.keyring.look_after()
        with pytest.raises(InvalidCredentials):
            await replica.authenticator.identify(Shown(token=old))
    fresh = await house.login(house.first.admin.username, house.first.admin.password)
    assert header(fresh)["kid"] == rotated.key_id
    ok(await house.ask("GET", AGENTS, fresh))


async def test_a_key_that_is_old_is_replaced_and_every_replica_reads_the_new_ones_tokens(
    house: AccountHouse,
) -> None:
    async with house.replica() as replica:
        house.clock.ahead = timedelta(days=31)
        await replica.keyring.look_after()
        assert len(await stored_keys(house)) == 2
        expired = house.admin
        # The door itself has not looked yet, so it signs with the old key; the replica reads that.
        fresh = await house.login(house.first.admin.username, house.first.admin.password)
        assert header(fresh)["kid"] == header(expired)["kid"]
        seen = await replica.authenticator.identify(Shown(token=fresh))
        assert seen.identity.agent_id == house.first.admin.agent_id
        # And the door looks for the key of a token that the replica signed.
        await asyncio.sleep(READ_AGAIN_AFTER_S)
        bearer = await replica.keyring.read(fresh)
        assert bearer is not None
        signed = replica.keyring.sign(bearer)
        assert header(signed)["kid"] != header(fresh)["kid"]
        ok(await house.ask("GET", AGENTS, signed))
        # Last, for whoever shows it makes the door look for new keys.
        assert reason(await house.ask("GET", AGENTS, expired)) == (401, "INVALID_CREDENTIALS")


async def test_a_lost_password_is_reset_by_whoever_runs_the_installation(
    house: AccountHouse,
) -> None:
    await house.an_agent("alice", 32)
    old = await house.login("alice")
    answer = await house.auth.PasswordReset(pb.PasswordResetRequest(username="alice"))
    assert reason(await house.ask("GET", AGENTS, old)) == (401, "INVALID_CREDENTIALS")
    ok(await house.ask("GET", AGENTS, await house.login("alice", answer.password)))
    with pytest.raises(RemoteError) as caught:
        await house.auth.PasswordReset(pb.PasswordResetRequest(username="nobody"))
    assert caught.value.reason == "AGENT_NOT_FOUND"


async def test_the_migrations_make_what_the_models_say(house: AccountHouse) -> None:
    database = house.database()
    await database.start()
    try:
        async with database.writing_connection() as connection:
            assert await check_models(connection, Table.metadata) == []
    finally:
        await database.stop()


async def test_the_replica_refuses_what_the_door_refuses(house: AccountHouse) -> None:
    async with house.replica() as replica:
        for shown in (Shown(token="x"), Shown(access_key="vb_x")):
            with pytest.raises(InvalidCredentials):
                await replica.authenticator.identify(shown)


async def vbmesh(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        str(VBMESH), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.usefixtures("mesh_databases")
async def test_the_commands_for_passwords_and_keys_work_on_a_running_mesh(tmp_path: Path) -> None:
    home = tmp_path / "data"
    options = ("--data-dir", str(home))
    status, _, said = await vbmesh("passwd", "admin@voipbin.local", *options)
    assert (status, said) == (
        1,
        f"vbmesh passwd: no mesh runs on {home}; start it with `vbmesh up`\n",
    )
    async with running_mesh(home) as mesh:
        status, password, said = await vbmesh("passwd", "admin@voipbin.local", *options)
        assert (status, said) == (0, "")
        body = {"username": "admin@voipbin.local", "password": password.strip()}
        before = ok(await mesh.http.post("/auth/login", json=body))["token"]
        status, told, _ = await vbmesh("rotate-keys", *options)
        assert status == 0
        after = ok(await mesh.http.post("/auth/login", json=body))["token"]
        assert header(before)["kid"] != header(after)["kid"]
        assert header(after)["kid"] in told
        assert (await mesh.get("/v1.0/customer")).status_code == 401
        assert (await vbmesh("rotate-keys", *options, "--end-tokens"))[0] == 0
        mine = {"authorization": f"Bearer {after}"}
        assert (await mesh.http.get("/v1.0/customer", headers=mine)).status_code == 401
        status, _, said = await vbmesh("passwd", "nobody", *options)
        assert status == 1
        assert said == "vbmesh passwd: There is no agent nobody.\n"
        assert password.strip() not in mesh.log.read_text()


async def stored_keys(house: AccountHouse) -> set[str]:
    database = house.database()
    await database.start()
    try:
        return {str(key.id) for key in await database.read(keys, name="keys")}
    finally:
        await database.stop()
