"""SIP addresses as destinations: dialled at their own host, without any carrier of a route."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from voipbin.call.v1 import address_pb2, call_pb2

from call_manager.outbound_config import repository as configs
from mesh.clock import new_id
from mesh.database import Transaction
from tests.service.call_manager.calls_world import facts, refusal, sip, tel
from tests.service.call_manager.exchange import ended
from tests.service.call_manager.placing import NUMBER, OWN_NUMBER, Placing, action, placing
from tests.support.carrier import Carrier, Leg, carrier


@pytest.fixture
async def routed() -> AsyncIterator[Carrier]:
    async with carrier() as made:
        yield made


@pytest.fixture
async def office() -> AsyncIterator[Carrier]:
    """Whoever answers at the SIP addresses' own host."""
    async with carrier() as made:
        yield made


@pytest.fixture
async def world(tmp_path: Path, database_url: str, routed: Carrier) -> AsyncIterator[Placing]:
    async with placing(tmp_path, database_url) as made:
        await made.route(await made.exchange.carrier(routed.address))
        await offer(made, "PCMA")
        async with made.exchange.serving(database_url=database_url):
            yield made


async def offer(world: Placing, codecs: str) -> None:
    """Have the customer's outbound configuration offer these codecs."""

    async def work(tx: Transaction) -> None:
        found = await configs.of_customer(tx, UUID(world.customer))
        assert found is not None
        await configs.change(tx, found.id, {"codecs": codecs}, datetime.now(UTC))

    await world.database.transact(work, name="test_codecs")


def only(made: Carrier) -> Leg:
    (leg,) = made.legs.values()
    return leg


def offered(leg: Leg) -> Sequence[str]:
    """Return the payload numbers of an INVITE's offer."""
    (line,) = (one for one in leg.invite.splitlines() if one.startswith("m=audio"))
    return line.split()[3:]


async def test_a_sip_address_is_dialled_at_its_own_host_and_a_number_by_its_route(
    world: Placing, routed: Carrier, office: Carrier
) -> None:
    destinations = [sip(f"sip:bob@{office.address}"), tel(NUMBER)]
    placed = await world.place(destinations=destinations, actions=[action("hangup")])
    to_sip, to_number = [await world.exchange.until(call.id, "hangup") for call in placed]

    assert ended(to_sip) == ended(to_number) == ("local", "normal", 200)
    assert only(office).invite.startswith(f"INVITE sip:bob@{office.address} SIP/2.0\r\n")
    assert only(office).header("To") == f"<sip:bob@{office.address}>"
    assert only(office).header("From").startswith(f'"{OWN_NUMBER}" <sip:{OWN_NUMBER}@127.0.0.1>;')
    assert routed.numbers == [NUMBER]
    # The configuration's codecs are this address' own: the number's are its carrier's.
    assert (offered(only(office)), offered(only(routed))) == (["8", "101"], ["0", "8", "101"])
    assert to_sip.metadata["codecs"].string_value == "PCMA"
    assert "codecs" not in to_number.metadata

    assert to_sip.provider_id == ""
    assert to_number.provider_id != ""
    (attempt,) = to_sip.attempts
    assert attempt.provider_id == ""
    assert (attempt.remote_address, attempt.request_uri) == (
        office.address, f"sip:bob@{office.address}",
    )  # fmt: skip


async def test_a_provider_calls_sip_address_still_goes_to_the_provider_alone(
    world: Placing, office: Carrier, routed: Carrier
) -> None:
    forced = await world.exchange.carrier(routed.address)
    call_id = await world.exchange.dial(forced, destination=sip(f"bob@{office.address}"))
    call = await world.exchange.until(call_id, "hangup")
    assert call.provider_id == forced
    assert only(routed).invite.startswith(f"INVITE sip:bob@{office.address} SIP/2.0\r\n")
    assert office.legs == {}


async def test_whoever_is_called_without_a_carrier_does_not_learn_who_hides(
    world: Placing, office: Carrier
) -> None:
    (placed,) = await world.place(
        destinations=[sip(f"bob@{office.address}")], anonymous=address_pb2.ANONYMOUS_YES
    )
    await world.exchange.until(placed.id, "hangup")
    assert "anonymous.invalid" in only(office).header("From")
    assert only(office).header("Privacy") == "id"
    assert "P-Asserted-Identity" not in only(office).invite
    assert OWN_NUMBER not in only(office).invite


async def test_a_source_is_shown_as_given(world: Placing, office: Carrier) -> None:
    source = sip("alice@elsewhere.example")
    (placed,) = await world.place(destinations=[sip(f"bob@{office.address}")], source=source)
    assert placed.source == source
    await world.exchange.until(placed.id, "hangup")
    assert only(office).header("From").startswith("<sip:alice@elsewhere.example>;")


async def test_neither_country_nor_verification_matters_to_a_sip_address(
    world: Placing, office: Carrier
) -> None:
    address = sip(f"bob@{office.address}")
    identity = world.identity(identity_verification="none")
    placed, refused = await world.place(destinations=[address, tel(NUMBER)], identity=identity)
    assert refused.error_reason == "IDENTITY_VERIFICATION_REQUIRED"
    await world.exchange.until(placed.id, "hangup")
    frozen = world.identity(customer_status="frozen")
    error = await refusal(world.place(destinations=[address], identity=frozen))
    assert error.reason == "CUSTOMER_NOT_ACTIVE"


async def test_a_key_for_some_carriers_calls_no_sip_address(
    world: Placing, office: Carrier
) -> None:
    identity = world.identity(provider_ids=[str(new_id())])
    asked = world.place(destinations=[sip(f"bob@{office.address}")], identity=identity)
    assert facts(await refusal(asked)) == (
        "PERMISSION_DENIED", "KEY_SCOPE_EXCEEDED",
        {"limit": "provider_ids", "field": "destinations[0]"},
    )  # fmt: skip
    assert await world.counts() == (0, 0)
    # Nor does it see the calls of others to one.
    (placed,) = await world.place(destinations=[sip(f"bob@{office.address}")])
    await world.exchange.until(placed.id, "hangup")
    assert (await world.listed(identity)).result == []


async def test_a_host_that_cannot_be_reached_ends_the_call_and_says_so(world: Placing) -> None:
    (placed,) = await world.place(destinations=[sip("bob@nowhere.invalid")])
    call = await world.exchange.until(placed.id, "hangup")
    assert call.hangup_reason == call_pb2.HANGUP_REASON_FAILED
    assert "nowhere.invalid" in call.hangup_detail
    assert call.attempts == []


@pytest.mark.parametrize(
    "target", ["bob", "bob@host;transport=tcp", "bob@127.1", "bob@a..example", "sips:bob@host"]
)
async def test_what_is_no_sip_address_is_refused(world: Placing, target: str) -> None:
    error = await refusal(world.place(destinations=[sip(target)]))
    assert error.code.name == "INVALID_ARGUMENT"
    assert await world.counts() == (0, 0)


async def test_a_repeat_tells_of_the_same_calls(world: Placing, office: Carrier) -> None:
    wish: dict[str, Any] = {"destinations": [sip(f"bob@{office.address}")], "idempotency_key": "k"}
    (first,) = await world.place(**wish)
    await world.exchange.until(first.id, "hangup")
    (again,) = await world.place(**wish)
    assert again.id == first.id
    assert len(office.legs) == 1
