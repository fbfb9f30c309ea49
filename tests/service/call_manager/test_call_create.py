"""CallCreate through the front door: by routes, with a flow of its own, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select
from voipbin.call.v1 import call_pb2, call_service_pb2

from call_manager.billing import repository as billing
from call_manager.call.repository import ATTEMPTS
from call_manager.placement import convert, repository
from call_manager.placement.domain import Placement, Status, window_passed
from mesh.clock import ZERO_ID, new_id
from mesh.database import Transaction
from mesh.identity import acting_as
from tests.service.call_manager.calls_world import facts, refusal, sip, tel
from tests.service.call_manager.exchange import ended
from tests.service.call_manager.placing import NUMBER, OWN_NUMBER, Placing, action, placing
from tests.support.carrier import Carrier, carrier
from tests.support.node import a_super_admin

IMPOSSIBLE = "+99912345678"


@pytest.fixture
async def answers() -> AsyncIterator[Carrier]:
    async with carrier() as made:
        yield made


@pytest.fixture
async def idle(tmp_path: Path, database_url: str, answers: Carrier) -> AsyncIterator[Placing]:
    """A world whose call_manager is not started yet, and a route to a carrier that answers."""
    async with placing(tmp_path, database_url) as world:
        await world.route(await world.exchange.carrier(answers.address))
        yield world


@pytest.fixture
async def world(idle: Placing, database_url: str) -> AsyncIterator[Placing]:
    async with idle.exchange.serving(database_url=database_url):
        yield idle


async def test_a_call_goes_by_the_customers_routes_and_runs_its_inline_actions(
    world: Placing, answers: Carrier
) -> None:
    (placed,) = await world.place(actions=[action("sleep", duration=50), action("hangup")])
    assert placed.customer_id == world.customer
    assert placed.source.target == OWN_NUMBER
    assert placed.metadata == {}
    flow = await world.flow(placed.flow_id)
    assert [one.type for one in flow.actions] == ["sleep", "hangup"]
    call = await world.exchange.until(placed.id, "hangup")
    assert ended(call) == ("local", "normal", 200)
    assert answers.numbers == [NUMBER]
    # It stays readable as long as the call does.
    assert (await world.flow(placed.flow_id)).id == placed.flow_id


async def test_without_flow_and_actions_an_answered_call_is_hung_up(world: Placing) -> None:
    (placed,) = await world.place()
    assert (placed.flow_id, placed.activeflow_id) == ("", "")
    call = await world.exchange.until(placed.id, "hangup")
    assert ended(call) == ("local", "normal", 200)


async def test_the_all_zero_flow_id_names_no_flow(world: Placing) -> None:
    # It is how REST shows an id that is not set, so clients send it back.
    (placed,) = await world.place(
        flow_id=str(ZERO_ID), actions=[action("hangup")], idempotency_key="k0"
    )
    flow = await world.flow(placed.flow_id)
    assert [one.type for one in flow.actions] == ["hangup"]
    (plain,) = await world.place(flow_id=str(ZERO_ID))
    assert plain.flow_id == ""
    (again,) = await world.place(actions=[action("hangup")], idempotency_key="k0")
    assert again.id == placed.id


async def test_the_all_zero_provider_id_filters_nothing(world: Placing) -> None:
    (placed,) = await world.place()
    assert [one.id for one in (await world.listed(provider_id=str(ZERO_ID))).result] == [placed.id]


async def test_a_named_flow_wins_over_actions(world: Placing) -> None:
    flow_id = await world.exchange.flow(("hangup", {}))
    (placed,) = await world.place(flow_id=flow_id, actions=[action("no such thing")])
    assert placed.flow_id == flow_id


async def test_variables_reach_the_flow_and_reserved_names_do_not(world: Placing) -> None:
    # What ends the call is the variable's value: nothing else would make it busy.
    (placed,) = await world.place(
        actions=[action("hangup", reason="${voipbin.mine}${outcome}")],
        variables={"outcome": "busy", "voipbin.mine": "x"},
    )
    call = await world.exchange.until(placed.id, "hangup")
    assert call_pb2.HangupReason.Name(call.hangup_reason) == "HANGUP_REASON_NORMAL"
    row = await world.events(placed.id)
    ending = next(one for one in row.result if one.event_type == "call_updated")
    assert ending.data.action.option["reason"] == "busy"


async def test_the_call_itself_is_among_its_flows_variables(world: Placing) -> None:
    # A name that is a reason, too: an option that is none would not be handed out.
    (placed,) = await world.place(
        source=tel(OWN_NUMBER, target_name="busy"),
        actions=[action("hangup", reason="${voipbin.call.source.target_name}")],
    )
    await world.exchange.until(placed.id, "hangup")
    shown = (await world.events(placed.id)).result
    (running,) = (one for one in shown if one.event_type == "call_updated")
    assert running.data.action.option["reason"] == "busy"


@pytest.mark.parametrize(
    "variables",
    [
        {f"v{n}": "" for n in range(101)},
        {"long": "x" * (32 * 1024 + 1)},
        {f"v{n}": "x" * 32_000 for n in range(3)},
        {"": "x"},
        {"nul": "\0"},
    ],
)
async def test_variables_beyond_the_limits_are_refused(
    world: Placing, variables: dict[str, str]
) -> None:
    error = await refusal(world.place(variables=variables))
    assert facts(error)[:2] == ("INVALID_ARGUMENT", "INVALID_VARIABLES")
    assert await world.counts() == (0, 0)


async def test_whoever_is_not_verified_calls_sip_addresses_only(world: Placing) -> None:
    identity = world.identity(identity_verification="pending")
    error = await refusal(world.place(identity=identity))
    assert facts(error) == (
        "PERMISSION_DENIED", "IDENTITY_VERIFICATION_REQUIRED", {"index": "0"},
    )  # fmt: skip
    assert await world.counts() == (0, 0)


@pytest.mark.parametrize("status", ["frozen", "deleted", "expired", "initial", ""])
async def test_a_customer_that_is_not_active_places_no_calls(world: Placing, status: str) -> None:
    error = await refusal(world.place(identity=world.identity(customer_status=status)))
    assert facts(error)[:2] == ("PERMISSION_DENIED", "CUSTOMER_NOT_ACTIVE")
    assert await world.counts() == (0, 0)


async def test_nobody_places_calls_for_another_customer_or_for_nobody(world: Placing) -> None:
    error = await refusal(world.place(identity=a_super_admin(), flow_id=str(new_id())))
    assert error.reason == "FLOW_NOT_FOUND"
    other = world.identity()
    other.customer_id = str(new_id())
    assert (await refusal(world.place(identity=other))).reason == "PERMISSION_DENIED"
    asking = world.exchange.calls("lab").CallCreate(world.request())
    assert (await refusal(asking)).reason == "IDENTITY_REQUIRED"
    assert await world.counts() == (0, 0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"flow_id": str(new_id())}, "FLOW_NOT_FOUND"),
        ({"actions": [action("no such thing")]}, "INVALID_ACTION_TYPE"),
        ({"destinations": [tel(IMPOSSIBLE)]}, "DESTINATION_INVALID"),
        ({"source": tel("+12025550199")}, ""),
        ({"source": sip("anna@example.com"), "anonymous": 1}, ""),
    ],
)
async def test_what_is_wrong_leaves_nothing_behind(
    world: Placing, fields: dict[str, Any], reason: str
) -> None:
    if not reason:
        # There is a default number, which stands in (CONTRACT.md section 3.6).
        (placed,) = await world.place(**fields)
        assert placed.source.target == OWN_NUMBER
        return
    assert (await refusal(world.place(**fields))).reason == reason
    assert await world.counts() == (0, 0)


async def test_a_refused_destination_gets_a_call_that_is_over(world: Placing) -> None:
    placed, refused = await world.place(NUMBER, IMPOSSIBLE, actions=[action("hangup")])
    assert refused.status == call_pb2.CALL_STATUS_HANGUP
    assert (refused.error_reason, refused.hangup_detail) == (
        "DESTINATION_INVALID", "Destination 1 is not a possible number or address.",
    )  # fmt: skip
    assert placed.error_reason == ""
    kinds = [one.event_type for one in (await world.events(refused.id)).result]
    assert kinds == ["call_hangup", "call_created"]


async def test_a_key_names_one_request_whatever_became_of_it(
    world: Placing, answers: Carrier
) -> None:
    wish: dict[str, Any] = {"actions": [action("hangup")], "idempotency_key": "k1"}
    (first,) = await world.place(**wish)
    await world.exchange.until(first.id, "hangup")
    (again,) = await world.place(**wish)
    assert (again.id, again.flow_id) == (first.id, first.flow_id)
    assert again.status == call_pb2.CALL_STATUS_HANGUP, "as it stands now"
    error = await refusal(world.place("+12025550111", **wish))
    assert facts(error)[:2] == ("INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED")
    assert await world.counts() == (1, 1)
    assert answers.numbers == [NUMBER]


@pytest.mark.parametrize("actions", [[], [action("hangup")]])
async def test_repeats_at_once_place_one_set_of_calls(
    world: Placing, answers: Carrier, actions: list[Any]
) -> None:
    wish: dict[str, Any] = {"actions": actions, "idempotency_key": "k2"}
    answered = await asyncio.gather(*(world.place(NUMBER, **wish) for _ in range(8)))
    assert len({call.id for calls in answered for call in calls}) == 1
    assert await world.counts() == (1, 1)
    await world.exchange.until(answered[0][0].id, "hangup")
    assert answers.numbers == [NUMBER]


async def test_a_refused_request_may_come_again_with_its_key(world: Placing) -> None:
    # Nothing was recorded, so the key stands for nothing yet.
    await refusal(world.place(IMPOSSIBLE, idempotency_key="k3"))
    (placed,) = await world.place(NUMBER, idempotency_key="k3")
    assert placed.destination.target == NUMBER


def left_behind(world: Placing, *, seconds: float) -> Placement:
    """Return the record of a process that died before it made the flow."""
    request = world.request(NUMBER, actions=[action("sleep", duration=10), action("hangup")])
    now = datetime.now(UTC)
    return Placement(
        id=new_id(), customer_id=UUID(world.customer), idempotency_key="left",
        content=convert.content_of(request), call_ids=(new_id(),), temporary_flow_id=new_id(),
        provider_ids=(), verified=True, rtp_debug=False,
        dial_not_after=now + timedelta(seconds=seconds), traceparent="", request_id="req_left",
        tm_create=now,
    )  # fmt: skip


async def kept(world: Placing, placement: Placement) -> None:
    async def work(tx: Transaction) -> None:
        assert await repository.insert(tx, placement)
        # It is taken up at the start, perhaps before anybody else can give the customer money.
        await billing.open_lab(tx, placement.customer_id, datetime.now(UTC))

    await world.database.transact(work, name="test_left")


async def at_its_end(world: Placing, placement: Placement) -> Placement:
    async def work(tx: Transaction) -> Placement | None:
        return await repository.by_id(tx, placement.id)

    async with asyncio.timeout(10):
        while True:
            found = await world.database.read(work, name="test_end")
            if found is not None and found.status is not Status.PENDING:
                return found
            await asyncio.sleep(0.02)


async def test_a_placement_of_a_dead_process_is_finished_within_its_window(
    idle: Placing, database_url: str, answers: Carrier
) -> None:
    left = left_behind(idle, seconds=20)
    await kept(idle, left)
    async with idle.exchange.serving(database_url=database_url):
        assert (await at_its_end(idle, left)).status is Status.COMPLETED
        call = await idle.exchange.until(str(left.call_ids[0]), "hangup")
        assert ended(call) == ("local", "normal", 200)
        assert call.flow_id == str(left.temporary_flow_id)
        assert (await idle.flow(call.flow_id)).id == call.flow_id
        # Who asked may ask again, and hears what became of it.
        wish = convert.request_of(left)
        (again,) = await idle.place(NUMBER, actions=wish.actions, idempotency_key="left")
        assert again.id == call.id
    assert answers.numbers == [NUMBER]


@pytest.mark.parametrize("made", [True, False], ids=["after FlowCreate", "before FlowCreate"])
async def test_a_placement_that_is_too_old_dials_nothing_and_leaves_no_flow(
    idle: Placing, database_url: str, answers: Carrier, made: bool
) -> None:
    left = left_behind(idle, seconds=-1)
    await kept(idle, left)
    if made:
        await idle.exchange.temporary_flow(left.id, left.temporary_flow_id)
        assert (await idle.flow(str(left.temporary_flow_id))).id
    async with idle.exchange.serving(database_url=database_url):
        over = await at_its_end(idle, left)
        assert over.status is Status.FAILED
        assert over.verdict is not None
        assert over.verdict.reason == "DIAL_WINDOW_PASSED"
        gone = await refusal(idle.flow(str(left.temporary_flow_id)))
        assert gone.reason == "FLOW_NOT_FOUND"
        wish = convert.request_of(left)
        again = idle.place(NUMBER, actions=wish.actions, idempotency_key="left")
        assert (await refusal(again)).reason == "DIAL_WINDOW_PASSED"
        assert await idle.counts() == (1, 0)
    assert answers.numbers == []


async def test_a_decision_to_fail_is_carried_out_and_not_reconsidered(
    idle: Placing, database_url: str
) -> None:
    left = replace(left_behind(idle, seconds=20), idempotency_key=None)
    await kept(idle, left)

    async def decide(tx: Transaction) -> None:
        await repository.decide(tx, left.id, window_passed(left.dial_not_after))

    await idle.database.transact(decide, name="test_decide")
    async with idle.exchange.serving(database_url=database_url):
        assert (await at_its_end(idle, left)).status is Status.FAILED
        assert await idle.counts() == (1, 0)


async def test_a_caller_limited_to_carriers_calls_by_those_and_sees_their_calls(
    world: Placing, answers: Carrier
) -> None:
    (placed,) = await world.place()
    call = await world.exchange.until(placed.id, "hangup")
    allowed = world.identity(provider_ids=[call.provider_id])
    other = world.identity(provider_ids=[str(new_id())])
    assert (await refusal(world.place(identity=other))).reason == "NO_DIALROUTE"
    (theirs,) = await world.place(identity=allowed)
    assert [one.id for one in (await world.listed(other)).result] == []
    await world.exchange.until(theirs.id, "hangup")
    assert [one.id for one in (await world.listed(allowed)).result] == [theirs.id, placed.id]
    assert (await refusal(world.events(placed.id, other))).reason == "CALL_NOT_FOUND"
    assert (await world.events(placed.id, allowed)).result
    assert len(answers.numbers) == 2


async def test_a_call_that_was_tried_at_another_carrier_is_hidden_from_a_limited_caller(
    world: Placing,
) -> None:
    (placed,) = await world.place()
    call = await world.exchange.until(placed.id, "hangup")
    other = new_id()
    both = world.identity(provider_ids=[call.provider_id, str(other)])
    one = world.identity(provider_ids=[call.provider_id])

    async def fail_over(tx: Transaction) -> None:
        # As if it had been refused by another carrier first.
        row = await tx.one(select(ATTEMPTS).where(ATTEMPTS.c.call_id == UUID(placed.id)))
        earlier = {**row, "id": new_id(), "sequence": 2, "leg": 2, "provider_id": other}
        await tx.run(insert(ATTEMPTS), earlier)

    assert [seen.id for seen in (await world.listed(one)).result] == [placed.id]
    await world.database.transact(fail_over, name="test_fail_over")
    assert (await world.listed(one)).result == []
    assert (await refusal(world.events(placed.id, one))).reason == "CALL_NOT_FOUND"
    with acting_as(one):
        got = world.exchange.calls("api_gateway").CallGet(
            call_service_pb2.CallGetRequest(id=placed.id)
        )
        assert (await refusal(got)).reason == "CALL_NOT_FOUND"
    assert (await refusal(world.aggregated(one, call_id=placed.id))).reason == "CALL_NOT_FOUND"
    assert [seen.id for seen in (await world.listed(both)).result] == [placed.id]
    assert (await world.events(placed.id, both)).result


async def test_lists_ask_for_status_carrier_and_time(world: Placing) -> None:
    (over,) = await world.place()
    over = await world.exchange.until(over.id, "hangup")
    placed, refused = await world.place(
        NUMBER, IMPOSSIBLE, actions=[action("sleep", duration=60_000)]
    )
    await world.exchange.until(placed.id, "progressing")

    async def ids(**fields: Any) -> list[str]:
        return [call.id for call in (await world.listed(**fields)).result]

    hangup = call_pb2.CALL_STATUS_HANGUP
    assert await ids(status=hangup) == [refused.id, over.id]
    assert await ids(status=call_pb2.CALL_STATUS_PROGRESSING) == [placed.id]
    assert await ids(provider_id=over.provider_id) == [placed.id, over.id]
    assert await ids(provider_id=str(new_id())) == []
    # Half-open: the first moment is in, the last is not.
    assert await ids(created_after=over.tm_create, created_before=placed.tm_create) == [over.id]
    assert await ids(created_after=placed.tm_create, status=hangup) == [refused.id]
    page = await world.listed(status=hangup, page_size=1)
    rest = await world.listed(status=hangup, page_size=1, page_token=page.next_page_token)
    assert [one.id for one in (*page.result, *rest.result)] == [refused.id, over.id]
    assert rest.next_page_token == ""
    error = await refusal(world.listed(page_token=page.next_page_token))
    assert error.reason == "PAGE_TOKEN_INVALID"


async def test_an_unknown_status_is_refused(world: Placing) -> None:
    error = await refusal(world.listed(status=99))
    assert facts(error)[:2] == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")
    request = call_service_pb2.CallListRequest(customer_id=world.customer)
    request.created_after.seconds = 10**12
    error = await refusal(world.exchange.calls().CallList(request))
    assert facts(error)[:2] == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")


async def test_a_name_that_no_database_holds_is_shown_with_a_replacement(world: Placing) -> None:
    (placed,) = await world.place(destinations=[tel(NUMBER, name="a\0b")])
    assert placed.destination.name == "a\N{REPLACEMENT CHARACTER}b"
