"""Providers, through the front door."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from voipbin.mesh.v1 import options_pb2
from voipbin.route.v1 import provider_pb2
from voipbin.route.v1.provider_service_pb2 import (
    ProviderCreateRequest,
    ProviderDeleteRequest,
    ProviderDialConfigGetRequest,
    ProviderGetRequest,
    ProviderListRequest,
    ProviderUpdateRequest,
)

from mesh.clock import new_id
from mesh.identity import acting_as
from mesh.remote import RemoteError
from tests.service.route_manager.conftest import House
from tests.support.node import a_super_admin, an_identity


async def update(house: House, provider_id: str, **fields: Any) -> provider_pb2.Provider:
    mask = FieldMask(paths=list(fields))
    request = ProviderUpdateRequest(id=provider_id, update_mask=mask, **fields)
    return (await house.providers().ProviderUpdate(request)).provider


async def test_a_new_provider_has_what_was_asked_for_and_nothing_is_known_of_its_health(
    served: House,
) -> None:
    made = await served.a_provider(
        hostname="sip.example.com:5080",
        tech_prefix="9977#",
        tech_postfix="@example.com",
        tech_headers={"X-CustomerID": "42"},
        name="Carrier",
        detail="Our first.",
        codecs=" PCMU , PCMA",
        sip_username="user",
        sip_password="correct horse",
    )
    assert made.type == provider_pb2.PROVIDER_TYPE_SIP
    assert made.codecs == "PCMU,PCMA"
    assert dict(made.tech_headers) == {"X-CustomerID": "42"}
    assert made.sip_password == "****orse"
    assert made.health_status == provider_pb2.PROVIDER_HEALTH_STATUS_UNKNOWN
    assert made.HasField("tm_create")
    assert not made.HasField("tm_update")
    read = await served.providers().ProviderGet(ProviderGetRequest(id=made.id))
    made.ClearField("warnings")
    assert read.provider == made


async def test_only_the_dialer_is_told_the_password(served: House) -> None:
    made = await served.a_provider(sip_username="user", sip_password="correct horse")
    request = ProviderDialConfigGetRequest(id=made.id)
    answer = await served.providers("call_manager").ProviderDialConfigGet(request)
    assert answer.provider.sip_password == "correct horse"
    with pytest.raises(RemoteError) as caught, acting_as(a_super_admin()):
        await served.providers("api_gateway").ProviderDialConfigGet(request)
    assert caught.value.reason == "PEER_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"hostname": ""}, "INVALID_HOSTNAME", "hostname"),
        ({"hostname": "host:99999"}, "INVALID_HOSTNAME", "hostname"),
        ({"tech_prefix": "1;"}, "INVALID_TECH_PREFIX", "tech_prefix"),
        ({"tech_postfix": "@a@b"}, "INVALID_TECH_POSTFIX", "tech_postfix"),
        ({"tech_headers": {"privacy": "id"}}, "INVALID_TECH_HEADERS", "tech_headers"),
        ({"codecs": "PCMU,,PCMA"}, "INVALID_CODECS", "codecs"),
        ({"sip_password": "secret"}, "INVALID_SIP_CREDENTIALS", "sip_password"),
        ({"hostname": "h" * 256}, "INVALID_ARGUMENT", "hostname"),
        ({"detail": "a\0b"}, "INVALID_ARGUMENT", "detail"),
    ],
)
async def test_bad_settings_are_refused_by_create_and_by_update_and_the_field_is_named(
    served: House, fields: dict[str, Any], reason: str, field: str
) -> None:
    made = await served.a_provider()
    for attempt in (served.a_provider(**fields), update(served, made.id, **fields)):
        with pytest.raises(RemoteError) as caught:
            await attempt
        assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.reason == reason
        assert [violation.field for violation in caught.value.violations] == [field]
    read = await served.providers().ProviderGet(ProviderGetRequest(id=made.id))
    assert read.provider == made


async def test_an_update_changes_what_its_mask_names_and_keeps_the_rest(served: House) -> None:
    made = await served.a_provider(
        tech_headers={"X-A": "1"}, codecs="PCMU", sip_username="user", sip_password="12345678"
    )
    changed = await update(served, made.id, codecs="PCMA")
    assert changed.codecs == "PCMA"
    assert dict(changed.tech_headers) == {"X-A": "1"}
    assert changed.HasField("tm_update")
    cleared = await update(served, made.id, tech_headers={})
    assert dict(cleared.tech_headers) == {}
    assert cleared.codecs == "PCMA"


async def test_an_empty_update_changes_nothing_at_all(served: House) -> None:
    made = await served.a_provider()
    assert await update(served, made.id) == made


async def test_an_update_of_a_field_that_cannot_change_is_refused(served: House) -> None:
    made = await served.a_provider()
    request = ProviderUpdateRequest(id=made.id, update_mask=FieldMask(paths=["id", "metadata"]))
    with pytest.raises(RemoteError) as caught:
        await served.providers().ProviderUpdate(request)
    assert caught.value.reason == "INVALID_ARGUMENT"
    assert [violation.field for violation in caught.value.violations] == ["id", "metadata"]


async def test_a_password_is_kept_by_its_mask_and_cleared_by_nothing(served: House) -> None:
    made = await served.a_provider(sip_username="user", sip_password="12345678")

    async def stored() -> str:
        request = ProviderDialConfigGetRequest(id=made.id)
        answer = await served.providers().ProviderDialConfigGet(request)
        return answer.provider.sip_password

    await update(served, made.id, sip_password="****5678")
    assert await stored() == "12345678"
    await update(served, made.id, sip_password="other")
    assert await stored() == "other"
    await update(served, made.id, sip_password="****", name="kept")
    assert await stored() == "other"
    await update(served, made.id, sip_password="")
    assert await stored() == ""


async def test_a_user_name_cannot_be_taken_from_under_its_password(served: House) -> None:
    made = await served.a_provider(sip_username="user", sip_password="12345678")
    with pytest.raises(RemoteError) as caught:
        await update(served, made.id, sip_username="")
    assert caught.value.reason == "INVALID_SIP_CREDENTIALS"


async def test_a_deleted_provider_is_still_read_but_not_listed_dialled_or_changed(
    served: House,
) -> None:
    made = await served.a_provider()
    kept = await served.a_provider()
    stub = served.providers()
    first = await stub.ProviderDelete(ProviderDeleteRequest(id=made.id))
    second = await stub.ProviderDelete(ProviderDeleteRequest(id=made.id))
    assert first.provider.HasField("tm_delete")
    assert second == first
    read = await stub.ProviderGet(ProviderGetRequest(id=made.id))
    assert read.provider == first.provider
    listed = await stub.ProviderList(ProviderListRequest())
    assert [provider.id for provider in listed.result] == [kept.id]
    for attempt in (
        stub.ProviderDialConfigGet(ProviderDialConfigGetRequest(id=made.id)),
        update(served, made.id, name="new"),
    ):
        with pytest.raises(RemoteError) as caught:
            await attempt
        assert caught.value.reason == "PROVIDER_NOT_FOUND"


async def test_an_unknown_provider_is_not_found_by_any_rpc(served: House) -> None:
    stranger = str(new_id())
    stub = served.providers()
    for attempt in (
        stub.ProviderGet(ProviderGetRequest(id=stranger)),
        stub.ProviderDelete(ProviderDeleteRequest(id=stranger)),
        stub.ProviderDialConfigGet(ProviderDialConfigGetRequest(id=stranger)),
        update(served, stranger, name="x"),
    ):
        with pytest.raises(RemoteError) as caught:
            await attempt
        assert caught.value.code is grpc.StatusCode.NOT_FOUND
        assert caught.value.reason == "PROVIDER_NOT_FOUND"
        assert caught.value.metadata["provider_id"] == stranger


async def test_a_list_comes_in_pages_newest_first(served: House) -> None:
    made = [(await served.a_provider(name=str(number))).id for number in range(5)]
    stub, token, seen = served.providers(), "", []
    for _ in range(3):
        page = await stub.ProviderList(ProviderListRequest(page_size=2, page_token=token))
        seen += [provider.id for provider in page.result]
        token = page.next_page_token
    assert token == ""
    assert seen == made[::-1]
    with pytest.raises(RemoteError) as caught:
        await stub.ProviderList(ProviderListRequest(page_size=-1))
    assert caught.value.reason == "PAGE_SIZE_INVALID"


async def test_the_public_door_asks_for_a_platform_administrator(served: House) -> None:
    stub = served.providers("api_gateway")
    with acting_as(a_super_admin()):
        await stub.ProviderList(ProviderListRequest())
    customer = an_identity(options_pb2.PERMISSION_CUSTOMER_ADMIN)
    with pytest.raises(RemoteError) as caught, acting_as(customer):
        await stub.ProviderCreate(ProviderCreateRequest(hostname="127.0.0.1"))
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(RemoteError) as caught:
        await stub.ProviderList(ProviderListRequest())
    assert caught.value.reason == "IDENTITY_REQUIRED"


async def test_outside_of_lab_mode_a_loopback_carrier_is_refused_and_the_way_out_is_named(
    house: House,
) -> None:
    async with house.serving(lab=False):
        request = ProviderCreateRequest(hostname="127.0.0.1:5060")
        with pytest.raises(RemoteError) as caught, acting_as(a_super_admin()):
            await house.providers("api_gateway").ProviderCreate(request)
    assert caught.value.reason == "INVALID_HOSTNAME"
    assert "VBMESH_LAB" in caught.value.message
