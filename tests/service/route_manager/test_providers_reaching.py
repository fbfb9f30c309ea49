"""How providers are reached, through the front door; and data directories of yesterday."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from google.protobuf.field_mask_pb2 import FieldMask
from voipbin.route.v1 import provider_pb2 as pb
from voipbin.route.v1.provider_call_pb2 import ProviderSnapshot
from voipbin.route.v1.provider_call_service_pb2 import ProviderCallCreateRequest
from voipbin.route.v1.provider_service_pb2 import (
    ProviderDialConfigGetRequest,
    ProviderGetRequest,
    ProviderUpdateRequest,
)
from voipbin.route.v1.route_service_pb2 import ProviderHostsMatchRequest

from mesh.clock import new_id
from mesh.database import Database
from mesh.remote import RemoteError
from route_manager.bootstrap import MIGRATIONS
from route_manager.provider import repository
from route_manager.providercall import repository as records
from route_manager.providercall import stored
from route_manager.providercall.convert import wish_of
from route_manager.providercall.domain import ProviderCall, Snapshot
from tests.service.route_manager.conftest import TEL, House
from tests.support.pem import a_private_key, an_authority

CA = an_authority()
ALL: dict[str, Any] = {
    "transport": pb.PROVIDER_TRANSPORT_TLS,
    "port": 5081,
    "outbound_proxy": "127.0.0.2:5081",
    "tls_ca": CA,
    "session_expires": 1800,
    "number_format": pb.PROVIDER_NUMBER_FORMAT_DIGITS,
    "failover_codes": ["503", "5xx", "unreachable"],
    "health_codes": ["2xx", "404"],
    "health_affects_routing": True,
    "health_checks_paused": True,
    "calls_per_second": 5,
    "calls_at_once": 30,
    "duration_max": 600,
}
NONE: dict[str, Any] = {
    "transport": pb.PROVIDER_TRANSPORT_UDP,
    "port": 0,
    "outbound_proxy": "",
    "tls_ca": "",
    "session_expires": 0,
    "number_format": pb.PROVIDER_NUMBER_FORMAT_E164,
    "failover_codes": [],
    "health_codes": [],
    "health_affects_routing": False,
    "health_checks_paused": False,
    "calls_per_second": 0,
    "calls_at_once": 0,
    "duration_max": 0,
}


def shown(provider: pb.Provider) -> dict[str, Any]:
    values = {name: getattr(provider, name) for name in ALL}
    return values | {name: list(values[name]) for name in ("failover_codes", "health_codes")}


async def update(house: House, provider_id: str, **fields: Any) -> pb.Provider:
    mask = FieldMask(paths=list(fields))
    request = ProviderUpdateRequest(id=provider_id, update_mask=mask, **fields)
    return (await house.providers().ProviderUpdate(request)).provider


async def dial_config(house: House, provider_id: str) -> pb.Provider:
    request = ProviderDialConfigGetRequest(id=provider_id)
    return (await house.providers("call_manager").ProviderDialConfigGet(request)).provider


async def test_what_is_not_stated_is_udp_and_e164_and_is_shown_as_such(served: House) -> None:
    assert shown(await served.a_provider()) == NONE


async def test_all_is_kept_shown_and_told_the_dialer(served: House) -> None:
    made = await served.a_provider(hostname="127.0.0.1", **ALL)
    assert shown(made) == ALL
    read = await served.providers().ProviderGet(ProviderGetRequest(id=made.id))
    assert shown(read.provider) == ALL
    assert shown(await dial_config(served, made.id)) == ALL


async def test_the_dialer_gets_hosts_as_they_go_on_the_wire(served: House) -> None:
    made = await served.a_provider(hostname="127.0.0.1", outbound_proxy="bücher.example.:5080")
    assert made.outbound_proxy == "bücher.example.:5080"
    assert (await dial_config(served, made.id)).outbound_proxy == "xn--bcher-kva.example:5080"


@pytest.mark.parametrize("field", list(ALL))
async def test_one_field_is_changed_and_cleared_without_the_others(
    served: House, field: str
) -> None:
    made = await served.a_provider(hostname="127.0.0.1", **ALL)
    assert shown(await update(served, made.id, **{field: NONE[field]})) == {
        **ALL,
        field: NONE[field],
    }
    assert shown(await update(served, made.id, **{field: ALL[field]})) == ALL


async def test_what_is_unspecified_in_a_change_means_the_default(served: House) -> None:
    made = await served.a_provider(hostname="127.0.0.1", **ALL)
    changed = await update(
        served,
        made.id,
        transport=pb.PROVIDER_TRANSPORT_UNSPECIFIED,
        number_format=pb.PROVIDER_NUMBER_FORMAT_UNSPECIFIED,
    )
    assert (changed.transport, changed.number_format) == (NONE["transport"], NONE["number_format"])


# A limit of the contract is told by the gateway with the field's own reason.
@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"hostname": "127.0.0.1:5080", "port": 5081}, "INVALID_HOSTNAME", "hostname"),
        ({"outbound_proxy": "sip:proxy"}, "INVALID_OUTBOUND_PROXY", "outbound_proxy"),
        ({"outbound_proxy": "p" * 256}, "INVALID_ARGUMENT", "outbound_proxy"),
        ({"tls_ca": "x"}, "INVALID_TLS_CA", "tls_ca"),
        ({"tls_ca": CA + a_private_key()}, "INVALID_TLS_CA", "tls_ca"),
        ({"tls_ca": CA * 21}, "INVALID_TLS_CA", "tls_ca"),
        ({"session_expires": 89}, "INVALID_SESSION_EXPIRES", "session_expires"),
        ({"session_expires": -1}, "INVALID_ARGUMENT", "session_expires"),
        ({"session_expires": 86_401}, "INVALID_ARGUMENT", "session_expires"),
        ({"failover_codes": ["200"]}, "INVALID_FAILOVER_CODES", "failover_codes"),
        ({"failover_codes": ["none", "503"]}, "INVALID_FAILOVER_CODES", "failover_codes"),
        ({"failover_codes": ["503"] * 65}, "INVALID_ARGUMENT", "failover_codes"),
        ({"health_codes": ["1xx"]}, "INVALID_HEALTH_CODES", "health_codes"),
        ({"port": -1}, "INVALID_ARGUMENT", "port"),
        ({"port": 65_536}, "INVALID_ARGUMENT", "port"),
        ({"transport": 99}, "INVALID_ARGUMENT", "transport"),
        ({"number_format": 99}, "INVALID_ARGUMENT", "number_format"),
    ],
)
async def test_what_cannot_be_is_refused_by_create_and_by_update(
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


async def test_a_port_of_the_hostname_counts_and_may_be_repeated_but_not_denied(
    served: House,
) -> None:
    made = await served.a_provider(hostname="127.0.0.1:5080", port=5080)
    assert (made.hostname, made.port) == ("127.0.0.1:5080", 5080)
    for change in ({"port": 5081}, {"hostname": "127.0.0.1:5081"}):
        with pytest.raises(RemoteError) as caught:
            await update(served, made.id, **change)
        assert caught.value.reason == "INVALID_HOSTNAME"
        assert "5080" in caught.value.message
    moved = await update(served, made.id, hostname="127.0.0.1", port=5081)
    assert (moved.hostname, moved.port) == ("127.0.0.1", 5081)


async def test_the_record_of_a_provider_call_keeps_how_it_was_reached(served: House) -> None:
    made = await served.a_provider(hostname="127.0.0.1", **ALL)
    record = await served.place(made.id)
    await update(served, made.id, **NONE)
    kept = (await served.record(record.id)).provider_snapshot
    assert kept == ProviderSnapshot(
        hostname="127.0.0.1",
        **{
            name: ALL[name]
            for name in ("transport", "port", "outbound_proxy", "session_expires", "number_format")
        },
    )


async def test_a_repeated_request_is_the_same_one_after_the_provider_changed(
    served: House,
) -> None:
    made = await served.a_provider()
    record = await served.place(made.id, idempotency_key="k")
    await update(served, made.id, transport=pb.PROVIDER_TRANSPORT_TCP)
    assert await served.place(made.id, idempotency_key="k") == record


@pytest.mark.own_migrations
async def test_yesterdays_carriers_and_records_are_udp_and_e164(
    house: House, tmp_path: Path
) -> None:
    """A database of the revision before this one, with a provider and a record in it."""
    versions = tmp_path / "yesterday" / "versions"
    versions.mkdir(parents=True)
    for revision in (MIGRATIONS / "versions").glob("000[1-6]_*.py"):
        shutil.copy(revision, versions)
    database = Database(
        house.settings().database_url_for("route_manager"), migrations=versions.parent
    )
    await database.start()
    provider, record = an_old_provider(), an_old_record(house)
    record["provider_id"] = provider["id"]
    async with database.writing_connection() as connection:
        for table, row in ((repository.TABLE, provider), (records.TABLE, record)):
            old = sa.table(table.name, *(sa.column(name, table.c[name].type) for name in row))
            await connection.execute(old.insert(), row)
    await database.stop()

    async with house.serving():
        read = ProviderGetRequest(id=str(provider["id"]))
        assert shown((await house.providers().ProviderGet(read)).provider) == NONE
        kept = (await house.record(str(record["id"]))).provider_snapshot
        assert kept == ProviderSnapshot(
            hostname="127.0.0.1:5080", tech_prefix="9", name="Old",
            transport=pb.PROVIDER_TRANSPORT_UDP,
            number_format=pb.PROVIDER_NUMBER_FORMAT_E164,
        )  # fmt: skip
        match = ProviderHostsMatchRequest(authorities=["127.0.0.1:5080", "127.0.0.1:5081"])
        theirs = await house.routes("call_manager").ProviderHostsMatch(match)
        assert theirs.authorities == ["127.0.0.1:5080"]
        changed = await update(house, str(provider["id"]), port=5080)
        assert (changed.hostname, changed.port) == ("127.0.0.1:5080", 5080)


def an_old_provider() -> dict[str, Any]:
    texts = (
        *("tech_prefix", "tech_postfix", "tech_headers", "name", "detail", "codecs"),
        *("sip_username", "sip_password"),
    )
    return {
        **dict.fromkeys(texts, ""),
        "id": new_id(),
        "type": "sip",
        "hostname": "127.0.0.1:5080",
        "secret_headers": [],
        "metadata": {},
        "health_status": "healthy",
        "tm_create": datetime.now(UTC),
    }


def an_old_record(house: House) -> dict[str, Any]:
    admin = house.admin
    request = ProviderCallCreateRequest(
        provider_id=str(new_id()),
        customer_id=admin.customer_id,
        agent_id=admin.agent_id,
        destinations=[TEL],
    )
    now = datetime.now(UTC)
    record = ProviderCall(
        id=new_id(),
        wish=wish_of(request, admin),
        creation_id=new_id(),
        call_ids=(new_id(),),
        temporary_flow_id=None,
        dial_not_after=now,
        traceparent="",
        request_id="req_old",
        tm_create=now,
        snapshot=Snapshot("127.0.0.1:5080", "9", "", {}, "", "Old", ""),
    )
    row = dict(stored.values_of(record))
    del row["groupcall_id"]
    older = ("hostname", "tech_prefix", "tech_postfix", "tech_headers", "codecs", "name")
    row["snapshot"] = {name: row["snapshot"][name] for name in (*older, "sip_username")}
    return {**row, "status": "failed", "verdict": None}
