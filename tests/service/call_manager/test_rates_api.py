"""Rates as super-admins keep them, and which of them a call would have, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from voipbin.call.v1 import rate_pb2
from voipbin.call.v1 import rate_service_pb2 as pb

from mesh.clock import ZERO_ID, new_id
from mesh.remote import RemoteError
from tests.service.call_manager.calls_world import facts, refusal
from tests.service.call_manager.money_desk import Desk, money_desk

AT_ONCE = 8
NUMBER = "+821012345678"


@pytest.fixture
async def desk(tmp_path: Path, database_url: str) -> AsyncIterator[Desk]:
    async with money_desk(tmp_path, database_url) as running:
        yield running


async def make(desk: Desk, prefix: str = "", price: str = "0.01", **fields: Any) -> rate_pb2.Rate:
    request = pb.RateCreateRequest(prefix=prefix, price_per_minute=price, **fields)
    return (await desk.ask(desk.rates.RateCreate, request)).rate


async def change(
    desk: Desk, rate_id: str, *, mask: tuple[str, ...] = (), **fields: Any
) -> rate_pb2.Rate:
    paths = FieldMask(paths=[*(mask or fields)])
    request = pb.RateUpdateRequest(id=rate_id, update_mask=paths, **fields)
    return (await desk.ask(desk.rates.RateUpdate, request)).rate


async def quote(desk: Desk, destination: str = NUMBER, **fields: Any) -> pb.RateQuoteResponse:
    request = pb.RateQuoteRequest(destination=destination, **fields)
    return await desk.ask(desk.rates.RateQuote, request)


async def listed(desk: Desk, **fields: Any) -> pb.RateListResponse:
    return await desk.ask(desk.rates.RateList, pb.RateListRequest(**fields))


async def show(desk: Desk, rate_id: str) -> rate_pb2.Rate:
    return (await desk.ask(desk.rates.RateGet, pb.RateGetRequest(id=rate_id))).rate


async def delete(desk: Desk, rate_id: str) -> rate_pb2.Rate:
    return (await desk.ask(desk.rates.RateDelete, pb.RateDeleteRequest(id=rate_id))).rate


async def test_a_rate_lives_and_can_be_made_again_after_its_deletion(desk: Desk) -> None:
    made = await make(desk, "+8210", "0.012", price_minimum="0.005", increment=6, name="mobile")
    assert (made.provider_id, made.prefix, made.name) == ("", "+8210", "mobile")
    assert (made.price_per_minute, made.price_minimum, made.increment) == (
        "0.012000",
        "0.005000",
        6,
    )
    assert await show(desk, made.id) == made
    dearer = await change(desk, made.id, price_per_minute="0.02")
    assert (dearer.price_per_minute, dearer.price_minimum, dearer.increment, dearer.name) == (
        "0.020000",
        "0.005000",
        6,
        "mobile",
    )
    cleared = await change(desk, made.id, mask=("price_minimum", "increment", "prefix"))
    assert (cleared.price_minimum, cleared.increment, cleared.prefix) == ("0.000000", 60, "")
    gone = await delete(desk, made.id)
    assert gone.HasField("tm_delete")
    assert await delete(desk, made.id) == gone
    assert await show(desk, made.id) == gone
    assert list((await listed(desk)).result) == []
    for asked in (change(desk, made.id, name="x"), change(desk, made.id)):
        assert (await refusal(asked)).reason == "RATE_NOT_FOUND"
    assert (await make(desk)).id != made.id


async def test_what_is_left_out_of_a_rate_is_everybodys_and_whole_minutes(desk: Desk) -> None:
    made = await make(desk, price="0", provider_id=str(ZERO_ID))
    assert (made.provider_id, made.prefix) == ("", "")
    assert (made.price_per_minute, made.price_minimum, made.increment) == (
        "0.000000",
        "0.000000",
        60,
    )


async def test_a_provider_has_one_rate_for_a_prefix_however_many_ask(desk: Desk) -> None:
    provider = str(new_id())
    asked = (make(desk, "+82", provider_id=provider) for _ in range(AT_ONCE))
    told = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in told if isinstance(one, RemoteError)]
    assert len(refused) == AT_ONCE - 1
    assert facts(refused[0]) == ("ALREADY_EXISTS", "RATE_EXISTS", {"prefix": "+82"})
    (made,) = (await listed(desk)).result
    # Another provider's, everybody's and another prefix's are others.
    other, every = await make(desk, "+82", provider_id=str(new_id())), await make(desk, "+82")
    longer = await make(desk, "+8210", provider_id=provider)
    clashes: tuple[dict[str, Any], ...] = (
        {"rate_id": longer.id, "prefix": "+82"},
        {"rate_id": other.id, "provider_id": provider},
        {"rate_id": every.id, "provider_id": provider},
    )
    for clash in clashes:
        error = await refusal(change(desk, **clash))
        assert (error.reason, str(error)) == (
            "RATE_EXISTS", "There is a rate of that provider for +82."
        )  # fmt: skip
    error = await refusal(make(desk, "+82"))
    assert str(error) == "There is a rate of every provider for +82."
    assert list((await listed(desk, provider_id=provider)).result) == [longer, made]
    page = await listed(desk, page_size=3)
    rest = await listed(desk, page_size=3, page_token=page.next_page_token)
    assert [*page.result, *rest.result] == [longer, every, other, made]
    assert rest.next_page_token == ""


NONSENSE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("prefix", {"prefix": "82"}),
    ("prefix", {"prefix": "+"}),
    ("prefix", {"prefix": "+082"}),
    ("prefix", {"prefix": "+1234567890123456"}),
    ("price_per_minute", {"price": ""}),
    ("price_per_minute", {"price": "-0.01"}),
    ("price_per_minute", {"price": "1000.000001"}),
    ("price_per_minute", {"price": "0.0000001"}),
    ("price_minimum", {"price_minimum": "1e3"}),
    ("price_minimum", {"price_minimum": "1001"}),
    ("increment", {"increment": -1}),
    ("increment", {"increment": 3601}),
    ("name", {"name": "\0"}),
)


async def test_a_rate_that_makes_no_sense_is_refused(desk: Desk) -> None:
    for field, fields in NONSENSE:
        error = await refusal(make(desk, **fields))
        assert (error.code.name, error.reason) == ("INVALID_ARGUMENT",) * 2, fields
        assert [one.field for one in error.violations] == [field], fields
    assert not (await listed(desk)).result


async def test_a_quote_takes_the_providers_own_rate_first_and_then_the_longest_prefix(
    desk: Desk,
) -> None:
    provider = str(new_id())
    error = await refusal(quote(desk, provider_id=provider))
    assert facts(error) == ("NOT_FOUND", "RATE_NOT_FOUND", {"destination": NUMBER})
    everywhere = await make(desk)
    korea = await make(desk, "+82")
    assert (await quote(desk, provider_id=provider)).rate == korea
    own = await make(desk, provider_id=provider)
    assert (await quote(desk, provider_id=provider)).rate == own
    own_mobile = await make(desk, "+8210", provider_id=provider)
    assert (await quote(desk, provider_id=provider)).rate == own_mobile
    assert (await quote(desk, "+8221234567", provider_id=provider)).rate == own
    # Of any other provider, and of none that is named, everybody's holds.
    assert (await quote(desk, provider_id=str(new_id()))).rate == korea
    assert (await quote(desk)).rate == korea
    assert (await quote(desk, "+442071838750")).rate == everywhere
    await delete(desk, own_mobile.id)
    assert (await quote(desk, provider_id=provider)).rate == own
    # However a query writes the plus sign.
    for written in (NUMBER[1:], f" {NUMBER[1:]}"):
        assert (await quote(desk, written)).rate == korea


COSTS: tuple[tuple[dict[str, Any], int, int, str], ...] = (
    ({}, 0, 60, "0.060000"),
    ({}, 1, 60, "0.060000"),
    ({}, 61, 120, "0.120000"),
    ({"increment": 1}, 61, 61, "0.061000"),
    ({"increment": 6}, 61, 66, "0.066000"),
    ({"increment": 1, "price_minimum": "0.05"}, 10, 10, "0.050000"),
    ({"increment": 1, "price": "0.000001"}, 1, 1, "0.000001"),
)


async def test_a_quote_says_what_a_call_would_cost(desk: Desk) -> None:
    for rate, duration, billed, price in COSTS:
        made = await make(desk, **{"price": "0.06", **rate})
        told = await quote(desk, duration=duration)
        assert (told.duration, told.billed_duration, told.price) == (duration or 60, billed, price)
        await delete(desk, made.id)


async def test_a_quote_is_for_a_number(desk: Desk) -> None:
    for destination in ("", "bob", "+", "++82", "+82 10", "0", "+1234567890123456"):
        assert (await refusal(quote(desk, destination))).reason == "INVALID_ARGUMENT", destination


async def test_a_key_for_one_provider_has_to_do_with_no_other_providers_rates(desk: Desk) -> None:
    mine, theirs = str(new_id()), str(new_id())
    rates = [await make(desk, "+8210", provider_id=one) for one in (mine, theirs, "")]
    desk.boss.provider_ids.append(mine)
    assert await change(desk, rates[0].id, provider_id=mine, name="mine") == await show(
        desk, rates[0].id
    )
    for other in rates[1:]:
        for asked in (
            show(desk, other.id),
            # It names the provider of its key, and another one's rate.
            change(
                desk, other.id, mask=("price_per_minute",), provider_id=mine, price_per_minute="0"
            ),
            change(desk, other.id, provider_id=mine, prefix="+8211"),
            delete(desk, other.id),
        ):
            assert (await refusal(asked)).reason == "RATE_NOT_FOUND"
    desk.boss.provider_ids.clear()
    assert [await show(desk, one.id) for one in rates[1:]] == rates[1:]
