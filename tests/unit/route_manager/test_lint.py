"""The linter of providers, rule by rule."""

from __future__ import annotations

import re
from typing import Any

import pytest
from voipbin.route.v1.provider_pb2 import ProviderWarningCode

from call_manager.sip.sdp import ENCODABLE
from route_manager.provider.domain import HostFacts, ProviderSettings, WarningCode, lint, wants_dns
from route_manager.provider.domain.codecs import PLAYABLE
from tests.architecture.code import ROOT

GOOD = HostFacts(("8.8.8.8",))
LONG = "x1" * 12


def codes(host: HostFacts | None = GOOD, *, lab: bool = False, **fields: Any) -> list[str]:
    fields.setdefault("hostname", "sip.carrier.example")
    return [warning.code.value for warning in lint(ProviderSettings(**fields), host, lab=lab)]


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
        ({"hostname": "sip.carrier.example:5061"}, ["port_unusual"]),
        ({"hostname": "8.8.8.8:443"}, ["port_unusual"]),
        ({"hostname": "8.8.8.8:1024"}, []),
        ({"hostname": "sip.carrier.example."}, ["hostname_rewritten"]),
        ({"hostname": "bücher.example:5080"}, ["hostname_rewritten"]),
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
        ({"codecs": "PCMU,ulaw"}, ["codec_unknown"]),
        ({"codecs": "G729"}, ["codecs_unplayable"]),
        ({"codecs": "alaw"}, ["codec_unknown", "codecs_unplayable"]),
        ({"tech_prefix": "1"}, ["number_not_e164"]),
        ({"tech_prefix": "9977#"}, ["number_not_e164"]),
        ({"tech_postfix": "00"}, ["number_not_e164"]),
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
        (HostFacts((), has_srv=True), False, ["host_unresolved"]),
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


def test_the_three_ways_not_to_resolve_are_told_apart() -> None:
    said = {
        lint(ProviderSettings("a.example"), facts, lab=False)[0].message
        for facts in (HostFacts(), HostFacts(has_srv=True), HostFacts(answered=False))
    }
    assert len(said) == 3


@pytest.mark.parametrize(
    ("hostname", "name"),
    [
        ("sip.carrier.example:5080", "sip.carrier.example"),
        ("bücher.example.", "xn--bcher-kva.example"),
        ("8.8.8.8:5060", None),
        ("[2606:4700::1]", None),
        ("localhost.", None),
    ],
)
def test_only_names_are_asked_for_and_as_they_are_dialled(hostname: str, name: str | None) -> None:
    assert wants_dns(ProviderSettings(hostname)) == name


def test_no_warning_repeats_a_secret() -> None:
    settings = ProviderSettings(
        "a.example",
        tech_headers={"X-Token": "****s3cret-0", "X-Auth": "Bearer s3cret-0"},
        sip_username="u",
        sip_password="****s3cret-0",
    )
    warnings = lint(settings, None, lab=False)
    assert len(warnings) == 3
    assert "s3cret" not in repr(warnings)


def test_every_warning_says_what_to_do_in_a_sentence() -> None:
    settings = ProviderSettings("a.example:5061", tech_prefix="1", codecs="alaw", sip_username="u")
    for warning in lint(settings, HostFacts(), lab=False):
        assert warning.message.endswith(".")
        assert warning.fix.endswith(".")


def test_the_contract_has_a_name_for_every_rule_and_the_page_a_line() -> None:
    values = ProviderWarningCode.DESCRIPTOR.values_by_name
    named = {name.removeprefix("PROVIDER_WARNING_CODE_") for name in values}
    assert {code.name for code in WarningCode} == named - {"UNSPECIFIED"}
    page = (ROOT / "docs" / "providers.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9_]+)` \|", page, flags=re.MULTILINE)
    assert [code.value for code in WarningCode] == rows


def test_what_can_be_played_is_what_the_channel_can_play() -> None:
    assert PLAYABLE == ENCODABLE
