"""A repeated request is the same request: one record, one INVITE, whatever came in between."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Final

import pytest

from mesh.clock import new_id
from tests.support.carrier import Carrier, carrier
from tests.support.running_mesh import RunningMesh, ok, reason, wish

RECORDS: Final = "/v1.0/providercalls"
NUMBER: Final = "+12025550123"


def a_key() -> str:
    return f"key-{new_id()}"


async def test_the_same_key_is_the_same_record_and_one_invite(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    body, key = wish(provider["id"], NUMBER, actions=[{"type": "hangup"}]), a_key()

    first = ok(await mesh.post(RECORDS, body, idempotency_key=key))
    await mesh.ended(first["call_ids"][0])
    again = ok(await mesh.post(RECORDS, body, idempotency_key=key))

    assert again == first
    await asyncio.sleep(0.3)
    assert answers.numbers == [NUMBER]
    assert len(ok(await mesh.get(f"{RECORDS}?provider_id={provider['id']}"))["result"]) == 1


async def test_without_a_key_the_same_body_is_another_request(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)

    records = [await mesh.place(provider["id"], NUMBER) for _ in range(2)]

    assert records[0]["id"] != records[1]["id"]
    for record in records:
        await mesh.ended(record["call_ids"][0])
    assert answers.numbers == [NUMBER, NUMBER]


async def test_a_key_with_another_body_is_refused(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address)
    key = a_key()
    first = ok(await mesh.post(RECORDS, wish(provider["id"], NUMBER), idempotency_key=key))

    for changed in (
        wish(provider["id"], "+12025550124"),
        wish(provider["id"], NUMBER, anonymous="yes"),
        wish(provider["id"], NUMBER, actions=[{"type": "hangup"}]),
    ):
        response = await mesh.post(RECORDS, changed, idempotency_key=key)
        assert reason(response) == (422, "IDEMPOTENCY_KEY_REUSED")

    await mesh.ended(first["call_ids"][0])
    assert answers.numbers == [NUMBER]


async def test_ten_at_once_become_one_record_and_one_invite(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    body, key = wish(provider["id"], NUMBER), a_key()

    responses = await asyncio.gather(
        *(mesh.post(RECORDS, body, idempotency_key=key) for _ in range(10))
    )

    ids = set()
    for response in responses:
        if response.status_code == 409:
            assert reason(response) == (409, "IDEMPOTENCY_KEY_IN_USE")
        else:
            ids.add(ok(response)["id"])
    assert len(ids) == 1
    (record,) = ok(await mesh.get(f"{RECORDS}?provider_id={provider['id']}"))["result"]
    await mesh.ended(record["call_ids"][0])
    await asyncio.sleep(0.3)
    assert answers.numbers == [NUMBER]


async def test_a_refusal_is_repeated_too(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address)
    body = wish(provider["id"], destinations=[{"type": "agent", "target": str(new_id())}])
    key = a_key()

    answered = [reason(await mesh.post(RECORDS, body, idempotency_key=key)) for _ in range(2)]

    assert answered == [(400, "DESTINATION_TYPE_UNSUPPORTED")] * 2
    assert len(ok(await mesh.get(f"{RECORDS}?provider_id={provider['id']}"))["result"]) == 1


async def test_a_key_whose_first_request_is_under_way_says_when_to_come_back(
    hasty: RunningMesh,
) -> None:
    async with carrier() as made:
        provider = await hasty.a_provider(made.address)
        body, key = wish(provider["id"], NUMBER), a_key()
        pid = hasty.pid("call_manager")
        os.kill(pid, signal.SIGSTOP)
        try:
            first = await hasty.post(RECORDS, body, idempotency_key=key)
            assert reason(first) == (504, "PROVIDERCALL_PENDING")
            second = await hasty.post(RECORDS, body, idempotency_key=key)
            assert reason(second) == (409, "IDEMPOTENCY_KEY_IN_USE")
            assert int(second.headers["retry-after"]) >= 1
            told = [one.json()["error"]["details"][0] for one in (first, second)]
            assert told[0]["provider_call_id"] == told[1]["provider_call_id"]
        finally:
            os.kill(pid, signal.SIGCONT)

        async with asyncio.timeout(40):
            while True:
                response = await hasty.post(RECORDS, body, idempotency_key=key)
                if response.status_code == 200:
                    break
                await asyncio.sleep(0.2)
        record = response.json()
        assert record["id"] == told[0]["provider_call_id"]
        await hasty.ended(record["call_ids"][0])
        await asyncio.sleep(0.5)
        assert made.numbers == [NUMBER]


@pytest.mark.parametrize("service", ["api_gateway", "route_manager", "flow_manager"])
async def test_a_request_whose_answer_was_lost_is_carried_out_once(
    hasty: RunningMesh, service: str
) -> None:
    async with carrier() as made:
        provider = await hasty.a_provider(made.address)
        body, key = wish(provider["id"], NUMBER, actions=[{"type": "hangup"}]), a_key()
        pid = hasty.pid(service)
        asked = asyncio.create_task(hasty.post(RECORDS, body, idempotency_key=key))
        await asyncio.sleep(0.004)
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(4)
        finally:
            os.kill(pid, signal.SIGCONT)
        await asyncio.gather(asked, return_exceptions=True)

        async with asyncio.timeout(40):
            while True:
                response = await hasty.post(RECORDS, body, idempotency_key=key)
                if response.status_code == 200:
                    break
                assert response.status_code in {409, 503, 504}, response.text
                await asyncio.sleep(0.2)
        (record,) = ok(await hasty.get(f"{RECORDS}?provider_id={provider['id']}"))["result"]
        assert record == response.json()
        await hasty.ended(record["call_ids"][0])
        await asyncio.sleep(0.5)
        assert made.numbers == [NUMBER]
