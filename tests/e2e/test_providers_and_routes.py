"""Carriers and routes over REST: their shapes, partial changes, soft deletes, masked secrets."""

from __future__ import annotations

from typing import Any, Final

import pytest

from mesh.clock import new_id
from tests.support.carrier import Carrier
from tests.support.pem import an_authority
from tests.support.running_mesh import RunningMesh, ok, reason

PROVIDER_KEYS: Final = [
    "id", "type", "hostname", "tech_prefix", "tech_postfix", "tech_headers", "name", "detail",
    "metadata", "codecs", "health_status", "health_checked_at", "tm_create", "tm_update",
    "tm_delete", "sip_username", "sip_password", "secret_headers", "warnings", "transport", "port",
    "outbound_proxy", "tls_ca", "session_expires", "number_format", "failover_codes",
    "health_codes", "health_affects_routing", "health_checks_paused", "health_changed_at",
    "health_latency_ms", "health_detail", "calls_per_second", "calls_at_once", "duration_max",
]  # fmt: skip
"""In the order of CONTRACT.md section 9, ours at the end."""

ROUTE_KEYS: Final = [
    "id", "customer_id", "name", "detail", "provider_id", "priority", "target",
    "tm_create", "tm_update", "tm_delete",
]  # fmt: skip

FULL: Final = {
    "type": "sip",
    "hostname": "sip.carrier.example:5080",
    "tech_prefix": "0011#",
    "tech_postfix": "@trunk.example",
    "tech_headers": {"X-Account": "42", "X-Trunk": "a; b"},
    "name": "Carrier A",
    "detail": "the cheap one",
    "codecs": "PCMU, PCMA",
    "sip_username": "alice",
    "sip_password": "correct horse battery",
}


def stored(provider: dict[str, Any]) -> dict[str, Any]:
    """Return an answer as it is read later: warnings are told once."""
    return {**provider, "warnings": []}


def own(provider: dict[str, Any]) -> dict[str, Any]:
    """Return what of an answer is the platform's own to say."""
    return {key: provider[key] for key in ("tm_update", "warnings")}


async def test_a_provider_has_the_documented_shape(mesh: RunningMesh) -> None:
    made = ok(await mesh.post("/v1.0/providers", FULL))

    assert list(made) == PROVIDER_KEYS
    expected = {**FULL, "codecs": "PCMU,PCMA", "sip_password": "****tery"}
    assert {key: made[key] for key in FULL} == expected
    assert {warning["code"] for warning in made["warnings"]} >= {
        "postfix_sets_domain",
        "number_not_e164",
    }
    assert (made["metadata"], made["health_status"]) == ({}, "unknown")
    assert [made[key] for key in ("health_checked_at", "tm_update", "tm_delete")] == [None] * 3
    assert len(made["tm_create"]) == len("2026-08-01T09:00:00.123456Z")
    assert made["tm_create"].endswith("Z")
    assert ok(await mesh.get(f"/v1.0/providers/{made['id']}")) == stored(made)
    assert ok(await mesh.get("/v1.0/providers?page_size=1"))["result"] == [stored(made)]


REACHED: Final = {
    "transport": "tls",
    "port": 5081,
    "outbound_proxy": "proxy.carrier.example",
    "tls_ca": an_authority(),
    "session_expires": 1800,
    "number_format": "digits",
    "failover_codes": ["5xx", "404", "unreachable"],
    "health_codes": ["2xx", "403"],
    "health_affects_routing": True,
    "health_checks_paused": True,
    "calls_per_second": 5,
    "calls_at_once": 30,
    "duration_max": 600,
}


