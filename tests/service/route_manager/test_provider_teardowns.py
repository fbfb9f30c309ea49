"""Removing at the carrier what a setup made there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import grpc
import pytest
from voipbin.route.v1 import provider_pb2, provider_setup_pb2
from voipbin.route.v1.provider_service_pb2 import ProviderDeleteRequest, ProviderGetRequest
from voipbin.route.v1.provider_setup_service_pb2 import (
    CarrierCredentials,
    ProviderSetupListRequest,
    ProviderSetupTeardownRequest,
    ProviderTeardownRequest,
)
from voipbin.route.v1.provider_setup_service_pb2_grpc import ProviderSetupServiceStub

from mesh.clock import SystemClock, new_id
from mesh.database import Database, Transaction
from mesh.errors import MeshError
from mesh.identity import acting_as
from mesh.remote import RemoteError
from route_manager.bootstrap import MIGRATIONS
from route_manager.carrier import repository
from route_manager.carrier.domain import CarrierObject, Setup, SetupOrder
from tests.service.route_manager.conftest import House
from tests.service.route_manager.setups_world import Setups
from tests.support import telnyx as at
from tests.support.node import a_super_admin
from tests.support.telnyx import KEY, Telnyx
from tests.support.telnyx_http import Asked, Reply

STAMP: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


@pytest.fixture
async def telnyx() -> AsyncIterator[Telnyx]:
    async with at.telnyx() as account:
        yield account


@pytest.fixture
def setups(house: House, telnyx: Telnyx) -> Setups:
    return Setups(house, telnyx)


async def torn_down(setups: Setups, provider_id: str, key: str = KEY) -> provider_pb2.Provider:
    request = ProviderTeardownRequest(id=provider_id, credentials=CarrierCredentials(api_key=key))
    return (await setups.stub.ProviderTeardown(request)).provider


async def refused(setups: Setups, provider_id: str, key: str = KEY) -> RemoteError:
    with pytest.raises(MeshError) as caught:
        await torn_down(setups, provider_id, key)
    assert isinstance(caught.value, RemoteError)
    return caught.value


async def deleted(setups: Setups) -> provider_pb2.Provider:
    provider = await setups.ask()
    request = ProviderDeleteRequest(id=provider.id)
    gone = (await setups.house.providers().ProviderDelete(request)).provider
    [warning] = gone.warnings
    assert warning.code == provider_pb2.PROVIDER_WARNING_CODE_CARRIER_SIDE_LEFT
    assert provider.metadata["telnyx_connection_id"] in warning.message
    return provider


async def test_a_deleted_providers_side_at_the_carrier_is_removed(
    setups: Setups, telnyx: Telnyx
) -> None:
    async with setups.serving():
        provider = await deleted(setups)
        assert len(telnyx.left()) == 3
        shown = await torn_down(setups, provider.id)
        assert telnyx.left() == []
        assert re.fullmatch(STAMP, shown.metadata["carrier_removed_at"])
        again = await setups.house.providers().ProviderDelete(ProviderDeleteRequest(id=provider.id))
        assert list(again.provider.warnings) == []
        assert shown.metadata["telnyx_fqdn_id"] == provider.metadata["telnyx_fqdn_id"]
        request = ProviderGetRequest(id=provider.id)
        assert (await setups.house.providers().ProviderGet(request)).provider == shown
    removals = [name for name in telnyx.names() if name.startswith("DELETE")]
    assert removals == [
        "DELETE /fqdns",
        "DELETE /fqdn_connections",
        "DELETE /outbound_voice_profiles",
    ]


async def test_what_is_gone_already_is_no_error(setups: Setups, telnyx: Telnyx) -> None:
    async with setups.serving():
        provider = await deleted(setups)
        telnyx.objects["fqdns"].clear()
        await torn_down(setups, provider.id)
        assert telnyx.left() == []
        await torn_down(setups, provider.id)


async def test_a_provider_in_service_keeps_its_side(setups: Setups, telnyx: Telnyx) -> None:
    async with setups.serving():
        provider = await setups.ask()
        error = await refused(setups, provider.id)
    assert (error.code, error.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "PROVIDER_TEARDOWN_REFUSED",
    )
    assert len(telnyx.left()) == 3


async def test_a_provider_that_no_setup_made_has_nothing_to_tear_down(setups: Setups) -> None:
    async with setups.serving():
        provider = await setups.house.a_provider()
        assert (await refused(setups, provider.id)).reason == "PROVIDER_TEARDOWN_REFUSED"
        assert (await refused(setups, str(new_id()))).reason == "PROVIDER_NOT_FOUND"


async def test_what_the_carrier_does_not_remove_is_named(setups: Setups, telnyx: Telnyx) -> None:
    async with setups.serving():
        provider = await deleted(setups)
        error = await refused(setups, provider.id, key="another")
        assert error.reason == "CARRIER_CREDENTIALS_REJECTED"
        assert error.metadata["provider_id"] == provider.id
        for key in ("telnyx_profile_id", "telnyx_connection_id", "telnyx_fqdn_id"):
            assert provider.metadata[key] in error.metadata["leftovers"]
        telnyx.then("DELETE /fqdns", at.dropped, at.answering(Reply(500, b"")))
        await torn_down(setups, provider.id)
    assert telnyx.left() == []


async def abandoned(setups: Setups, account: Telnyx) -> Setup:
    """Leave what a process leaves that dies after its connection was made, before it knew."""
    order = SetupOrder(new_id(), "telnyx", "Telnyx Production")
    name = order.object_name
    made = account.answer(
        Asked(
            "POST",
            "/outbound_voice_profiles",
            {},
            {"authorization": f"Bearer {KEY}"},
            {"name": name},
        )
    )
    profile = made.body["data"]["id"]
    connection = {
        "connection_name": name,
        "user_name": "voipbinrmTelnyxProduction",
        "outbound": {"outbound_voice_profile_id": profile},
    }
    account.answer(
        Asked("POST", "/fqdn_connections", {}, {"authorization": f"Bearer {KEY}"}, connection)
    )
    assert len(account.left()) == 2
    setup = Setup(
        order,
        tm_create=SystemClock().now() - timedelta(hours=1),
        objects=(
            CarrierObject("outbound_voice_profile", profile, name),
            CarrierObject("fqdn_connection", "", name),
        ),
    )
    database = Database(
        setups.house.database_url or setups.house.settings().database_url_for("route_manager"),
        migrations=MIGRATIONS,
    )
    await database.start()

    async def work(tx: Transaction) -> None:
        await repository.insert_setup(tx, setup)

    try:
        await database.transact(work, name="setup_left")
    finally:
        await database.stop()
    return setup


async def test_what_a_dead_process_left_is_told_and_found_by_its_name(
    setups: Setups, telnyx: Telnyx, capsys: pytest.CaptureFixture[str]
) -> None:
    left = await abandoned(setups, telnyx)
    async with setups.serving():
        setup = await setups.settled()
        assert setup.id == str(left.id)
        assert setup.status == provider_setup_pb2.PROVIDER_SETUP_STATUS_FAILED
        assert [(one.kind, one.id) for one in setup.leftovers] == [
            (one.kind, one.id) for one in left.objects
        ]
        assert "provider setup abandoned" in capsys.readouterr().out
        request = ProviderSetupTeardownRequest(
            id=setup.id, credentials=CarrierCredentials(api_key=KEY)
        )
        cleaned = (await setups.stub.ProviderSetupTeardown(request)).setup
        assert list(cleaned.leftovers) == []
    assert telnyx.left() == []
    assert telnyx.breaches == []


async def test_a_setup_that_completed_or_never_was_is_not_torn_down(
    setups: Setups, telnyx: Telnyx
) -> None:
    async with setups.serving():
        await setups.ask()
        [setup] = await setups.listed()
        for setup_id, reason in (
            (setup.id, "PROVIDER_TEARDOWN_REFUSED"),
            (str(new_id()), "PROVIDER_SETUP_NOT_FOUND"),
        ):
            request = ProviderSetupTeardownRequest(
                id=setup_id, credentials=CarrierCredentials(api_key=KEY)
            )
            with pytest.raises(MeshError) as caught:
                await setups.stub.ProviderSetupTeardown(request)
            assert caught.value.reason == reason
    assert len(telnyx.left()) == 3


async def test_a_key_that_is_limited_to_other_providers_sees_and_removes_nothing(
    setups: Setups, telnyx: Telnyx
) -> None:
    limited = a_super_admin()
    limited.provider_ids.append(str(new_id()))
    async with setups.serving():
        provider = await deleted(setups)
        [setup] = await setups.listed()
        door = ProviderSetupServiceStub(setups.house.channel("api_gateway"))
        credentials = CarrierCredentials(api_key=KEY)
        with acting_as(limited):
            assert list((await door.ProviderSetupList(ProviderSetupListRequest())).result) == []
            with pytest.raises(MeshError) as one:
                await door.ProviderTeardown(
                    ProviderTeardownRequest(id=provider.id, credentials=credentials)
                )
            with pytest.raises(MeshError) as other:
                await door.ProviderSetupTeardown(
                    ProviderSetupTeardownRequest(id=setup.id, credentials=credentials)
                )
        limited.provider_ids.append(provider.id)
        with acting_as(limited):
            shown = await door.ProviderSetupList(ProviderSetupListRequest())
            assert [one.id for one in shown.result] == [setup.id]
    assert (one.value.reason, other.value.reason) == (
        "PROVIDER_NOT_FOUND",
        "PROVIDER_SETUP_NOT_FOUND",
    )
    assert len(telnyx.left()) == 3
