"""The linter of providers, rule by rule."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from voipbin.route.v1.provider_pb2 import ProviderWarningCode

from call_manager.sip.sdp import ENCODABLE
from route_manager.provider.domain import (
    Case,
    HostFacts,
    NumberFormat,
    ProviderSettings,
    ProviderWarning,
    Transport,
    WarningCode,
    lint,
)
from route_manager.provider.domain.codecs import PLAYABLE
from tests.architecture.code import ROOT
from tests.support.pem import an_authority

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
GOOD = HostFacts(("8.8.8.8",))
LONG = "x1" * 12
CA = an_authority()
ENDED = an_authority(NOW - timedelta(days=1))
SOON = an_authority(NOW + timedelta(days=29))
LATER = an_authority(NOW + timedelta(days=31))
TCP, TLS, AUTO = Transport.TCP, Transport.TLS, Transport.AUTO
DIGITS = NumberFormat.DIGITS


def warnings_of(
    settings: ProviderSettings, host: HostFacts | None = GOOD, *, lab: bool = False
) -> tuple[ProviderWarning, ...]:
    return lint(Case(settings, host, lab, NOW))


def codes(host: HostFacts | None = GOOD, *, lab: bool = False, **fields: Any) -> list[str]:
    fields.setdefault("hostname", "sip.carrier.example")
    found = warnings_of(ProviderSettings(**fields), host, lab=lab)
    return [warning.code.value for warning in found]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"hostname": "sip.carrier.example:5080"}, []),
        ({"codecs": "PCMU,PCMA"}, []),
        ({"codecs": "pcma,G729"}, []),
        ({"tech_headers": {"X-Account": "42"}}, []),
        ({"sip_username": "u", "sip_password": "p"}, []),
        # The documents' own example of two @.
        ({"tech_postfix": "@provider.com"}, ["postfix_sets_domain"]),
        ({"tech_postfix": "00@provider.com"}, ["postfix_sets_domain", "number_not_e164"]),
        ({"hostname": "sip.carrier.example:5061"}, ["port_not_for_transport"]),
        ({"port": 5061}, ["port_not_for_transport"]),
        ({"port": 5061, "transport": TCP}, ["port_not_for_transport"]),
        ({"port": 5061, "transport": AUTO}, ["port_not_for_transport"]),
        ({"port": 5061, "transport": TLS}, []),
        ({"port": 5060, "transport": TLS}, ["port_not_for_transport"]),
        ({"port": 5060, "transport": TCP}, []),
        ({"port": 443, "transport": TLS}, ["port_unusual"]),
        ({"port": 5061, "outbound_proxy": "p.example:5060"}, []),
        ({"outbound_proxy": "p.example:5061"}, ["port_not_for_transport"]),
        ({"hostname": "8.8.8.8", "transport": TLS}, ["tls_to_address"]),
        ({"outbound_proxy": "8.8.8.8", "transport": TLS}, ["tls_to_address"]),
        ({"hostname": "8.8.8.8", "outbound_proxy": "p.example", "transport": TLS}, []),
        ({"tls_ca": CA, "transport": TLS}, []),
        ({"tls_ca": CA, "transport": AUTO}, []),
        ({"tls_ca": CA}, ["tls_ca_unused"]),
        ({"tls_ca": CA, "transport": TCP}, ["tls_ca_unused"]),
        ({"tls_ca": CA, "transport": AUTO, "port": 5070}, ["tls_ca_unused"]),
        ({"tls_ca": CA + ENDED, "transport": TLS}, ["tls_ca_expires"]),
        ({"tls_ca": SOON, "transport": TLS}, ["tls_ca_expires"]),
        ({"tls_ca": LATER, "transport": TLS}, []),
        ({"failover_codes": ("486",)}, ["failover_rings_again"]),
        ({"failover_codes": ("4xx",)}, ["failover_rings_again"]),
        ({"failover_codes": ("5xx", "6xx")}, ["failover_rings_again"]),
        ({"failover_codes": ("5xx", "404", "408", "unreachable")}, []),
        ({"failover_codes": ("none",)}, []),
        ({"hostname": "8.8.8.8:443"}, ["port_unusual"]),
        ({"hostname": "8.8.8.8:1024"}, []),
        ({"hostname": "sip.carrier.example."}, ["hostname_rewritten"]),
        ({"hostname": "bücher.example:5080"}, ["hostname_rewritten"]),
        ({"outbound_proxy": "p.example."}, ["hostname_rewritten"]),
        ({"tech_headers": {"P_Asserted_Identity": "x"}}, ["header_looks_reserved"]),
        ({"tech_headers": {"Call.ID": "x"}}, ["header_looks_reserved"]),
        ({"tech_headers": {"X-Route": "x"}}, []),
        ({"tech_headers": {"X-Auth": "Bearer abcdefgh"}}, ["header_looks_secret"]),
        ({"tech_headers": {"X-Auth": "basic dXNlcjpwdw=="}}, ["header_looks_secret"]),
        ({"tech_headers": {"X-Account": LONG}}, ["header_looks_secret"]),
        ({"tech_headers": {"X-Account": LONG}, "secret_headers": ("x-account",)}, []),
        ({"tech_headers": {"X-Token": LONG}}, []),
        ({"tech_headers": {"X-Token": "****1234"}}, ["secret_looks_masked"]),
        ({"tech_headers": {"X-Shown": "****1234"}}, []),
        ({"sip_username": "u", "sip_password": "****1234"}, ["secret_looks_masked"]),
        ({"secret_headers": ("X-Gone",)}, ["secret_header_absent"]),
        ({"tech_headers": {"X-Long": "a b " * 100}}, ["headers_large"]),
        ({"tech_headers": {"X-Long": "a b " * 100}, "transport": AUTO}, ["headers_large"]),
        ({"tech_headers": {"X-Long": "a b " * 100}, "transport": TCP}, []),
        ({"codecs": "PCMU,ulaw"}, ["codec_unknown"]),
        ({"codecs": "G729"}, ["codecs_unplayable"]),
        ({"codecs": "alaw"}, ["codec_unknown", "codecs_unplayable"]),
        ({"tech_prefix": "1"}, ["number_not_e164"]),
        ({"tech_prefix": "9977#"}, ["number_not_e164"]),
        ({"tech_postfix": "00"}, ["number_not_e164"]),
        ({"tech_prefix": "+"}, ["number_not_e164"]),
        ({"number_format": DIGITS}, []),
        ({"number_format": DIGITS, "tech_prefix": "+"}, []),
        ({"number_format": DIGITS, "tech_prefix": "00"}, ["number_not_e164"]),
        ({"number_format": DIGITS, "tech_postfix": "#"}, ["number_not_e164"]),
        ({"sip_username": "u"}, ["credentials_incomplete"]),
    ],
)
def test_each_rule_warns_of_its_own_mistake_and_of_nothing_else(
    fields: dict[str, Any], expected: list[str]
) -> None:
    assert codes(**fields) == expected


@pytest.mark.parametrize(
    ("facts", "lab", "expected"),
    [
        (None, False, []),
        (HostFacts(("2606:4700::1111",)), False, []),
        (HostFacts(()), False, ["host_unresolved"]),
        (HostFacts((), srv_unheeded=True), False, ["host_unresolved"]),
        (HostFacts((), not_offered=True), False, ["host_unresolved"]),
        (HostFacts((), answered=False), True, ["host_unresolved"]),
        (HostFacts(("10.0.0.1", "fc00::1")), False, ["host_private"]),
        (HostFacts(("10.0.0.1",)), True, []),
        (HostFacts(("10.0.0.1", "8.8.8.8")), False, []),
    ],
)
def test_what_the_dns_says_is_judged(
    facts: HostFacts | None, lab: bool, expected: list[str]
) -> None:
    assert codes(facts, lab=lab) == expected


def test_the_ways_not_to_resolve_are_told_apart() -> None:
    said = {
        warnings_of(ProviderSettings("a.example"), facts)[0].message
        for facts in (
            HostFacts(),
            HostFacts(srv_unheeded=True),
            HostFacts(not_offered=True),
            HostFacts(answered=False),
        )
    }
    assert len(said) == 4


def test_the_field_that_states_the_host_or_the_port_is_named() -> None:
    proxied = ProviderSettings("a.example", outbound_proxy="p.example:443")
    assert {one.field for one in warnings_of(proxied, HostFacts())} == {"outbound_proxy"}
    [port] = warnings_of(ProviderSettings("a.example", port=443))
    assert port.field == "port"


def test_whose_no_is_asked_again_is_said_by_code() -> None:
    [warning] = warnings_of(ProviderSettings("a.example", failover_codes=("4xx", "603")))
    assert "(480, 486, 603)" in warning.message


def test_what_earlier_rules_let_pass_is_judged_all_the_same() -> None:
    older = ProviderSettings("sip:carrier", tls_ca=ENDED, transport=TLS, sip_username="u")
    assert [one.code.value for one in warnings_of(older, None)] == [
        "tls_ca_expires",
        "credentials_incomplete",
    ]


def test_when_a_private_ca_ends_is_said() -> None:
    [warning] = warnings_of(ProviderSettings("a.example", transport=TLS, tls_ca=SOON + ENDED))
    assert "2 of 2" in warning.message
    assert "ended on 2026-01-01" in warning.message


def test_no_warning_repeats_a_secret() -> None:
    settings = ProviderSettings(
        "a.example",
        tech_headers={"X-Token": "****s3cret-0", "X-Auth": "Bearer s3cret-0"},
        sip_username="u",
        sip_password="****s3cret-0",
    )
    warnings = warnings_of(settings, None)
    assert len(warnings) == 3
    assert "s3cret" not in repr(warnings)


def test_every_warning_says_what_to_do_in_a_sentence() -> None:
    settings = ProviderSettings(
        "a.example:5061", tech_prefix="1", codecs="alaw", sip_username="u", tls_ca=ENDED,
        failover_codes=("6xx",),
    )  # fmt: skip
    for warning in warnings_of(settings, HostFacts()):
        assert warning.message.endswith(".")
        assert warning.fix.endswith(".")


def test_the_contract_has_a_name_for_every_rule_and_the_page_a_line() -> None:
    values = ProviderWarningCode.DESCRIPTOR.values_by_name
    named = {name.removeprefix("PROVIDER_WARNING_CODE_") for name in values}
    assert {code.name for code in WarningCode} == named - {"UNSPECIFIED"}
    page = (ROOT / "docs" / "providers.md").read_text().partition("\n## Warnings\n")[2]
    rows = re.findall(r"^\| `([a-z0-9_]+)` \|", page, flags=re.MULTILINE)
    assert [code.value for code in WarningCode] == rows


def test_the_page_has_a_line_for_every_field_an_administrator_sets() -> None:
    page = (ROOT / "docs" / "providers.md").read_text()
    fields = page.partition("\n## Its fields\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in fields.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert named == set(ProviderSettings.__dataclass_fields__)


def test_what_can_be_played_is_what_the_channel_can_play() -> None:
    assert PLAYABLE == ENCODABLE
