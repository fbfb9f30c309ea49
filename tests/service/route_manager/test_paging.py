"""Lists come whole, whatever their rows have in common."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.route.v1.provider_call_service_pb2 import (
    ProviderCallDeleteRequest,
    ProviderCallGetRequest,
    ProviderCallListRequest,
)
from voipbin.route.v1.route_service_pb2 import RouteListRequest

from mesh.clock import new_id
from mesh.identity import acting_as
from mesh.remote import RemoteError
from tests.service.route_manager.conftest import House
from tests.service.route_manager.stored_routes import START, a_row, store
from tests.support.node import a_super_admin

ROWS = 50_000


async def refusal(attempt: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await attempt
    return caught.value


async def listed(
    house: House, identity: Identity | None = None, **filters: Any
) -> tuple[list[str], str]:
    """Ask for one page of records; return their ids and the next page's token."""
    with acting_as(identity or house.admin):
        page = await house.provider_calls().ProviderCallList(ProviderCallListRequest(**filters))
    return [record.id for record in page.result], page.next_page_token


async def test_fifty_thousand_rows_of_one_microsecond_are_all_shown_once(served: House) -> None:
    provider = (await served.a_provider()).id
    rows = [a_row(provider) for _ in range(ROWS)]
    await store(served, rows)
    stub, shown, token = served.routes(), [], ""
    while True:
        page = await stub.RouteList(RouteListRequest(page_token=token))
        shown += [route.id for route in page.result]
        token = page.next_page_token
        if not token:
            break
        assert len(page.result) == 100
    assert len(shown) == len(set(shown)) == ROWS
    assert shown == sorted((str(row["id"]) for row in rows), reverse=True)


async def test_a_time_stamp_is_a_token_too_and_means_strictly_older(served: House) -> None:
    provider = (await served.a_provider()).id
    times = [START + timedelta(microseconds=step) for step in range(3)]
    rows = [a_row(provider, tm_create=moment) for moment in times]
    await store(served, rows)
    request = RouteListRequest(page_token="2026-01-01T00:00:00.000001Z")
    page = await served.routes().RouteList(request)
    assert [route.id for route in page.result] == [str(rows[0]["id"])]
    assert page.next_page_token == ""


async def test_records_are_listed_by_provider_and_agent_and_time(served: House) -> None:
    a, b = [(await served.a_provider(name=name)).id for name in "ab"]
    colleague = a_super_admin()
    first = await served.place(a)
    second = await served.place(b, colleague)
    third = await served.place(a, colleague)
    ids = [third.id, second.id, first.id]
    before, at, after = first.tm_create, second.tm_create, third.tm_create
    for filters, expected in (
        ({}, ids),
        ({"agent_id": colleague.agent_id}, ids[:2]),
        ({"agent_id": colleague.agent_id, "provider_id": a}, ids[:1]),
        ({"agent_id": str(new_id())}, []),
        ({"created_after": at}, ids[:2]),
        ({"created_before": at}, ids[2:]),
        ({"created_after": at, "created_before": after}, ids[1:2]),
        ({"created_after": before, "provider_id": a}, [third.id, first.id]),
        ({"created_after": at, "created_before": at}, []),
    ):
        assert await listed(served, **filters) == (expected, "")


async def test_pages_of_a_filtered_list_hold_together_and_their_tokens_belong_to_it(
    served: House,
) -> None:
    a, b = [(await served.a_provider(name=name)).id for name in "ab"]
    placed = [await served.place(provider) for provider in (a, b, a, b, a)]
    window: dict[str, Any] = {
        "created_after": placed[0].tm_create,
        "created_before": placed[4].tm_create,
    }
    first, token = await listed(served, provider_id=a, page_size=1, **window)
    assert (first, bool(token)) == ([placed[2].id], True)
    rest = await listed(served, provider_id=a, page_size=1, page_token=token, **window)
    assert rest == ([placed[0].id], "")
    for others in (
        {},
        {"provider_id": b, **window},
        {"provider_id": a},
        {"provider_id": a, "agent_id": served.admin.agent_id, **window},
    ):
        error = await refusal(listed(served, page_token=token, **others))
        assert error.reason == "PAGE_TOKEN_INVALID"


async def test_a_time_that_cannot_be_is_refused(served: House) -> None:
    for stamp in (Timestamp(seconds=10**15), Timestamp(nanos=-1)):
        error = await refusal(listed(served, created_after=stamp))
        assert error.reason == "INVALID_ARGUMENT"
    for moment in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)):
        at = Timestamp()
        at.FromDatetime(moment)
        assert await listed(served, created_before=at) == ([], "")


async def test_a_key_for_some_providers_finds_no_other_records_and_places_no_other_calls(
    served: House,
) -> None:
    allowed, hidden = [(await served.a_provider(name=name)).id for name in "ab"]
    limited = a_super_admin()
    limited.provider_ids.append(allowed)
    seen = await served.place(allowed, limited)
    unseen = await served.place(hidden)
    assert await listed(served, limited) == ([seen.id], "")
    assert await listed(served, limited, provider_id=hidden) == ([], "")
    assert (await refusal(served.place(hidden, limited))).reason == "PROVIDER_NOT_FOUND"
    stub = served.provider_calls()
    with acting_as(limited):
        read = await stub.ProviderCallGet(ProviderCallGetRequest(id=seen.id))
        assert read.provider_call == seen
        for attempt in (
            stub.ProviderCallGet(ProviderCallGetRequest(id=unseen.id)),
            stub.ProviderCallDelete(ProviderCallDeleteRequest(id=unseen.id)),
        ):
            assert (await refusal(attempt)).reason == "PROVIDERCALL_NOT_FOUND"
    assert await served.record(unseen.id) == unseen
