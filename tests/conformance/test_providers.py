"""Providers: their life, their codecs, their headers."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.conformance.checklist import holds
from tests.conformance.town import NUMBER, Town
from tests.support.running_mesh import ok, reason

PROVIDERS: Final = "/v1.0/providers"
ADMIN: Final = "super_admin"
FULL: Final = {
    "type": "sip", "hostname": "127.0.0.1:5070", "tech_prefix": "9", "tech_postfix": "",
    "tech_headers": {"X-Account": "42"}, "name": "Carrier A", "detail": "first",
    "codecs": "PCMU,PCMA",
}  # fmt: skip


def sent(shown: dict[str, Any]) -> dict[str, Any]:
    return {key: shown[key] for key in FULL}


@holds("provider create/full-replace/delete/GET-deleted")
async def test_a_provider_is_made_replaced_and_deleted(town: Town) -> None:
    created = await town.ask(ADMIN, "POST", PROVIDERS, FULL)
    assert created.status_code == 200
    made = created.json()
    assert sent(made) == FULL
    assert (made["health_status"], made["health_checked_at"]) == ("unknown", None)
    assert (made["metadata"], made["tm_delete"]) == ({}, None)
    path = f"{PROVIDERS}/{made['id']}"
    other = {
        **FULL, "hostname": "127.0.0.1:5071", "tech_prefix": "", "tech_headers": {}, "name": "B",
        "detail": "", "codecs": "",
    }  # fmt: skip
    assert sent(ok(await town.ask(ADMIN, "PUT", path, other))) == other
    changed = ok(await town.ask(ADMIN, "PUT", path, {"codecs": "G722"}))
    assert sent(changed) == {**other, "codecs": "G722"}
    gone = ok(await town.ask(ADMIN, "DELETE", path))
    assert gone["tm_delete"] is not None
    shown = ok(await town.ask(ADMIN, "GET", path))
    assert (shown["id"], shown["tm_delete"]) == (made["id"], gone["tm_delete"])
    assert ok(await town.ask(ADMIN, "DELETE", path))["tm_delete"] == gone["tm_delete"]
    listed = ok(await town.ask(ADMIN, "GET", PROVIDERS))["result"]
    assert made["id"] not in [one["id"] for one in listed]
    assert reason(await town.ask(ADMIN, "PUT", path, {"name": "C"})) == (404, "PROVIDER_NOT_FOUND")


REACHED: Final = {
    "transport": "tcp", "port": 5070, "outbound_proxy": "127.0.0.1:5072", "session_expires": 1800,
    "number_format": "digits", "failover_codes": ["403", "5xx"], "health_codes": ["2xx"],
    "health_affects_routing": True, "health_checks_paused": True,
    "calls_per_second": 5, "calls_at_once": 30, "duration_max": 600,
}  # fmt: skip


@holds("provider create/full-replace/delete/GET-deleted")
async def test_who_knows_the_documented_fields_alone_changes_no_others(town: Town) -> None:
    made = await town.made(PROVIDERS, FULL)
    assert (made["transport"], made["port"], made["number_format"]) == ("udp", 0, "e164")
    path = f"{PROVIDERS}/{made['id']}"
    changed = ok(await town.ask(ADMIN, "PUT", path, REACHED))
    assert {**sent(changed), **{key: changed[key] for key in REACHED}} == {**FULL, **REACHED}
    again = ok(await town.ask(ADMIN, "PUT", path, {**FULL, "name": "B"}))
    assert sent(again) == {**FULL, "name": "B"}
    assert {key: again[key] for key in REACHED} == REACHED


LONG: Final = ",".join(f"a-name-of-15-{n:02}" for n in range(16))
"""255 characters."""


@holds("codec validation edges")
@pytest.mark.parametrize(
    ("codecs", "kept"),
    [
        ("", ""),
        ("PCMU", "PCMU"),
        (" PCMU , PCMA ", "PCMU,PCMA"),
        ("a-name-nobody-knows", "a-name-nobody-knows"),
        (LONG, LONG),
    ],
)
async def test_codecs_that_are_kept(town: Town, codecs: str, kept: str) -> None:
    made = await town.made(PROVIDERS, {**FULL, "codecs": codecs})
    assert made["codecs"] == kept


@holds("codec validation edges")
@pytest.mark.parametrize(
    "codecs",
    ["PCMU,", ",PCMU", "PCMU,,PCMA", ",", "PCMU, ,PCMA", "PCMU\r\nPCMA", "PCMU\n", "PC(MU", "PC)MU",
     LONG + "A"],
)  # fmt: skip
async def test_codecs_that_cannot_be(town: Town, codecs: str) -> None:
    wrong = (400, "INVALID_CODECS")
    assert reason(await town.ask(ADMIN, "POST", PROVIDERS, {**FULL, "codecs": codecs})) == wrong
    path = f"{PROVIDERS}/{town.provider_id}"
    assert reason(await town.ask(ADMIN, "PUT", path, {"codecs": codecs})) == wrong


# What the original leaves out without a word is refused here, in any case of its letters.
RESERVED: Final = (
    "P-Asserted-Identity", "Privacy", "VBOUT-SDP_Transport", "VBOUT-CODECS", "VB-CALL-ID",
    "VB-CONFBRIDGE-ID", "VB-DIRECTION",
)  # fmt: skip
MALFORMED: Final = ("", "X\rY", "X\nY", "X(", "X)", "X,Y", "X;Y")


@holds("header skipping")
@pytest.mark.parametrize("name", [*RESERVED, *(name.lower() for name in RESERVED), *MALFORMED])
async def test_a_header_that_would_be_skipped_is_refused(town: Town, name: str) -> None:
    body = {**FULL, "tech_headers": {"X-Good": "1", name: "value"}}
    refused = await town.ask(ADMIN, "POST", PROVIDERS, body)
    assert reason(refused) == (400, "INVALID_TECH_HEADERS")


@holds("header skipping")
@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\rb", "a\nb"])
async def test_a_value_that_would_be_skipped_is_refused(town: Town, value: str) -> None:
    body = {**FULL, "tech_headers": {"X-Good": value}}
    refused = await town.ask(ADMIN, "POST", PROVIDERS, body)
    assert reason(refused) == (400, "INVALID_TECH_HEADERS")


@holds("header skipping")
async def test_a_header_that_may_be_is_on_the_wire_as_given(town: Town) -> None:
    provider = await town.mesh.a_provider(town.carrier.address, tech_headers={"X-aCCount": "42"})
    record = await town.mesh.place(provider["id"], NUMBER)
    await town.ended(record["call_ids"][0])
    [leg] = [one for one in town.carrier.legs.values() if "X-aCCount: 42" in one.invite]
    assert leg.number == NUMBER


async def test_a_carrier_is_called_as_it_is_set_up(town: Town) -> None:
    host, _, port = town.carrier.address.partition(":")
    provider = await town.mesh.a_provider(
        "sip.carrier.example", outbound_proxy=f"{host}:{port}", port=5099, number_format="digits",
        tech_prefix="00", session_expires=1800, tech_headers={"X-Set-Up": "yes"},
    )  # fmt: skip
    record = await town.mesh.place(provider["id"], NUMBER)
    await town.ended(record["call_ids"][0])
    [leg] = [one for one in town.carrier.legs.values() if "X-Set-Up: yes" in one.invite]
    digits = NUMBER.removeprefix("+")
    assert leg.invite.startswith(f"INVITE sip:00{digits}@sip.carrier.example:5099 SIP/2.0\r\n")
    assert f"Route: <sip:{host}:{port};lr>\r\n" in leg.invite
    assert "Session-Expires: 1800\r\n" in leg.invite


@holds("header skipping")
async def test_a_header_that_is_no_text_is_refused(town: Town) -> None:
    body = {**FULL, "tech_headers": {"X-Account": 42}}
    assert reason(await town.ask(ADMIN, "POST", PROVIDERS, body)) == (400, "INVALID_ARGUMENT")
