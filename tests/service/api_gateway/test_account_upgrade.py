"""The data directory of an older installation goes on to serve."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from api_gateway.account.passwords import Passwords
from api_gateway.bootstrap import MIGRATIONS
from mesh.clock import new_id
from mesh.database import Database, Transaction
from tests.service.api_gateway.account_house import PASSWORD, AccountHouse
from tests.support.running_mesh import ok


@pytest.mark.own_migrations
async def test_accounts_of_the_first_revision_sign_in_after_the_upgrade(
    tmp_path: Path, database_url: str
) -> None:
    await an_old_installation(tmp_path, database_url, await Passwords().hash(PASSWORD))
    async with AccountHouse(tmp_path, database_url).running() as house:
        token = await house.login("old-admin")
        own = ok(await house.ask("GET", "/v1.0/customer", token))
        assert (own["name"], own["detail"], own["rtp_debug"]) == ("Old Ltd", "", False)
        agents = ok(await house.ask("GET", "/v1.0/agents", token))["result"]
        assert [agent["username"] for agent in agents] == ["old-admin"]
        await house.a_key(token)


async def an_old_installation(folder: Path, database_url: str, password_hash: str) -> None:
    """Write a database as the first revision left it."""
    migrations = folder / "old"
    (migrations / "versions").mkdir(parents=True)
    first = "versions/0001_accounts.py"
    shutil.copy(MIGRATIONS / first, migrations / first)
    database = Database(database_url, migrations=migrations)
    await database.start()
    customer, agent = new_id().hex, new_id().hex

    async def work(tx: Transaction) -> None:
        await tx.run(
            text(
                "INSERT INTO customer (id, name, status, identity_verification, tm_create)"
                f" VALUES ('{customer}', 'Old Ltd', 'active', 'verified',"
                " '2026-01-02T03:04:05.678901Z')"
            )
        )
        await tx.run(
            text(
                "INSERT INTO agent"
                " (id, customer_id, username, password_hash, permissions, tm_create)"
                f" VALUES ('{agent}', '{customer}', 'old-admin', '{password_hash}', 32,"
                " '2026-01-02T03:04:05.678901Z')"
            )
        )

    try:
        await database.transact(work, name="old")
    finally:
        await database.stop()
