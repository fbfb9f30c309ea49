"""Numbers and outbound configurations where two ask at once, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from call_manager.bootstrap import MIGRATIONS
from call_manager.number.domain import NumberChange, NumberDraft, NumberType
from call_manager.number.errors import NumberInUse, NumbersTooMany
from call_manager.number.service import NumberService
from call_manager.outbound_config.domain import OutboundConfigChange
from call_manager.outbound_config.errors import LabModeNeeded, OutboundConfigExists
from call_manager.outbound_config.service import OutboundConfigService
from call_manager.tables import Table
from mesh.clock import SystemClock, new_id
from mesh.database import Database
from mesh.identity import Caller
from mesh.migrations import check_models
from tests.service.call_manager.calls_world import World, facts, raw, refusal, sip, tel
from tests.support.node import a_super_admin, an_identity

AT_ONCE = 8


class AnyFlow:
    """Takes every flow for the customer's: what flow_manager says is tested over REST."""

    async def demand_flow(self, flow_id: UUID, customer_id: UUID) -> None:
        return


async def outcomes(*asked: Coroutine[Any, Any, Any]) -> list[Any]:
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_a_number_is_recorded_once_however_many_ask(world: World) -> None:
    service = NumberService(world.database, AnyFlow(), SystemClock())
    admin = Caller("api_gateway", a_super_admin())
    draft = NumberDraft("+1 202 555 0123", NumberType.NORMAL)
    made = await outcomes(*(service.create(admin, draft) for _ in range(AT_ONCE)))
    failed = [one for one in made if isinstance(one, BaseException)]
    assert [type(one) for one in failed] == [NumberInUse] * (AT_ONCE - 1)
    (number,) = (one for one in made if not isinstance(one, BaseException))
    assert number.number == "+12025550123"
    await service.delete(admin, number.id)
    assert (await service.create(admin, draft)).id != number.id


async def test_a_customer_has_so_many_numbers_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("call_manager.number.service.NUMBERS_MAX", 3)
    service = NumberService(world.database, AnyFlow(), SystemClock())
    admin, other = Caller("api_gateway", a_super_admin()), new_id()
    drafts = [
        NumberDraft(f"+1 202 555 01{n:02}", NumberType.NORMAL, customer_id=UUID(world.customer))
        for n in range(AT_ONCE)
    ]
    made = await outcomes(*(service.create(admin, draft) for draft in drafts))
    refused = [one for one in made if isinstance(one, NumbersTooMany)]
    assert [one.metadata["limit"] for one in refused] == ["3"] * (AT_ONCE - 3)
    first, second, _ = (one for one in made if not isinstance(one, BaseException))
    # A deletion makes room once, and so does a number that goes to another customer.
    for _ in range(2):
        await service.delete(admin, first.id)
    await service.create(admin, replace(drafts[0], number="+1 202 555 0150"))
    moved = await service.update(admin, second.id, NumberChange({"customer_id": other}))
    assert moved.customer_id == other
    again = replace(drafts[0], number=first.number)
    assert (await service.create(admin, again)).number == first.number
    back = NumberChange({"customer_id": UUID(world.customer)})
    with pytest.raises(NumbersTooMany):
        await service.update(admin, second.id, back)
    assert (await service.get(admin, second.id)).customer_id == other


async def test_a_customer_has_one_configuration_however_many_ask(world: World) -> None:
    service = OutboundConfigService(world.database, SystemClock(), lab=False)
    someone = an_identity()
    caller, customer_id = Caller("api_gateway", someone), UUID(someone.customer_id)
    seen = await outcomes(*(service.own(caller, customer_id) for _ in range(AT_ONCE)))
    assert len({one.id for one in seen}) == 1
    other = new_id()
    made = await outcomes(
        *(service.create(caller, other, OutboundConfigChange()) for _ in range(AT_ONCE))
    )
    refused = [one for one in made if isinstance(one, OutboundConfigExists)]
    assert len(refused) == AT_ONCE - 1
    (config,) = (one for one in made if not isinstance(one, BaseException))
    assert {one.metadata["outbound_config_id"] for one in refused} == {str(config.id)}


async def test_only_a_lab_lets_a_customer_call_everywhere(world: World) -> None:
    service = OutboundConfigService(world.database, SystemClock(), lab=False)
    with pytest.raises(LabModeNeeded):
        await service.open(new_id())
    config = await world.configs.open(UUID(world.customer))
    assert config.everywhere
    countries = {"destination_whitelist": ["us"], "everywhere": False}
    await world.configs.update(config.id, OutboundConfigChange(countries))
    again = await world.configs.open(UUID(world.customer))
    assert (again.everywhere, again.destination_whitelist) == (False, ("us",))


async def test_a_customer_without_a_configuration_may_call_no_number(world: World) -> None:
    customer = str(new_id())
    await world.fund(customer)
    error = await refusal(world.create("+12025550123", customer_id=customer))
    assert facts(error) == (
        "PERMISSION_DENIED",
        "DESTINATION_NOT_ALLOWED",
        {"index": "0", "country": "us"},
    )
    assert await world.counts() == (0, 0)


async def test_codecs_are_one_destinations_and_no_others(world: World) -> None:
    config = await world.configs.open(UUID(world.customer))
    await world.configs.update(config.id, OutboundConfigChange({"codecs": "PCMA,PCMU"}))
    request = world.request(
        destinations=[sip("bob@office.example"), tel("+12025550123")],
        metadata=raw(route_provider_ids=[str(new_id())], skip_source_validation=True),
    )
    made = await world.calls().CallsCreate(request)
    stored = [await world.row(call.id) for call in made.calls]
    assert [row["metadata"].get("codecs") for row in stored] == ["PCMA,PCMU", None]


@pytest.mark.own_migrations
async def test_a_schema_of_yesterday_with_numbers_in_it_is_brought_up_to_date(
    tmp_path: Path,
) -> None:
    early = tmp_path / "migrations" / "versions"
    early.mkdir(parents=True)
    for revision in sorted((MIGRATIONS / "versions").glob("000[12]_*.py")):
        copy(revision, early)
    url = f"sqlite+aiosqlite:///{tmp_path / 'call.db'}"
    old = Database(url, migrations=early.parent)
    await old.start()
    async with old.writing_connection() as connection:
        for statement in (
            (
                "INSERT INTO number (id, customer_id, number, type, status, tm_create)"
                " VALUES (:id, :of, '+12025550123', 'normal', 'active', :at)"
            ),
            "INSERT INTO outbound_config (id, customer_id, tm_create) VALUES (:id, :of, :at)",
        ):
            values = {"id": new_id().hex, "of": new_id().hex, "at": "2026-01-02T03:04:05.000000Z"}
            await connection.execute(text(statement), values)
    await old.stop()
    new = Database(url, migrations=MIGRATIONS)
    await new.start()
    try:
        async with new.writing_connection() as connection:
            assert await check_models(connection, Table.metadata) == []
            query = text("SELECT everywhere, codecs FROM outbound_config")
            assert (await connection.execute(query)).one() == (0, "")
            counted = text("SELECT numbers FROM number_count")
            assert (await connection.execute(counted)).one() == (1,)
    finally:
        await new.stop()
