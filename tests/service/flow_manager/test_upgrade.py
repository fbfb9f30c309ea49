"""Data directories of yesterday."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from sqlalchemy import text
from voipbin.flow.v1 import activeflow_service_pb2 as pb

from flow_manager.bootstrap import MIGRATIONS
from flow_manager.tables import Table
from mesh.clock import new_id
from mesh.database import Database
from mesh.identity import acting_as
from mesh.migrations import check_models
from tests.service.flow_manager.conftest import House
from tests.support.node import an_identity

AT = "2026-01-02T03:04:05.000000Z"


@pytest.mark.own_migrations
async def test_what_ran_before_the_upgrade_is_listed_and_can_be_stopped(tmp_path: Path) -> None:
    early = tmp_path / "migrations" / "versions"
    early.mkdir(parents=True)
    copy(next((MIGRATIONS / "versions").glob("0001_*.py")), early)
    house, someone = House(tmp_path, None), an_identity()
    url = house.settings.database_url_for("flow_manager")
    old = Database(url, migrations=early.parent)
    await old.start()
    action: dict[str, Any] = {"id": str(new_id()), "next_id": None, "type": "beep", "option": {}}
    row: dict[str, Any] = {
        "id": new_id().hex,
        "customer": someone.customer_id.replace("-", ""),
        "other": new_id().hex,
        "actions": json.dumps([action]),
        "at": AT,
    }
    async with old.writing_connection() as connection:
        await connection.execute(
            text(
                "INSERT INTO activeflow (id, customer_id, flow_id, reference_type, reference_id,"
                " actions, status, step_count, tm_create)"
                " VALUES (:id, :customer, :other, 'call', :other, :actions, 'running', 0, :at)"
            ),
            row,
        )
    await old.stop()

    async with house.serving():
        stub = house.activeflows_of("api_gateway")
        with acting_as(someone):
            listing = pb.ActiveflowListRequest(customer_id=someone.customer_id)
            (found,) = (await stub.ActiveflowList(listing)).result
            stopped = await stub.ActiveflowStop(pb.ActiveflowStopRequest(id=found.id))
        assert stopped.activeflow.status == pb.ACTIVEFLOW_STATUS_ENDED
    new = Database(url, migrations=MIGRATIONS)
    await new.start()
    async with new.writing_connection() as connection:
        assert await check_models(connection, Table.metadata) == []
    await new.stop()


@pytest.mark.own_migrations
async def test_a_call_that_ran_a_flow_before_the_upgrade_goes_on_with_it(tmp_path: Path) -> None:
    """Its steps say nothing of their options, and nothing says what was handed out before."""
    early = tmp_path / "migrations" / "versions"
    early.mkdir(parents=True)
    for revision in ("0001", "0002", "0003"):
        copy(next((MIGRATIONS / "versions").glob(f"{revision}_*.py")), early)
    house, someone = House(tmp_path, None), an_identity()
    old = Database(house.settings.database_url_for("flow_manager"), migrations=early.parent)
    await old.start()
    ids, id_, other = [new_id() for _ in range(3)], new_id(), new_id()
    actions = [
        {"id": str(one), "next_id": None, "type": "hangup", "option": {"reason": "${why}"}}
        for one in ids
    ]
    async with old.writing_connection() as connection:
        await connection.execute(
            text(
                "INSERT INTO activeflow (id, customer_id, flow_id, reference_type, reference_id,"
                " actions, status, step_count, variables, tm_create)"
                " VALUES (:id, :customer, :other, 'call', :other, :actions, 'running', 2,"
                " :variables, :at)"
            ),
            {
                "id": id_.hex,
                "customer": someone.customer_id.replace("-", ""),
                "other": other.hex,
                "actions": json.dumps(actions),
                "variables": json.dumps({"why": "busy"}),
                "at": AT,
            },
        )
        for number in (1, 2):
            await connection.execute(
                text(
                    "INSERT INTO activeflow_step (activeflow_id, number, action_id, tm_execute)"
                    " VALUES (:id, :number, :action, :at)"
                ),
                {"id": id_.hex, "number": number, "action": ids[number - 1].hex, "at": AT},
            )
    await old.stop()

    async with house.serving():

        async def finished(number: int) -> pb.ActiveflowNextResponse:
            question = pb.ActiveflowNextRequest(
                id=str(id_),
                customer_id=someone.customer_id,
                flow_id=str(other),
                reference_type=pb.ACTIVEFLOW_REFERENCE_TYPE_CALL,
                reference_id=str(other),
                finished_action_id=str(ids[number]),
            )
            return await house.activeflows.ActiveflowNext(question)

        again = await finished(0)
        assert (again.action.id, again.step) == (str(ids[1]), 2)
        third = await finished(1)
        assert (third.action.id, third.step) == (str(ids[2]), 3)
        assert [one.option["reason"] for one in third.activeflow.executed_actions] == ["busy"] * 3
        assert not (await finished(2)).HasField("action")
