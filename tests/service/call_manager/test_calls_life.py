"""Reading, ending and deleting calls through the front door."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert
from voipbin.call.v1 import call_pb2, call_service_pb2
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from call_manager.call import repository
from call_manager.call.domain import CallStatus, HangupBy, HangupReason
from call_manager.call.repository import Finish
from mesh.clock import new_id
from mesh.database import Transaction
from mesh.identity import acting_as
from tests.service.call_manager.calls_world import World, facts, refusal
from tests.support.node import a_super_admin, an_identity

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def owner_of(world: World) -> Identity:
    identity = an_identity()
    identity.customer_id = world.customer
    return identity


async def page(
    world: World, identity: Identity, size: int = 0, token: str = ""
) -> call_service_pb2.CallListResponse:
    request = call_service_pb2.CallListRequest(
        page_size=size, page_token=token, customer_id=identity.customer_id
    )
    with acting_as(identity):
        return await world.calls("api_gateway").CallList(request)


async def finish(world: World, call_id: str, end: Finish) -> str:
    async def work(tx: Transaction) -> str:
        ended = await repository.finish(tx, UUID(call_id), end)
        return f"{ended.hangup_by}/{ended.hangup_reason}" if ended is not None else "too late"

    return await world.database.transact(work, name="test_finish")


async def advance(world: World, call_id: str, to: CallStatus) -> bool:
    async def work(tx: Transaction) -> bool:
        return await repository.advance(tx, UUID(call_id), to, NOW) is not None

    return await world.database.transact(work, name="test_advance")


async def test_the_owner_sees_its_call(world: World) -> None:
    call = await world.one_call()
    assert await world.get(call.id, owner_of(world)) == call


@pytest.mark.parametrize("rpc", ["CallGet", "CallHangup", "CallDelete"])
async def test_another_customers_call_does_not_exist(world: World, rpc: str) -> None:
    call = await world.one_call()
    request = getattr(call_service_pb2, f"{rpc}Request")(id=call.id)
    with acting_as(an_identity()):
        error = await refusal(getattr(world.calls("api_gateway"), rpc)(request))
    assert facts(error) == ("NOT_FOUND", "CALL_NOT_FOUND", {"call_id": call.id})
    assert (await world.row(call.id))["status"] == "dialing"
    with acting_as(a_super_admin()):
        assert (await getattr(world.calls("api_gateway"), rpc)(request)).call.id == call.id


@pytest.mark.parametrize("rpc", ["CallGet", "CallHangup", "CallDelete"])
async def test_an_id_that_nobody_has_is_not_found(world: World, rpc: str) -> None:
    call_id = str(new_id())
    request = getattr(call_service_pb2, f"{rpc}Request")(id=call_id)
    error = await refusal(getattr(world.calls("lab"), rpc)(request))
    assert facts(error) == ("NOT_FOUND", "CALL_NOT_FOUND", {"call_id": call_id})


async def test_without_a_permission_nothing_is_shown(world: World) -> None:
    call = await world.one_call()
    agent = an_identity(options_pb2.PERMISSION_UNSPECIFIED)
    agent.customer_id = world.customer
    error = await refusal(world.get(call.id, agent))
    assert facts(error)[:2] == ("PERMISSION_DENIED", "PERMISSION_DENIED")


async def test_a_call_shows_its_attempts_oldest_first(world: World) -> None:
    call = await world.one_call()
    carrier = new_id()

    def attempt(sequence: int, **fields: Any) -> dict[str, Any]:
        return {
            "id": new_id(),
            "call_id": UUID(call.id),
            "sequence": sequence,
            "provider_id": carrier,
            "state": "ended",
            "dial_config": {"hostname": "sip.carrier.example"},
            "sip_call_id": "abc@mesh",
            "branch": f"z9hG4bK{sequence}",
            "from_tag": "f",
            "cseq": sequence,
            "local_address": "127.0.0.1:5060",
            "remote_address": "192.0.2.1:5060",
            "request_uri": "sip:+15550100002@sip.carrier.example",
            "from_header": "<sip:a@b>;tag=f",
            "to_header": "<sip:c@d>",
            "codec": "",
            "sip_code": None,
            "sip_reason": "",
            "tm_invite": NOW,
            "tm_end": None,
        } | fields

    rows = [
        attempt(2, sip_code=200, sip_reason="OK", codec="PCMU", tm_end=NOW),
        attempt(1, sip_code=401, sip_reason="Unauthorized", tm_end=NOW),
        attempt(3),
    ]

    async def work(tx: Transaction) -> None:
        await tx.run(insert(repository.ATTEMPTS), rows)

    await world.database.transact(work, name="test_attempts")
    shown = (await world.get(call.id)).attempts
    assert [(one.sequence, one.sip_code, one.codec) for one in shown] == [
        (1, 401, ""),
        (2, 200, "PCMU"),
        (3, 0, ""),
    ]
    assert shown[0].tm_invite.ToDatetime(tzinfo=UTC) == NOW
    assert shown[0].HasField("tm_end")
    assert not shown[2].HasField("tm_end")
    assert shown[0].provider_id == str(carrier)


async def test_a_running_action_is_shown(world: World) -> None:
    call = await world.one_call()
    action_id = str(new_id())
    action = {"id": action_id, "type": "sleep", "option": {"duration": 1000}}
    await world.move(call.id, current_action=action)
    shown = (await world.get(call.id)).action
    assert (shown.id, shown.type) == (action_id, "sleep")
    assert shown.option["duration"] == 1000


async def test_a_list_is_the_customers_own_newest_first_page_by_page(world: World) -> None:
    calls = [(await world.one_call()).id for _ in range(5)]
    gone = await world.one_call()
    await world.delete(gone.id)
    mine = owner_of(world)
    seen, token = [], ""
    while True:
        answer = await page(world, mine, 2, token)
        seen += [call.id for call in answer.result]
        token = answer.next_page_token
        if not token:
            break
    assert seen == calls[::-1]
    assert list((await page(world, an_identity())).result) == []


async def test_a_list_of_another_customers_calls_is_refused(world: World) -> None:
    stranger = an_identity()
    request = call_service_pb2.CallListRequest(customer_id=world.customer)
    with acting_as(stranger):
        error = await refusal(world.calls("api_gateway").CallList(request))
    assert error.reason == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("size", "token", "reason"),
    [(-1, "", "PAGE_SIZE_INVALID"), (0, "not ours", "PAGE_TOKEN_INVALID")],
)
async def test_a_page_that_is_none_is_refused(
    world: World, size: int, token: str, reason: str
) -> None:
    error = await refusal(page(world, owner_of(world), size, token))
    assert facts(error)[:2] == ("INVALID_ARGUMENT", reason)


async def test_a_call_that_nobody_dials_yet_ends_at_once_and_is_never_dialled(
    world: World,
) -> None:
    call = await world.hangup((await world.one_call()).id)
    assert call.status == call_pb2.CALL_STATUS_HANGUP
    assert call.hangup_by == call_pb2.HANGUP_BY_LOCAL
    assert call.hangup_reason == call_pb2.HANGUP_REASON_CANCEL
    assert call.HasField("tm_hangup")
    assert (await world.row(call.id))["dial_state"] == "done"
    assert world.dialled.hangups == []


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        ("dialing", call_pb2.CALL_STATUS_CANCELING),
        ("ringing", call_pb2.CALL_STATUS_CANCELING),
        ("progressing", call_pb2.CALL_STATUS_TERMINATING),
    ],
)
async def test_a_live_call_is_on_its_way_to_its_end_and_its_session_knows(
    world: World, status: str, ending: int
) -> None:
    call = await world.one_call()
    await world.move(call.id, status=status, dial_state="claimed")
    ended = await world.hangup(call.id)
    assert ended.status == ending
    assert world.dialled.hangups == [UUID(call.id)]
    row = await world.row(call.id)
    assert row["hangup_cause"] == 16
    assert row["hangup_requested_at"] is not None
    assert (await world.hangup(call.id)).status == ending
    again = await world.row(call.id)
    assert again["hangup_requested_at"] == row["hangup_requested_at"]


async def test_a_call_that_is_over_stays_as_it_is(world: World) -> None:
    call = await world.hangup((await world.one_call()).id)
    assert await world.hangup(call.id) == call
    assert world.dialled.hangups == []


async def test_a_deleted_call_takes_no_orders(world: World) -> None:
    call = await world.one_call()
    await world.delete(call.id)
    error = await refusal(world.hangup(call.id))
    assert facts(error) == ("FAILED_PRECONDITION", "STATE_INVALID", {"call_id": call.id})


async def test_deleting_a_live_call_ends_it_and_keeps_it_readable(world: World) -> None:
    call = await world.one_call()
    await world.move(call.id, status="progressing", dial_state="claimed")
    gone = await world.delete(call.id)
    assert gone.status == call_pb2.CALL_STATUS_TERMINATING
    assert gone.HasField("tm_delete")
    assert world.dialled.hangups == [UUID(call.id)]
    assert await world.get(call.id) == gone


async def test_deleting_again_keeps_the_first_deletions_time(world: World) -> None:
    call = await world.one_call()
    first = await world.delete(call.id)
    assert await world.delete(call.id) == first


async def test_a_call_ends_once_by_the_table_of_its_last_status(world: World) -> None:
    call = await world.one_call()
    assert await advance(world, call.id, CallStatus.RINGING)
    end = Finish(cause=17, at=NOW, sip_code=486, sip_reason="Busy Here")
    assert await finish(world, call.id, end) == "remote/busy"
    assert await finish(world, call.id, end) == "too late"
    shown = await world.get(call.id)
    assert (shown.sip_code, shown.sip_reason) == (486, "Busy Here")
    assert shown.tm_hangup.ToDatetime(tzinfo=UTC) == NOW


async def test_an_end_may_say_more_than_the_table(world: World) -> None:
    call = await world.one_call()
    end = Finish(16, NOW, HangupBy.LOCAL, HangupReason.FAILED, "recovered, not dialled")
    assert await finish(world, call.id, end) == "local/failed"
    assert (await world.get(call.id)).hangup_detail == "recovered, not dialled"


async def test_a_call_never_goes_back(world: World) -> None:
    call = await world.one_call()
    await world.move(call.id, dial_state="claimed")
    assert await advance(world, call.id, CallStatus.PROGRESSING)
    assert not await advance(world, call.id, CallStatus.RINGING)
    await world.hangup(call.id)
    assert not await advance(world, call.id, CallStatus.PROGRESSING)
    assert await finish(world, call.id, Finish(16, NOW)) == "local/normal"
