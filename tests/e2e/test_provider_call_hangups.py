"""All calls of a provider call end at once, on the wire."""

from __future__ import annotations

import asyncio
from typing import Final

from mesh.clock import new_id
from tests.support.carrier import Carrier
from tests.support.running_mesh import RunningMesh, ok, reason

RECORDS: Final = "/v1.0/providercalls"
STAYS: Final = [{"type": "sleep", "option": {"duration": 60_000}}]
NUMBERS: Final = ("+12025550171", "+12025550172", "+12025550173")


async def hang_up(mesh: RunningMesh, record_id: str) -> dict[str, object]:
    answer: dict[str, object] = ok(await mesh.post(f"{RECORDS}/{record_id}/hangup"))
    return answer


async def test_every_answered_call_gets_a_bye_and_a_repeat_changes_nothing(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    record = await mesh.place(provider["id"], *NUMBERS, actions=STAYS)
    for call_id in record["call_ids"]:
        await mesh.call_in(call_id, "progressing")

    ended = await hang_up(mesh, record["id"])

    assert list(ended) == list(record)
    assert ended["tm_hangup"]
    assert ended == {**record, "tm_hangup": ended["tm_hangup"]}
    for number, call_id in zip(NUMBERS, record["call_ids"], strict=True):
        call = await mesh.ended(call_id)
        assert (call["hangup_reason"], call["hangup_by"]) == ("normal", "local")
        assert answers.to(number)[0].requests == ["INVITE", "ACK", "BYE"]
    assert await hang_up(mesh, record["id"]) == ended
    assert ok(await mesh.get(f"{RECORDS}/{record['id']}")) == ended


async def test_phones_that_ring_stop_although_the_record_was_deleted(
    mesh: RunningMesh, rings: Carrier
) -> None:
    provider = await mesh.a_provider(rings.address)
    record = await mesh.place(provider["id"], *NUMBERS[:2], actions=STAYS)
    for call_id in record["call_ids"]:
        await mesh.call_in(call_id, "ringing")
    deleted = ok(await mesh.delete(f"{RECORDS}/{record['id']}"))

    ended = await hang_up(mesh, record["id"])

    assert ended["tm_delete"] == deleted["tm_delete"]
    for number, call_id in zip(NUMBERS, record["call_ids"], strict=False):
        call = await mesh.ended(call_id)
        assert (call["hangup_reason"], call["hangup_by"]) == ("cancel", "local")
        assert rings.to(number)[0].requests[:2] == ["INVITE", "CANCEL"]


async def test_a_hangup_right_behind_the_request_leaves_no_call_up(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)
    placing = asyncio.ensure_future(
        mesh.post(RECORDS, {
            "provider_id": provider["id"], "source": {"type": "tel", "target": "+12025550100"},
            "destinations": [{"type": "tel", "target": NUMBERS[0]}], "actions": STAYS,
        })
    )  # fmt: skip
    record_id = ""
    while not record_id:
        page = ok(await mesh.get(f"{RECORDS}?provider_id={provider['id']}"))
        record_id = page["result"][0]["id"] if page["result"] else ""

    ended = await hang_up(mesh, record_id)
    placed = await placing

    if ended["status"] == "failed":
        assert reason(placed) == (409, "PROVIDERCALL_HUNG_UP")
        assert answers.numbers == []
    else:
        (call_id,) = ok(placed)["call_ids"]
        assert (await mesh.ended(call_id))["hangup_by"] == "local"
        assert not answers.open_legs


async def test_who_may_hang_up_is_who_may_place(mesh: RunningMesh, answers: Carrier) -> None:
    provider = await mesh.a_provider(answers.address)
    record = await mesh.place(provider["id"], NUMBERS[0], actions=STAYS)
    (call_id,) = record["call_ids"]
    await mesh.call_in(call_id, "progressing")
    path = f"{RECORDS}/{record['id']}/hangup"

    assert reason(await mesh.post(path, role="customer_admin")) == (403, "PERMISSION_DENIED")
    assert reason(await mesh.post(f"{RECORDS}/{new_id()}/hangup")) == (
        404,
        "PROVIDERCALL_NOT_FOUND",
    )
    assert (await mesh.call(call_id))["status"] == "progressing"
    await hang_up(mesh, record["id"])
    await mesh.ended(call_id)
