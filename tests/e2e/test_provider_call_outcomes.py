"""What a record says of each destination, and of one whose calls are not settled in time."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Final

from tests.support.carrier import Carrier
from tests.support.running_mesh import RunningMesh, eventually, ok, reason, wish

RECORDS: Final = "/v1.0/providercalls"
TEL: Final = {"type": "tel", "target": "+12025550181"}
SIP: Final = {"type": "sip", "target": "alice@somewhere.example"}
CONFERENCE: Final = {"type": "conference", "target": "x"}


async def test_each_of_mixed_destinations_has_its_own_outcome_and_its_own_call(
    mesh: RunningMesh, answers: Carrier
) -> None:
    provider = await mesh.a_provider(answers.address)

    record = await mesh.place(provider["id"], destinations=[TEL, CONFERENCE, SIP])

    assert record["status"] == "completed"
    assert record["destinations"][1]["type"] == "conference"
    assert [(one["admitted"], one["reason"]) for one in record["outcomes"]] == [
        (True, ""),
        (False, "DESTINATION_TYPE_UNSUPPORTED"),
        (True, ""),
    ]
    assert record["outcomes"][1]["message"]
    assert [one["call_id"] for one in record["outcomes"]] == record["call_ids"]
    calls = [await mesh.ended(call_id) for call_id in record["call_ids"]]
    assert [call["provider_id"] for call in (calls[0], calls[2])] == [provider["id"]] * 2
    assert calls[1]["attempts"] == []
    assert sorted(answers.numbers) == sorted([TEL["target"], "alice"])
    assert ok(await mesh.get(f"{RECORDS}/{record['id']}")) == record


async def test_a_request_that_times_out_names_its_record_and_the_hangup_says_what_to_do(
    hasty: RunningMesh, answers: Carrier
) -> None:
    provider = await hasty.a_provider(answers.address)
    pid = hasty.pid("call_manager")
    os.kill(pid, signal.SIGSTOP)
    try:
        late = await hasty.post(RECORDS, wish(provider["id"], TEL["target"]))
        assert reason(late) == (504, "PROVIDERCALL_PENDING")
        record_id = late.json()["error"]["details"][0]["provider_call_id"]
        assert ok(await hasty.get(f"{RECORDS}/{record_id}"))["status"] == "pending"
        deaf = await hasty.post(f"{RECORDS}/{record_id}/hangup")
        # The door asks again by itself, and may run out of time over it.
        assert reason(deaf) in (
            (503, "PROVIDERCALL_HANGUP_INCOMPLETE"),
            (504, "REQUEST_TIMEOUT"),
        )
    finally:
        os.kill(pid, signal.SIGCONT)

    async with asyncio.timeout(20):
        while True:
            if ok(await hasty.get(f"{RECORDS}/{record_id}"))["status"] != "pending":
                break
            await asyncio.sleep(0.1)
    ended = ok(await hasty.post(f"{RECORDS}/{record_id}/hangup"))
    assert ended["tm_hangup"]
    for call_id in ended["call_ids"]:
        await hasty.ended(call_id)
    await eventually(lambda: not answers.open_legs)
