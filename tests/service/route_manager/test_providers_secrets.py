"""Providers' secrets at rest: sealed, rotated, refused without their key, never stored in clear."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, text
from voipbin.route.v1.provider_service_pb2 import (
    ProviderDialConfigGetRequest,
    ProviderGetRequest,
    ProviderUpdateRequest,
)

from mesh.clock import new_id
from mesh.database import Database, Json, UtcDateTime, Uuid
from mesh.remote import RemoteError
from mesh.sealing import Sealer, add_key, mint_ring, read_ring
from mesh.start import StartRefused
from route_manager.bootstrap import MIGRATIONS
from route_manager.provider import repository
from route_manager.provider.keeper import Keeper, KeyFile
from route_manager.provider.vault import Vault
from tests.architecture.code import ROOT
from tests.service.route_manager.conftest import House

FIRST = Table(
    "provider",
    MetaData(),
    Column("id", Uuid()),
    Column("tech_headers", Json()),
    Column("metadata", Json()),
    *(Column(f"tm_{name}", UtcDateTime()) for name in ("create", "delete")),
    *(
        Column(name, String())
        for name in (
            *("type", "hostname", "tech_prefix", "tech_postfix", "name", "detail", "codecs"),
            *("sip_username", "sip_password", "health_status"),
        )
    ),
)
"""The providers of the first schema."""

HEADERS = {"X-Account": "declared-s3cret", "X-Token": "telling-s3cret"}
PASSWORD = "digest-s3cret"


async def a_secretive_provider(house: House) -> str:
    made = await house.a_provider(
        tech_headers=HEADERS,
        secret_headers=["X-Account"],
        sip_username="user",
        sip_password=PASSWORD,
    )
    return made.id


async def dialled(house: House, provider_id: str) -> tuple[dict[str, str], str, list[str]]:
    """Return the secrets as the dialer gets them, and which headers it may not show."""
    request = ProviderDialConfigGetRequest(id=provider_id)
    provider = (await house.providers("call_manager").ProviderDialConfigGet(request)).provider
    return dict(provider.tech_headers), provider.sip_password, sorted(provider.secret_headers)


ALL = (HEADERS, PASSWORD, ["X-Account", "X-Token"])


def keys_of(house: House) -> Path:
    return house.settings().data_dir / "credentials" / "route_manager.keys"


async def stored(house: House) -> list[tuple[str, str, str | None]]:
    """Return what stands in the rows."""
    database = Database(house.settings().database_url_for("route_manager"))
    await database.start()
    try:
        async with database.writing_connection() as connection:
            rows = await connection.execute(
                text("SELECT tech_headers, sip_password, sealed_by FROM provider ORDER BY id")
            )
            return [(row[0], row[1], row[2]) for row in rows]
    finally:
        await database.stop()


async def command(house: House, *arguments: str) -> tuple[int, str]:
    settings = house.settings()
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        "VBMESH_DATA_DIR": str(settings.data_dir),
        "VBMESH_DATABASE_URL": settings.database_url_for("route_manager"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "route_manager", *arguments,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_only_the_dialer_gets_secrets_and_learns_which_headers_are(served: House) -> None:
    provider_id = await a_secretive_provider(served)
    shown = (await served.providers().ProviderGet(ProviderGetRequest(id=provider_id))).provider
    assert dict(shown.tech_headers) == {"X-Account": "****cret", "X-Token": "****cret"}
    assert list(shown.secret_headers) == ["X-Account"]
    assert await dialled(served, provider_id) == ALL


async def test_rows_hold_seals_that_name_their_key(served: House) -> None:
    await a_secretive_provider(served)
    [(headers, password, key_id)] = await stored(served)
    assert headers.startswith(f"s1.{key_id}.")
    assert password.startswith(f"s1.{key_id}.")
    assert list(read_ring(keys_of(served)).keys) == [key_id]
    assert "s3cret" not in headers + password


async def test_a_restart_reads_what_was_sealed_before(house: House) -> None:
    async with house.serving():
        provider_id = await a_secretive_provider(house)
    async with house.serving():
        assert await dialled(house, provider_id) == ALL


async def test_without_the_key_the_start_is_refused_and_says_which_and_what_to_do(
    house: House,
) -> None:
    async with house.serving():
        await a_secretive_provider(house)
    key_id = Sealer(keys_of(house)).key_id
    kept = keys_of(house).read_bytes()
    keys_of(house).unlink()
    with pytest.raises(StartRefused, match=f"{key_id}.*Restore the key file"):
        async with house.serving():
            pass
    assert not keys_of(house).exists()
    mint_ring(keys_of(house))
    with pytest.raises(StartRefused, match=key_id):
        async with house.serving():
            pass
    keys_of(house).write_bytes(kept)
    async with house.serving():
        pass


async def test_a_file_that_is_named_must_be_there(house: House, tmp_path: Path) -> None:
    named = tmp_path / "elsewhere.keys"
    with pytest.raises(StartRefused, match="elsewhere"):
        async with house.serving(sealing_keys_file=named):
            pass
    mint_ring(named)
    async with house.serving(sealing_keys_file=named):
        provider_id = await a_secretive_provider(house)
        assert await dialled(house, provider_id) == ALL
    assert not keys_of(house).exists()


async def test_a_row_that_no_key_opens_is_told_by_its_own_reason(served: House) -> None:
    provider_id = await a_secretive_provider(served)
    key_id = Sealer(keys_of(served)).key_id
    database = Database(served.settings().database_url_for("route_manager"))
    await database.start()
    async with database.writing_connection() as connection:
        await connection.execute(text("UPDATE provider SET sip_password = tech_headers"))
    await database.stop()
    with pytest.raises(RemoteError) as caught:
        await dialled(served, provider_id)
    assert caught.value.reason == "PROVIDER_SECRETS_UNREADABLE"
    assert {**caught.value.metadata, "request_id": ""} == {
        "provider_id": provider_id,
        "key_id": key_id,
        "request_id": "",
    }


async def test_a_new_key_seals_every_row_beside_the_running_service(served: House) -> None:
    first, second = [await a_secretive_provider(served) for _ in range(2)]
    plain = await served.a_provider()
    old = Sealer(keys_of(served)).key_id
    status, said = await command(served, "--rotate-secrets")
    new = Sealer(keys_of(served)).key_id
    assert (status, said.splitlines()[-1]) == (
        0,
        f"Sealed the secrets of 3 providers with the new key {new}.",
    )
    assert {key_id for _, _, key_id in await stored(served)} == {new} != {old}
    for provider_id in (first, second):
        assert await dialled(served, provider_id) == ALL
    assert await dialled(served, plain.id) == ({}, "", [])
    # What the service, which was not started anew, seals now, it seals with the new key.
    update = ProviderUpdateRequest(id=first, sip_password="another-one")
    update.update_mask.paths.append("sip_password")
    await served.providers().ProviderUpdate(update)
    assert {key_id for _, _, key_id in await stored(served)} == {new}


async def test_a_rotation_that_died_half_way_is_finished_by_the_next(served: House) -> None:
    providers = [await a_secretive_provider(served) for _ in range(3)]
    add_key(keys_of(served))
    database = Database(served.settings().database_url_for("route_manager"))
    await database.start()
    sealer = Sealer(keys_of(served))
    keeper = Keeper(database, sealer, KeyFile(keys_of(served), is_ours=True))
    # As far as the dead process came: one row.
    [old] = await database.read(lambda tx: repository.to_be_sealed(tx, sealer.key_id, 1), name="t")
    new = Vault(sealer).seal(old.id, *Vault(sealer).open(old))
    assert await database.transact(lambda tx: repository.replace_secrets(tx, old, new), name="t")
    for provider_id in providers:
        assert await dialled(served, provider_id) == ALL
    assert await keeper.rotate() == 2
    assert await keeper.rotate() == 0
    # Somebody changed the row meanwhile: the stale seal is not stored over it.
    assert not await database.transact(
        lambda tx: repository.replace_secrets(tx, old, new), name="t"
    )
    await database.stop()


async def test_secrets_whose_key_is_lost_for_good_can_be_cleared(house: House) -> None:
    async with house.serving():
        lost = await a_secretive_provider(house)
    keys_of(house).unlink()
    status, said = await command(house, "--rotate-secrets")
    assert (status, "Restore the key file" in said) == (3, True)
    status, said = await command(house, "--drop-lost-secrets")
    assert (status, said.splitlines()[-2:]) == (
        0,
        ["Cleared the secrets of 1 providers; set them anew.", f"  {lost}"],
    )
    async with house.serving():
        assert await dialled(house, lost) == ({}, "", [])


@pytest.mark.own_migrations
async def test_what_an_earlier_version_stored_in_clear_is_sealed_at_the_first_start(
    house: House, tmp_path: Path
) -> None:
    url = house.settings().database_url_for("route_manager")
    row = {
        **dict.fromkeys(FIRST.c.keys(), ""),
        "tech_headers": {"X-Token": "telling-s3cret"},
        "sip_password": "digest-s3cret",
        "hostname": "127.0.0.1",
        "type": "sip",
        "health_status": "unknown",
        "metadata": {},
        "tm_create": datetime.now(UTC),
        "tm_delete": None,
    }
    living = {**row, "id": new_id()}
    deleted = {**row, "id": new_id(), "tm_delete": datetime.now(UTC)}
    await yesterday(tmp_path, url, living, deleted)
    async with house.serving():
        got = await dialled(house, str(living["id"]))
        assert got == ({"X-Token": "telling-s3cret"}, "digest-s3cret", ["X-Token"])
    rows = await stored(house)
    assert all(key_id is not None for _, _, key_id in rows)
    assert "s3cret" not in str(rows)
    if house.database_url is None:
        files = list(house.settings().data_dir.glob("route_manager.db*"))
        assert files
        assert not [file for file in files if b"s3cret" in file.read_bytes()]


async def yesterday(folder: Path, url: str, *rows: dict[str, Any]) -> None:
    """Make a database of the first schema with providers in it, as the first version did."""
    versions = folder / "first" / "versions"
    versions.mkdir(parents=True)
    shutil.copy(MIGRATIONS / "versions" / "0001_routes.py", versions)
    database = Database(url, migrations=versions.parent)
    await database.start()
    async with database.writing_connection() as connection:
        await connection.execute(FIRST.insert(), rows)
    await database.stop()
