"""What happened to flows and running flows, as people read it."""

from __future__ import annotations

import pytest
from voipbin.flow.v1 import activeflow_service_pb2, flow_pb2
from voipbin.flow.v1 import timeline_service_pb2 as pb
from voipbin.mesh.v1.identity_pb2 import Identity

from mesh.clock import new_id
from mesh.identity import acting_as
from mesh.remote import RemoteError
from tests.service.flow_manager.conftest import House, Reference, an_action
from tests.support.node import an_identity


async def of_flow(house: House, someone: Identity, id_: str) -> list[pb.FlowEvent]:
    with acting_as(someone):
        return list((await house.timelines.FlowEventList(pb.FlowEventListRequest(id=id_))).result)


async def test_a_flows_life_is_told_newest_first(house: House) -> None:
    someone = an_identity()
    made = await house.create(someone, an_action("beep"), name="Old")
    changed = await house.update(someone, made.id, "name", name="New")
    await house.update(someone, made.id)
    deleted = await house.delete(someone, made.id)
    await house.delete(someone, made.id)
    told = await of_flow(house, someone, made.id)
    assert [(one.event_type, one.data) for one in told] == [
        ("flow_deleted", deleted),
        ("flow_updated", changed),
        ("flow_created", made),
    ]
    assert all(one.HasField("timestamp") for one in told)


async def test_what_failed_is_not_told(house: House) -> None:
    someone = an_identity()
    made = await house.create(someone)
    with pytest.raises(RemoteError):
        await house.update(someone, made.id, "actions", actions=[an_action("dance")])
    assert [one.event_type for one in await of_flow(house, someone, made.id)] == ["flow_created"]


async def test_a_running_flows_events_come_in_pages(house: House) -> None:
    someone = an_identity()
    call = Reference(await house.create(someone, *(an_action("beep") for _ in range(12))))
    answer = await house.next(call)
    while answer.HasField("action"):
        answer = await house.next(call, answer.action.id)
    # A repeated question changes nothing and tells nothing.
    await house.next(call, answer.activeflow.executed_actions[-1].id)
    told: list[pb.ActiveflowEvent] = []
    token = ""
    while True:
        with acting_as(someone):
            part = await house.timelines.ActiveflowEventList(
                pb.ActiveflowEventListRequest(id=call.activeflow_id, page_size=5, page_token=token)
            )
        told += part.result
        token = part.next_page_token
        if not token:
            break
    assert [one.event_type for one in told] == ["activeflow_updated"] * 12 + ["activeflow_created"]
    assert told[0].data.status == activeflow_service_pb2.ACTIVEFLOW_STATUS_ENDED
    assert [len(one.data.executed_actions) for one in told] == [10, 10, 10, *range(10, 0, -1)]
    newest = answer.activeflow.executed_actions[-10:]
    assert list(told[0].data.executed_actions) == list(newest)


async def test_another_customers_timelines_look_like_none(house: House) -> None:
    someone, other = an_identity(), an_identity()
    flow = await house.create(someone, an_action("beep"))
    call = Reference(flow)
    await house.next(call)
    with pytest.raises(RemoteError) as caught:
        await of_flow(house, other, flow.id)
    assert caught.value.reason == "FLOW_NOT_FOUND"
    request = pb.ActiveflowEventListRequest(id=call.activeflow_id)
    with pytest.raises(RemoteError) as caught, acting_as(other):
        await house.timelines.ActiveflowEventList(request)
    assert caught.value.reason == "ACTIVEFLOW_NOT_FOUND"


async def test_a_flow_too_large_to_be_kept_with_its_event_leaves_the_data_out(
    house: House,
) -> None:
    someone = an_identity()
    waiting = "${" + "n" * 200 + "}"
    actions = [
        an_action("hangup", reason=waiting * 4, reference_id=str(new_id())) for _ in range(100)
    ]
    made = await house.create(someone, *actions)
    (told,) = await of_flow(house, someone, made.id)
    assert told.event_type == "flow_created"
    assert not told.HasField("data")
    assert isinstance(made, flow_pb2.Flow)