async def test_how_a_provider_is_reached_is_udp_and_e164_until_it_is_said(
    mesh: RunningMesh,
) -> None:
    made = ok(await mesh.post("/v1.0/providers", {"hostname": "sip.carrier.example"}))
    expected = {
        "transport": "udp", "port": 0, "outbound_proxy": "", "tls_ca": "", "session_expires": 0,
        "number_format": "e164", "failover_codes": [], "health_codes": [],
        "health_affects_routing": False, "health_checks_paused": False,
        "calls_per_second": 0, "calls_at_once": 0, "duration_max": 0,
    }  # fmt: skip
    assert {key: made[key] for key in expected} == expected
    path = f"/v1.0/providers/{made['id']}"
    changed = ok(await mesh.put(path, REACHED))
    assert {key: changed[key] for key in REACHED} == REACHED
    for change in ({"session_expires": 0}, {"transport": "auto"}, {"tls_ca": None}):
        partly = ok(await mesh.put(path, change))
        said = {key: value for key, value in change.items() if value is not None}
        assert partly == {**changed, **said, **own(partly)}
        changed = partly


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"port": 5082, "hostname": "sip.carrier.example:5081"}, "INVALID_HOSTNAME"),
        ({"outbound_proxy": "p" * 256}, "INVALID_OUTBOUND_PROXY"),
        ({"tls_ca": "x" * 32_769}, "INVALID_TLS_CA"),
        ({"session_expires": 30}, "INVALID_SESSION_EXPIRES"),
        ({"session_expires": 86_401}, "INVALID_SESSION_EXPIRES"),
        ({"failover_codes": ["5xx", "none"]}, "INVALID_FAILOVER_CODES"),
        ({"failover_codes": ["503"] * 65}, "INVALID_FAILOVER_CODES"),
        ({"health_codes": ["100"]}, "INVALID_HEALTH_CODES"),
        ({"transport": "sctp"}, "INVALID_ARGUMENT"),
        ({"number_format": "national"}, "INVALID_ARGUMENT"),
        ({"port": 65_536}, "INVALID_ARGUMENT"),
    ],
)
async def test_how_no_provider_can_be_reached_is_refused(
    mesh: RunningMesh, wrong: dict[str, Any], told: str
) -> None:
    body = {"hostname": "sip.carrier.example", **wrong}
    assert reason(await mesh.post("/v1.0/providers", body)) == (400, told)


async def test_a_provider_needs_only_a_hostname(mesh: RunningMesh) -> None:
    made = ok(await mesh.post("/v1.0/providers", {"hostname": "sip.carrier.example"}))

    assert (made["type"], made["tech_headers"], made["codecs"]) == ("sip", {}, "")
    assert (made["sip_username"], made["sip_password"]) == ("", "")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"codecs": "PCMA"}, {"codecs": "PCMA"}),
        ({"codecs": ""}, {"codecs": ""}),
        ({"tech_headers": {}}, {"tech_headers": {}}),
        ({"tech_headers": {"X-New": "1"}}, {"tech_headers": {"X-New": "1"}}),
        ({"tech_prefix": "", "name": "B"}, {"tech_prefix": "", "name": "B"}),
        ({"detail": None}, {}),
        ({}, {}),
    ],
)
async def test_a_partial_change_keeps_the_rest(
    mesh: RunningMesh, change: dict[str, Any], expected: dict[str, Any]
) -> None:
    made = ok(await mesh.post("/v1.0/providers", FULL))

    changed = ok(await mesh.put(f"/v1.0/providers/{made['id']}", change))

    volatile = {"tm_update": changed["tm_update"], "warnings": changed["warnings"]}
    assert changed == {**made, **expected, **volatile}
    if expected:
        assert changed["tm_update"] > made["tm_create"]
    assert ok(await mesh.get(f"/v1.0/providers/{made['id']}")) == stored(changed)


async def test_a_full_body_replaces_everything(mesh: RunningMesh) -> None:
    made = ok(await mesh.post("/v1.0/providers", FULL))
    other = {**dict.fromkeys(FULL, ""), "type": "sip", "hostname": "b.example", "tech_headers": {}}

    changed = ok(await mesh.put(f"/v1.0/providers/{made['id']}", other))

    assert {key: changed[key] for key in FULL} == other


async def test_the_masked_password_keeps_what_is_stored(
    mesh: RunningMesh, answers: Carrier
) -> None:
    made = ok(await mesh.post("/v1.0/providers", {**FULL, "hostname": answers.address}))
    path = f"/v1.0/providers/{made['id']}"
    listed = (await mesh.get("/v1.0/providers")).text
    assert "correct horse" not in listed

    # What a form does: read, change one field, write everything back.
    writable = {key: made[key] for key in FULL}
    kept = ok(await mesh.put(path, {**writable, "name": "renamed"}))
    assert kept["sip_password"] == "****tery"
    replaced = ok(await mesh.put(path, {"sip_password": "swordfish-two"}))
    assert replaced["sip_password"] == "****-two"
    short = ok(await mesh.put(path, {"sip_password": "abc"}))
    assert short["sip_password"] == "****"
    cleared = ok(await mesh.put(path, {"sip_username": "", "sip_password": ""}))
    assert (cleared["sip_username"], cleared["sip_password"]) == ("", "")


