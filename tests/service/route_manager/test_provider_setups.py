"""Setting up a provider at its carrier, and what may happen on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from voipbin.route.v1 import provider_setup_pb2, provider_setup_service_pb2
from voipbin.route.v1.provider_setup_service_pb2 import CarrierCredentials, ProviderSetupRequest

from mesh.errors import MeshError
from mesh.remote import RemoteError
from tests.service.route_manager.conftest import House
from tests.service.route_manager.setups_world import CREATIONS, FQDN, STEPS, Setups
from tests.support import telnyx as at
from tests.support.telnyx import KEY, Telnyx, problem
from tests.support.telnyx_http import Reply


@pytest.fixture
async def telnyx() -> AsyncIterator[Telnyx]:
    async with at.telnyx() as account:
        yield account


@pytest.fixture
def setups(house: House, telnyx: Telnyx) -> Setups:
    return Setups(house, telnyx)


async def test_a_setup_makes_a_trunk_and_the_provider_that_uses_it(
    setups: Setups, telnyx: Telnyx
) -> None:
    async with setups.serving():
        provider = await setups.ask(detail="Europe")
        assert (provider.name, provider.detail) == ("Telnyx Production", "Europe")
        assert provider.hostname == "sip.telnyx.com"
        assert (provider.codecs, provider.sip_username, provider.sip_password) == ("", "", "")
        [profile], [connection], [fqdn] = (list(made) for made in telnyx.objects.values())
        assert dict(provider.metadata) == {
            "telnyx_profile_id": profile,
            "telnyx_connection_id": connection,
            "telnyx_fqdn_id": fqdn,
            "telnyx_fqdn": FQDN,
        }
        assert [one.id for one in await setups.providers()] == [provider.id]
        [setup] = await setups.listed()
        assert setup.status == provider_setup_pb2.PROVIDER_SETUP_STATUS_COMPLETED
        assert (setup.provider_id, list(setup.leftovers)) == (provider.id, [])
    assert telnyx.names() == STEPS
    assert telnyx.breaches == []
    assert telnyx.last("POST /fqdns").body == {
        "connection_id": connection,
        "fqdn": FQDN,
        "port": 5070,
        "dns_record_type": "a",
    }
    body = telnyx.last("POST /fqdn_connections").body
    assert body["user_name"] == "voipbinrmTelnyxProduction"
    assert len(body["password"]) == 32
    assert body["outbound"]["outbound_voice_profile_id"] == profile
    assert setup.id in body["connection_name"]
    countries = telnyx.last("POST /outbound_voice_profiles").body["whitelisted_destinations"]
    assert len(countries) > 240


async def test_countries_that_the_account_may_not_call_are_left_out(
    setups: Setups, telnyx: Telnyx
) -> None:
    telnyx.unsupported = {"CU", "KP", "SY"}
    async with setups.serving():
        await setups.ask()
    first, second = (one for one in telnyx.asked if one.name == "POST /outbound_voice_profiles")
    asked = set(first.body["whitelisted_destinations"])
    assert set(second.body["whitelisted_destinations"]) == asked - {"CU", "KP", "SY"}


async def test_a_carrier_that_refuses_ever_more_countries_is_given_up(
    setups: Setups, telnyx: Telnyx
) -> None:
    def refuses(country: str) -> at.Fault:
        words = f"Unsupported countries: {country}"
        return at.answering(
            problem(422, "10015", "Bad Request", words, "/whitelisted_destinations")
        )

    countries = ("AD", "AE", "AF", "AG", "AI", "AL", "AM")
    telnyx.then("POST /outbound_voice_profiles", *map(refuses, countries))
    async with setups.serving():
        error = await setups.refused()
    assert error.reason == "CARRIER_REQUEST_REFUSED"
    assert telnyx.names().count("POST /outbound_voice_profiles") == 6
    assert telnyx.left() == []


async def test_a_key_that_the_carrier_does_not_know_makes_nothing(
    setups: Setups, telnyx: Telnyx
) -> None:
    telnyx.key = "another"
    async with setups.serving():
        error = await setups.refused()
        assert (error.code, error.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "CARRIER_CREDENTIALS_REJECTED",
        )
        assert "Could not understand the provided credentials." in error.message
        assert await setups.providers() == []
    assert telnyx.names() == ["GET /balance"]


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": {"id": 7}}, {"data": {"id": "../x"}}])
async def test_an_answer_without_an_id_is_an_error_and_is_undone(
    setups: Setups, telnyx: Telnyx, body: Any
) -> None:
    telnyx.then("POST /fqdn_connections", at.done_but(Reply(201, body)))
    async with setups.serving():
        assert (await setups.refused()).reason == "CARRIER_ERROR"
    assert telnyx.left() == []


async def test_undoing_is_tried_again_until_the_carrier_is_back(
    setups: Setups, telnyx: Telnyx
) -> None:
    telnyx.then("POST /fqdns", at.answering(Reply(500, b"")))
    telnyx.then("DELETE /fqdn_connections", at.dropped, at.answering(Reply(503, b"")))
    telnyx.then("GET /fqdns", at.dropped)
    async with setups.serving():
        assert "leftovers" not in (await setups.refused()).metadata
    assert telnyx.left() == []


async def test_what_cannot_be_undone_is_told_and_can_be_removed_later(
    setups: Setups, telnyx: Telnyx
) -> None:
    telnyx.then("POST /fqdns", at.answering(problem(422, "10015", "Bad Request", "No.")))
    refusal = problem(422, "10021", "Resource in use", "It is in use.")
    telnyx.always("DELETE /fqdn_connections", at.answering(refusal))
    async with setups.serving():
        error = await setups.refused()
        [connection] = telnyx.objects["fqdn_connections"]
        [profile] = telnyx.objects["outbound_voice_profiles"]
        assert f"fqdn_connection {connection}" in error.metadata["leftovers"]
        assert f"outbound_voice_profile {profile}" in error.metadata["leftovers"]
        assert connection in error.message
        [setup] = await setups.listed()
        assert [(one.kind, one.id) for one in setup.leftovers] == [
            ("outbound_voice_profile", profile),
            ("fqdn_connection", connection),
        ]
        telnyx.recovers()
        request = provider_setup_service_pb2.ProviderSetupTeardownRequest(
            id=setup.id, credentials=CarrierCredentials(api_key=KEY)
        )
        cleaned = (await setups.stub.ProviderSetupTeardown(request)).setup
        assert list(cleaned.leftovers) == []
        assert (await setups.listed())[0] == cleaned
        await setups.stub.ProviderSetupTeardown(request)
    assert telnyx.left() == []


async def test_a_carrier_that_is_not_there_is_unavailable(setups: Setups, telnyx: Telnyx) -> None:
    async with setups.serving(telnyx_base_url="http://127.0.0.1:9/v2"):
        error = await setups.refused()
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "CARRIER_UNAVAILABLE")
    assert error.retry_after_s is not None


async def test_a_setup_that_takes_too_long_is_undone(setups: Setups, telnyx: Telnyx) -> None:
    telnyx.then("POST /fqdns", at.done_but_silent)
    async with setups.serving(carrier_request_s=5.0, carrier_setup_s=0.5):
        error = await setups.refused()
    assert error.reason == "CARRIER_TIMEOUT"
    assert telnyx.left() == []


async def test_a_client_that_goes_away_does_not_stop_its_setup(
    setups: Setups, telnyx: Telnyx
) -> None:
    going_on = asyncio.Event()
    telnyx.then("POST /fqdns", at.after(going_on))
    async with setups.serving(carrier_request_s=5.0):
        asking = asyncio.create_task(setups.ask())
        await telnyx.until_asked("POST /fqdns")
        asking.cancel()
        await asyncio.wait({asking})
        going_on.set()
        setup = await setups.settled()
        assert [one.id for one in await setups.providers()] == [setup.provider_id]
    assert len(telnyx.left()) == 3


async def test_a_deadline_that_comes_first_says_which_setup_to_read(
    setups: Setups, telnyx: Telnyx
) -> None:
    telnyx.then("POST /fqdns", at.silent)
    async with setups.serving(carrier_request_s=2.0):
        request = ProviderSetupRequest(
            carrier="telnyx", name="Slow", credentials=CarrierCredentials(api_key=KEY)
        )
        with pytest.raises(MeshError) as caught:
            await setups.stub.ProviderSetup(request, timeout=1.0)
        assert isinstance(caught.value, RemoteError)
        assert caught.value.reason == "PROVIDER_SETUP_PENDING"
        [setup] = await setups.listed()
        assert caught.value.metadata["setup_id"] == setup.id
        assert setup.status == provider_setup_pb2.PROVIDER_SETUP_STATUS_PENDING


@pytest.mark.parametrize("step", CREATIONS)
async def test_told_to_stop_a_setup_is_undone_first(
    setups: Setups, telnyx: Telnyx, step: str
) -> None:
    telnyx.then(step, at.done_but_silent)
    async with setups.serving(carrier_request_s=30.0, drain_grace_s=0.2):
        asking = asyncio.create_task(setups.ask())
        await telnyx.until_asked(step)
    await asyncio.wait({asking})
    assert telnyx.left() == []
    async with setups.serving():
        [setup] = await setups.listed()
        assert setup.status == provider_setup_pb2.PROVIDER_SETUP_STATUS_FAILED
        assert await setups.providers() == []


async def test_without_a_public_sip_address_the_setting_is_named(
    setups: Setups, telnyx: Telnyx
) -> None:
    async with setups.serving(public_sip_fqdn=None):
        error = await setups.refused()
    assert error.reason == "PUBLIC_SIP_ADDRESS_MISSING"
    assert "VBMESH_PUBLIC_SIP_FQDN" in error.message
    assert telnyx.asked == []


async def test_an_unknown_carrier_is_refused_with_those_there_are(
    setups: Setups, telnyx: Telnyx
) -> None:
    async with setups.serving():
        error = await setups.refused(carrier="acme")
        assert (error.reason, error.metadata["supported"]) == ("CARRIER_UNSUPPORTED", "telnyx")
        assert await setups.listed() == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"carrier": ""}, "carrier"), ({"name": ""}, "name"), ({"key": ""}, "credentials.api_key")],
)
async def test_a_missing_field_is_named(setups: Setups, fields: Any, named: str) -> None:
    async with setups.serving():
        error = await setups.refused(**fields)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in error.violations] == [named]


@pytest.mark.parametrize("key", ["KEY\r\nX-Evil: 1", "KEY 1", "KÉY"])
async def test_a_key_that_is_no_header_value_is_refused(
    setups: Setups, telnyx: Telnyx, key: str
) -> None:
    async with setups.serving():
        error = await setups.refused(key=key)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert telnyx.asked == []
