"""Limits and the kill switch as they are shown and moved, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy
from google.protobuf.field_mask_pb2 import FieldMask
from structlog.testing import capture_logs
from voipbin.call.v1 import call_limit_pb2
from voipbin.call.v1 import call_limit_service_pb2 as pb
from voipbin.call.v1 import dialing_service_pb2 as dialing_pb

from call_manager.billing import repository
from call_manager.billing.domain import DEFAULT_CAPS, dollars
from call_manager.billing.models import BillingAccountRow
from mesh.clock import SystemClock
from mesh.database import Transaction
from tests.service.call_manager.calls_world import refusal
from tests.service.call_manager.money_desk import Desk, money_desk
from tests.support.node import an_identity

ACCOUNTS: Any = BillingAccountRow.__table__  # type: ignore[attr-defined]
CLOCK_US = 4_000_000_000_000_000


@pytest.fixture
async def desk(tmp_path: Path, database_url: str) -> AsyncIterator[Desk]:
    async with money_desk(tmp_path, database_url) as running:
        yield running


async def own(desk: Desk) -> call_limit_pb2.CallLimit:
    request = pb.CallLimitOwnGetRequest(customer_id=desk.customer)
    return (await desk.ask_as(desk.admin, desk.limits.CallLimitOwnGet, request)).call_limit


async def change(
    desk: Desk, *, mask: tuple[str, ...] = (), **fields: Any
) -> call_limit_pb2.CallLimit:
    paths = FieldMask(paths=[*(mask or fields)])
    request = pb.CallLimitUpdateRequest(customer_id=desk.customer, update_mask=paths, **fields)
    return (await desk.ask(desk.limits.CallLimitUpdate, request)).call_limit


async def used(desk: Desk, **columns: Any) -> None:
    """Put the account into a state of use."""

    async def work(tx: Transaction) -> None:
        account = await repository.held_account(tx, UUID(desk.customer), SystemClock().now())
        await tx.run(ACCOUNTS.update().where(ACCOUNTS.c.id == account.id).values(**columns))

    await desk.database.transact(work, name="used")


async def clock(desk: Desk) -> int:
    found = await desk.database.read(
        lambda tx: repository.account_of(tx, UUID(desk.customer)), name="clock"
    )
    assert found is not None
    return found.next_call_us


async def test_a_new_customer_has_narrow_limits(desk: Desk) -> None:
    limit = await own(desk)
    assert limit == call_limit_pb2.CallLimit(
        customer_id=desk.customer,
        calls_per_second=DEFAULT_CAPS.calls_per_second,
        calls_at_once=DEFAULT_CAPS.calls_at_once,
        duration_max=DEFAULT_CAPS.duration_max_s,
        daily_spend=dollars(DEFAULT_CAPS.daily_spend or 0),
        calls_per_number=DEFAULT_CAPS.calls_per_number,
        spent_today="0.000000",
        reserved="0.000000",
    )
    assert 0 not in {limit.calls_per_second, limit.calls_at_once, limit.calls_per_number}
    seen = pb.CallLimitGetRequest(customer_id=desk.customer)
    assert (await desk.ask(desk.limits.CallLimitGet, seen)).call_limit == limit
    asked = pb.CallLimitOwnGetRequest(customer_id=desk.customer)
    error = await refusal(desk.ask_as(an_identity(), desk.limits.CallLimitOwnGet, asked))
    assert error.reason == "PERMISSION_DENIED"
    error = await refusal(desk.ask_as(desk.admin, desk.limits.CallLimitGet, seen))
    assert error.reason == "PERMISSION_DENIED"


async def test_limits_change_in_parts_and_before_the_first_look(desk: Desk) -> None:
    changed = await change(desk, calls_at_once=50, daily_spend="0.5")
    assert (changed.calls_per_number, changed.calls_at_once) == (
        DEFAULT_CAPS.calls_per_number,
        50,
    )
    assert changed.daily_spend == "0.500000"
    assert (await change(desk, mask=("daily_spend",))).daily_spend == ""
    assert (await change(desk, daily_spend="0")).daily_spend == "0.000000"
    none = await change(
        desk, mask=("calls_per_second", "calls_at_once", "duration_max", "calls_per_number")
    )
    assert (none.calls_per_second, none.calls_at_once, none.duration_max) == (0, 0, 0)
    assert (none.calls_per_number, none.daily_spend) == (0, "0.000000")
    assert await change(desk) == none == await own(desk)


NONSENSE: tuple[tuple[str, Any], ...] = (
    ("calls_per_second", -1),
    ("calls_per_second", 1001),
    ("calls_at_once", 100_001),
    ("duration_max", 86_401),
    ("daily_spend", "-1"),
    ("daily_spend", "1000000.000001"),
    ("daily_spend", "much"),
    ("calls_per_number", -1),
)


async def test_a_limit_that_makes_no_sense_is_refused(desk: Desk) -> None:
    before = await own(desk)
    for field, value in NONSENSE:
        error = await refusal(change(desk, **{field: value}))
        told = (error.reason, [one.field for one in error.violations])
        assert told == ("INVALID_ARGUMENT", [field]), value
    assert (await refusal(change(desk, mask=("live_calls",)))).reason == "INVALID_ARGUMENT"
    assert await own(desk) == before


async def test_another_rate_begins_without_the_old_ones_debts(desk: Desk) -> None:
    pace = (await own(desk)).calls_per_second
    await used(desk, next_call_us=CLOCK_US)
    await change(desk, calls_per_second=pace, calls_at_once=7)
    assert await clock(desk) == CLOCK_US
    await change(desk, calls_per_second=pace + 1)
    assert await clock(desk) == 0


@pytest.mark.uncounted
async def test_what_is_in_use_stands_beside_the_limits(desk: Desk) -> None:
    await desk.reserve(600_000)
    today = SystemClock().now().date().isoformat()
    await used(desk, live_calls=3, spent=12_000, spend_day=today)
    limit = await own(desk)
    assert (limit.live_calls, limit.spent_today, limit.reserved) == (3, "0.012000", "0.600000")
    assert (await desk.account()).spent_today == "0.012000"
    # What was spent on another day is not spent today.
    await used(desk, spend_day="2026-01-01")
    assert (await own(desk)).spent_today == "0.000000"
    assert (await desk.account()).spent_today == "0.000000"


async def switch(desk: Desk, *, mask: tuple[str, ...] = (), **fields: Any) -> dialing_pb.Dialing:
    paths = FieldMask(paths=[*(mask or fields)])
    request = dialing_pb.DialingUpdateRequest(
        update_mask=paths, agent_id=desk.boss.agent_id, **fields
    )
    return (await desk.ask(desk.dialing.DialingUpdate, request)).dialing


async def test_dialling_is_switched_off_and_on_and_who_did_it_is_kept(desk: Desk) -> None:
    request = dialing_pb.DialingGetRequest()
    untouched = (await desk.ask(desk.dialing.DialingGet, request)).dialing
    assert untouched == dialing_pb.Dialing(enabled=True)
    assert await switch(desk) == untouched
    with capture_logs() as logged:
        off = await switch(desk, enabled=False, reason="toll fraud")
    assert (off.enabled, off.reason, off.agent_id) == (False, "toll fraud", desk.boss.agent_id)
    assert off.HasField("tm_update")
    (line,) = (one for one in logged if one["event"] == "dialing was switched")
    assert line["log_level"] == "warning"
    assert (line["enabled"], line["agent_id"]) == (False, desk.boss.agent_id)
    assert (await desk.ask(desk.dialing.DialingGet, request)).dialing == off
    assert not (await desk.database.transact(repository.dialing, name="asked")).enabled
    on = await switch(desk, enabled=True)
    assert (on.enabled, on.reason) == (True, "")
    assert (await desk.database.transact(repository.dialing, name="asked")).enabled
    for asked in (switch(desk, reason="x" * 256), switch(desk, reason="\0")):
        assert (await refusal(asked)).reason == "INVALID_ARGUMENT"
    error = await refusal(desk.ask_as(desk.admin, desk.dialing.DialingGet, request))
    assert error.reason == "PERMISSION_DENIED"


@pytest.mark.one_engine("postgresql")
async def test_whoever_switches_waits_for_those_who_were_told_they_may_dial(
    engine: str, desk: Desk
) -> None:
    if engine == "sqlite":
        pytest.skip("SQLite has one writer.")
    asked = sqlalchemy.text("SELECT enabled FROM dialing FOR SHARE")
    async with desk.database.writing_connection() as connection:
        assert (await connection.execute(asked)).scalar_one()
        switching = asyncio.create_task(switch(desk, enabled=False))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(switching), 0.3)
    assert not (await switching).enabled