async def test_a_change_that_cannot_be_changes_nothing(mesh: RunningMesh) -> None:
    made = ok(await mesh.post("/v1.0/providers", FULL))
    path = f"/v1.0/providers/{made['id']}"

    for change, why in (
        ({"name": "x", "hostname": "a b"}, "INVALID_HOSTNAME"),
        ({"hostname": ""}, "INVALID_HOSTNAME"),
        ({"name": "x", "id": str(new_id())}, "INVALID_ARGUMENT"),
        ({"name": "x", "update_mask": "name"}, "INVALID_ARGUMENT"),
        ({"name": "x", "codecs": "PCMU,,"}, "INVALID_CODECS"),
    ):
        assert reason(await mesh.put(path, change)) == (400, why)

    assert ok(await mesh.get(path)) == stored(made)


async def test_a_deleted_provider_is_readable_but_listed_and_changed_no_more(
    mesh: RunningMesh,
) -> None:
    made = ok(await mesh.post("/v1.0/providers", FULL))
    path = f"/v1.0/providers/{made['id']}"

    deleted = ok(await mesh.delete(path))

    assert list(deleted) == PROVIDER_KEYS
    assert deleted["tm_delete"] is not None
    assert ok(await mesh.delete(path)) == deleted == ok(await mesh.get(path))
    listed = [one["id"] for one in ok(await mesh.get("/v1.0/providers"))["result"]]
    assert made["id"] not in listed
    assert reason(await mesh.put(path, {"name": "x"})) == (404, "PROVIDER_NOT_FOUND")


async def test_a_route_is_made_changed_and_deleted(mesh: RunningMesh) -> None:
    provider = ok(await mesh.post("/v1.0/providers", FULL))
    customer_id = mesh.ready["customer_admin"]["customer_id"]
    body = {
        "customer_id": customer_id, "name": "Korea", "detail": "", "provider_id": provider["id"],
        "priority": 3, "target": "+82",
    }  # fmt: skip

    made = ok(await mesh.post("/v1.0/routes", body))
    path = f"/v1.0/routes/{made['id']}"

    assert list(made) == ROUTE_KEYS
    assert {key: made[key] for key in body} == body
    assert ok(await mesh.get(path)) == made
    listed = ok(await mesh.get(f"/v1.0/routes?customer_id={customer_id}"))["result"]
    assert listed[0] == made
    assert {one["customer_id"] for one in listed} == {customer_id}
    changed = ok(await mesh.put(path, {"priority": 0}))
    assert changed == {**made, "priority": 0, "tm_update": changed["tm_update"]}
    deleted = ok(await mesh.delete(path))
    assert deleted["tm_delete"] is not None
    assert ok(await mesh.delete(path)) == deleted == ok(await mesh.get(path))
    assert reason(await mesh.put(path, {"priority": 1})) == (404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"provider_id": str(new_id())}, (404, "PROVIDER_NOT_FOUND")),
        ({"target": "+0"}, (400, "INVALID_ROUTE_TARGET")),
        ({"target": "82"}, (400, "INVALID_ROUTE_TARGET")),
        ({"target": ""}, (400, "INVALID_ROUTE_TARGET")),
        ({"priority": -1}, (400, "INVALID_ARGUMENT")),
        ({"priority": "1"}, (400, "INVALID_ARGUMENT")),
        ({"customer_id": "me"}, (400, "INVALID_ID")),
    ],
)
async def test_a_route_that_cannot_be(
    mesh: RunningMesh, change: dict[str, Any], expected: tuple[int, str]
) -> None:
    provider = ok(await mesh.post("/v1.0/providers", FULL))
    customer_id = mesh.ready["customer_admin"]["customer_id"]
    body = {"customer_id": customer_id, "provider_id": provider["id"], "target": "all"}

    assert reason(await mesh.post("/v1.0/routes", {**body, **change})) == expected


async def test_a_page_holds_a_hundred_at_most_and_the_last_one_ends_it(mesh: RunningMesh) -> None:
    for _ in range(3):
        await mesh.a_provider("sip.carrier.example")

    seen: list[str] = []
    token = ""
    for _ in range(200):
        page = ok(await mesh.get(f"/v1.0/providers?page_size=7&page_token={token}"))
        seen.extend(one["id"] for one in page["result"])
        token = page["next_page_token"]
        if not token:
            break

    assert not token
    assert len(seen) == len(set(seen)) >= 3
    whole = ok(await mesh.get("/v1.0/providers?page_size=1000"))["result"]
    assert len(whole) <= 100
    assert [one["id"] for one in whole] == seen[:100]
