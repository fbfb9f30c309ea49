"""Lists: how they end, how large a page is, and what they leave out."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.conformance.checklist import holds
from tests.conformance.town import Somebody, Town
from tests.support.running_mesh import ok, reason

FLOWS: Final = "/v1.0/flows"
ROWS: Final = 105


async def a_customer_with_flows(town: Town, count: int) -> tuple[Somebody, list[str]]:
    """Return a customer's administrator and the ids of its flows, the newest first."""
    admin = await town.somebody(await town.a_customer(), 32)
    made = [await town.a_flow(admin) for _ in range(count)]
    return admin, made[::-1]


async def page(town: Town, who: Somebody, **query: Any) -> tuple[list[str], str]:
    shown = ok(await town.ask(who, "GET", FLOWS, **query))
    return [one["id"] for one in shown["result"]], shown["next_page_token"]


@holds("pagination end and bounds")
async def test_a_list_is_told_whole_the_newest_first_and_ends(town: Town) -> None:
    admin, made = await a_customer_with_flows(town, 7)
    told, token = await page(town, admin, page_size=3)
    for _ in range(2):
        assert token
        further, token = await page(town, admin, page_size=3, page_token=token)
        told += further
    assert token == ""
    assert told == made
    assert await page(town, await town.somebody(await town.a_customer(), 32)) == ([], "")


@holds("pagination end and bounds")
async def test_a_page_has_a_hundred_rows_at_most(town: Town) -> None:
    admin, made = await a_customer_with_flows(town, ROWS)
    _, token = await page(town, admin)
    for size in (0, 100, 101, 9999):
        assert await page(town, admin, page_size=size) == (made[:100], token), size
    assert (await page(town, admin, page_token=token)) == (made[100:], "")


@holds("pagination end and bounds")
async def test_a_time_stamp_is_a_page_token_too(town: Town) -> None:
    admin, made = await a_customer_with_flows(town, 3)
    newest = ok(await town.ask(admin, "GET", f"{FLOWS}/{made[0]}"))
    assert (await page(town, admin, page_token=newest["tm_create"]))[0] == made[1:]


@holds("pagination end and bounds")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"page_size": "-1"}, "PAGE_SIZE_INVALID"),
        ({"page_size": "many"}, "INVALID_REQUEST_PARAMETER"),
        ({"page_token": "nonsense"}, "PAGE_TOKEN_INVALID"),
    ],
)
async def test_a_page_that_cannot_be(town: Town, query: dict[str, str], expected: str) -> None:
    refused = await town.ask("customer_admin", "GET", FLOWS, **query)
    assert reason(refused) == (400, expected)


@holds("pagination end and bounds")
async def test_what_is_deleted_is_in_no_list_but_still_there(town: Town) -> None:
    admin, made = await a_customer_with_flows(town, 2)
    ok(await town.ask(admin, "DELETE", f"{FLOWS}/{made[0]}"))
    assert await page(town, admin) == ([made[1]], "")


@holds("pagination end and bounds")
async def test_events_come_a_thousand_to_a_page_at_most(town: Town) -> None:
    path = f"/v1.0/timelines/calls/{town.call_id}/events"
    every = ok(await town.ask("customer_admin", "GET", path, page_size=1000))["result"]
    first = ok(await town.ask("customer_admin", "GET", path, page_size=2))
    assert first["result"] == every[:2]
    rest = ok(await town.ask("customer_admin", "GET", path, page_token=first["next_page_token"]))
    assert (rest["result"], rest["next_page_token"]) == (every[2:], "")
