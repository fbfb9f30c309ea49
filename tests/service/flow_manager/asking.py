"""Running flows as a customer asks for them."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import pytest
from grpc import StatusCode
from voipbin.flow.v1 import activeflow_service_pb2 as pb
from voipbin.mesh.v1.identity_pb2 import Identity

from mesh.identity import acting_as
from mesh.remote import RemoteError
from tests.service.flow_manager.conftest import House

RUNNING, ENDED = pb.ACTIVEFLOW_STATUS_RUNNING, pb.ACTIVEFLOW_STATUS_ENDED
API = pb.ACTIVEFLOW_REFERENCE_TYPE_API
LIMIT_S: Final = 5.0


async def create(house: House, someone: Identity, **fields: Any) -> pb.Activeflow:
    fields.setdefault("customer_id", someone.customer_id)
    with acting_as(someone):
        stub = house.activeflows_of("api_gateway")
        return (await stub.ActiveflowCreate(pb.ActiveflowCreateRequest(**fields))).activeflow


async def get(house: House, someone: Identity, id_: str) -> pb.Activeflow:
    with acting_as(someone):
        stub = house.activeflows_of("api_gateway")
        return (await stub.ActiveflowGet(pb.ActiveflowGetRequest(id=id_))).activeflow


async def stop(house: House, someone: Identity, id_: str) -> pb.Activeflow:
    with acting_as(someone):
        stub = house.activeflows_of("api_gateway")
        return (await stub.ActiveflowStop(pb.ActiveflowStopRequest(id=id_))).activeflow


async def delete(house: House, someone: Identity, id_: str) -> pb.Activeflow:
    with acting_as(someone):
        stub = house.activeflows_of("api_gateway")
        return (await stub.ActiveflowDelete(pb.ActiveflowDeleteRequest(id=id_))).activeflow


async def page(house: House, someone: Identity, **fields: Any) -> pb.ActiveflowListResponse:
    fields.setdefault("customer_id", someone.customer_id)
    with acting_as(someone):
        stub = house.activeflows_of("api_gateway")
        return await stub.ActiveflowList(pb.ActiveflowListRequest(**fields))


async def until_ended(house: House, someone: Identity, id_: str) -> pb.Activeflow:
    give_up = time.monotonic() + LIMIT_S
    while (found := await get(house, someone, id_)).status != ENDED:
        assert time.monotonic() < give_up
        await asyncio.sleep(0.02)
    return found


def refusal(caught: pytest.ExceptionInfo[RemoteError]) -> tuple[StatusCode, str]:
    return caught.value.code, caught.value.reason
