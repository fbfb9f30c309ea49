"""A carrier is set up over REST, by its API as the public description has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.support import telnyx as at
from tests.support.otlp import Collector, otlp_collector
from tests.support.running_mesh import RunningMesh, ok, reason, running_mesh
from tests.support.telnyx import KEY, Telnyx, problem
from tests.support.telnyx_http import Reply

FQDN: Final = "sip.voipbin.example"
BODY: Final = {
    "carrier": "telnyx",
    "name": "Telnyx Production",
    "detail": "Europe",
    "credentials": {"api_key": KEY},
}
SETUP_KEYS: Final = [
    "id", "carrier", "name", "status", "provider_id", "leftovers", "error_reason",
    "error_message", "tm_create", "tm_update",
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def telnyx() -> AsyncIterator[Telnyx]:
    async with at.telnyx() as account:
        yield account


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def collector() -> AsyncIterator[Collector]:
    async with otlp_collector() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def setting_up(
    tmp_path_factory: pytest.TempPathFactory,
    on_each_engine: str,
    telnyx: Telnyx,
    collector: Collector,
) -> AsyncIterator[RunningMesh]:
    """A mesh whose carrier is on loopback, and that knows its own public SIP address."""
    environment = {
        "VBMESH_TELNYX_BASE_URL": telnyx.base_url,
        "VBMESH_PUBLIC_SIP_FQDN": FQDN,
        "VBMESH_CARRIER_REQUEST_S": "2",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
    }
    async with running_mesh(tmp_path_factory.mktemp("setup") / "data", environment) as running:
        yield running


@pytest.fixture(autouse=True)
def an_empty_account(telnyx: Telnyx) -> None:
    """Let each test begin with nothing at the carrier, and a carrier that works."""
    telnyx.recovers()
    for kind in telnyx.objects.values():
        kind.clear()


async def test_setup_answers_with_the_provider_and_a_route_may_use_it(
    setting_up: RunningMesh, telnyx: Telnyx
) -> None:
    provider = ok(await setting_up.post("/v1.0/providers/setup", BODY))
    assert provider["hostname"] == "sip.telnyx.com"
    assert provider["metadata"] == {
        "telnyx_profile_id": next(iter(telnyx.objects["outbound_voice_profiles"])),
        "telnyx_connection_id": next(iter(telnyx.objects["fqdn_connections"])),
        "telnyx_fqdn_id": next(iter(telnyx.objects["fqdns"])),
        "telnyx_fqdn": FQDN,
    }
    assert ok(await setting_up.get(f"/v1.0/providers/{provider['id']}")) == provider
    codecs = await setting_up.http.put(
        f"/v1.0/providers/{provider['id']}",
        json={"codecs": "PCMU,PCMA"},
        headers=setting_up.headers(),
    )
    assert ok(codecs)["codecs"] == "PCMU,PCMA"
    setup = ok(await setting_up.get("/v1.0/provider_setups"))["result"][0]
    assert list(setup) == SETUP_KEYS
    assert (setup["status"], setup["provider_id"]) == ("completed", provider["id"])

    path = f"/v1.0/providers/{provider['id']}"
    credentials = {"credentials": {"api_key": KEY}}
    refused = await setting_up.post(f"{path}/teardown", credentials)
    assert reason(refused) == (409, "PROVIDER_TEARDOWN_REFUSED")
    gone = ok(await setting_up.http.delete(path, headers=setting_up.headers()))
    assert "carrier_side_left" in [warning["code"] for warning in gone["warnings"]]
    ok(await setting_up.post(f"{path}/teardown", credentials))
    assert telnyx.left() == []
    assert telnyx.breaches == []


@pytest.mark.parametrize(
    ("fault", "status", "expected"),
    [
        (at.answering(at.UNAUTHENTICATED), 422, "CARRIER_CREDENTIALS_REJECTED"),
        (
            at.answering(problem(403, "10038", "Not permitted", "Verify the account.")),
            422,
            "CARRIER_REQUEST_REFUSED",
        ),
        (at.answering(Reply(500, b"")), 502, "CARRIER_ERROR"),
        (at.answering(Reply(503, b"")), 503, "CARRIER_UNAVAILABLE"),
        (at.done_but_silent, 504, "CARRIER_TIMEOUT"),
    ],
    ids=["rejected", "refused", "broken", "down", "silent"],
)
async def test_what_the_carrier_says_is_told_and_nothing_is_left(
    setting_up: RunningMesh, telnyx: Telnyx, fault: Any, status: int, expected: str
) -> None:
    telnyx.then("POST /fqdns", fault)
    answer = await setting_up.post("/v1.0/providers/setup", BODY)
    assert reason(answer) == (status, expected)
    [facts] = [one for one in answer.json()["error"]["details"] if "step" in one]
    assert (facts["carrier"], facts["step"]) == ("telnyx", "fqdn")
    assert ("Retry-After" in answer.headers) is (status == 503)
    assert telnyx.left() == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"carrier": "acme"}, "carrier"),
        ({"carrier": None}, "carrier"),
        ({"name": ""}, "name"),
        ({"credentials": None}, "credentials"),
        ({"credentials": {}}, "credentials.api_key"),
        ({"codecs": "PCMU"}, "codecs"),
    ],
)
async def test_a_body_that_cannot_be_meant_is_refused_by_its_fields_name(
    setting_up: RunningMesh, telnyx: Telnyx, change: dict[str, Any], named: str
) -> None:
    asked = len(telnyx.asked)
    body = {name: value for name, value in {**BODY, **change}.items() if value is not None}
    answer = await setting_up.post("/v1.0/providers/setup", body)
    assert answer.status_code == 400
    assert f'"{named}"' in answer.text or named in answer.json()["error"]["message"]
    assert len(telnyx.asked) == asked


async def test_only_a_super_admin_may_set_up(setting_up: RunningMesh, telnyx: Telnyx) -> None:
    asked = len(telnyx.asked)
    for path, body in (
        ("/v1.0/providers/setup", BODY),
        (f"/v1.0/providers/{FQDN}/teardown", {"credentials": {"api_key": KEY}}),
    ):
        answer = await setting_up.post(path, body, role="customer_admin")
        assert answer.status_code == 403
    assert (await setting_up.get("/v1.0/provider_setups", role="customer_admin")).status_code == 403
    assert len(telnyx.asked) == asked


async def test_without_a_public_sip_address_setup_names_the_setting(mesh: RunningMesh) -> None:
    answer = await mesh.post("/v1.0/providers/setup", BODY)
    assert reason(answer) == (400, "PUBLIC_SIP_ADDRESS_MISSING")
    assert "VBMESH_PUBLIC_SIP_FQDN" in answer.text


async def test_a_killed_process_leaves_a_record_of_what_it_may_have_left(
    setting_up: RunningMesh, telnyx: Telnyx
) -> None:
    telnyx.then("POST /fqdn_connections", at.done_but_silent)
    before = telnyx.names().count("POST /fqdn_connections")
    asking = asyncio.create_task(setting_up.post("/v1.0/providers/setup", BODY))
    await telnyx.until_asked("POST /fqdn_connections", before + 1)
    old = setting_up.pid("route_manager")
    setting_up.kill("route_manager")
    assert (await asking).status_code == 503
    await setting_up.restarted("route_manager", old)
    setup = await newest_setup(setting_up)
    [profile] = telnyx.objects["outbound_voice_profiles"]
    left = [(one["kind"], one["id"]) for one in setup["leftovers"]]
    assert left == [("outbound_voice_profile", profile), ("fqdn_connection", "")]
    assert setup["id"] in next(iter(telnyx.objects["fqdn_connections"].values()))["connection_name"]


async def test_the_key_and_the_password_are_nowhere(
    setting_up: RunningMesh, telnyx: Telnyx, collector: Collector
) -> None:
    echo = problem(422, "10015", "Bad Request", f"Bearer {KEY} may not do that.")
    telnyx.then("POST /fqdns", at.answering(echo))
    answer = await setting_up.post("/v1.0/providers/setup", BODY)
    assert "Bearer **** may not do that." in answer.json()["error"]["message"]
    provider = ok(await setting_up.post("/v1.0/providers/setup", BODY))
    created = await collector.wait_for("POST /fqdns", seconds=20.0)
    assert created.attributes["url.template"] == "/v2/fqdns"
    assert created.attributes["http.response.status_code"] in (201, 422, 500, 503)
    secrets = [
        KEY,
        *(one.body["password"] for one in telnyx.asked if "password" in (one.body or ())),
    ]
    told = [
        answer.text,
        str(provider),
        str(collector.spans),
        (await setting_up.get("/v1.0/provider_setups")).text,
        setting_up.log.read_text(),
        *(path.read_bytes().decode("latin-1") for path in files_of(setting_up)),
    ]
    assert len(told) > 10
    for secret in secrets:
        assert not [text[:80] for text in told if secret in text]


async def newest_setup(mesh: RunningMesh) -> dict[str, Any]:
    """Return the newest setup, as soon as route_manager can be asked again."""
    async with asyncio.timeout(20):
        while True:
            answer = await mesh.get("/v1.0/provider_setups?page_size=1")
            if answer.status_code == 200:
                setup: dict[str, Any] = answer.json()["result"][0]
                return setup
            await asyncio.sleep(0.1)


def files_of(mesh: RunningMesh) -> list[Any]:
    """Return every file the mesh has written: databases, write-ahead logs, run files."""
    return [path for path in mesh.data_dir.rglob("*") if path.is_file()]
