"""How a provider is reached: which settings are acceptable, and where its requests go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.clock import new_id
from mesh.errors import MeshError
from route_manager.errors import (
    InvalidFailoverCodes,
    InvalidHealthCodes,
    InvalidHostname,
    InvalidOutboundProxy,
    InvalidSessionExpires,
    InvalidTlsCa,
)
from route_manager.provider.domain import (
    HealthStatus,
    NumberFormat,
    Provider,
    ProviderSettings,
    Transport,
    changed,
    checked,
    next_hop,
)
from tests.support.pem import a_private_key, an_authority

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
CA = an_authority()
KEY = a_private_key()
HOST = "sip.carrier.example"


@pytest.mark.parametrize(
    "fields",
    [
        {"transport": Transport.TLS, "tls_ca": CA},
        {"tls_ca": f"The carrier's own:\n{CA}\n{an_authority()}"},
        {"tls_ca": CA.replace("\n", "\r\n")},
        {"tls_ca": CA * 20},
        {"hostname": f"{HOST}:5080", "port": 5080},
        {"hostname": f"{HOST}:5080", "port": 0},
        {"port": 65535},
        {"outbound_proxy": "proxy.carrier.example"},
        {"outbound_proxy": "[2606:4700::1111]:5061"},
        {"session_expires": 90},
        {"session_expires": 86_400},
        {"failover_codes": ("none",)},
        {"failover_codes": ("unreachable",)},
        {"failover_codes": ("300", "5xx", "503", "699", "unreachable")},
        {"failover_codes": tuple(str(code) for code in range(400, 464))},
        {"health_codes": ("2xx", "404", "200", "6xx")},
    ],
)
def test_what_a_carrier_may_want_is_accepted(fields: dict[str, Any]) -> None:
    wanted = ProviderSettings(**{"hostname": HOST, **fields})
    assert checked(wanted, lab=False) == wanted


@pytest.mark.parametrize(
    ("fields", "refusal", "field"),
    [
        ({"hostname": f"{HOST}:5080", "port": 5060}, InvalidHostname, "hostname"),
        ({"outbound_proxy": "sip:proxy"}, InvalidOutboundProxy, "outbound_proxy"),
        ({"outbound_proxy": "proxy;lr"}, InvalidOutboundProxy, "outbound_proxy"),
        ({"outbound_proxy": "proxy\r\nVia: x"}, InvalidOutboundProxy, "outbound_proxy"),
        ({"outbound_proxy": "proxy:0"}, InvalidOutboundProxy, "outbound_proxy"),
        ({"outbound_proxy": "127.0.0.1"}, InvalidOutboundProxy, "outbound_proxy"),
        ({"outbound_proxy": "0.0.0.0"}, InvalidOutboundProxy, "outbound_proxy"),
        ({"outbound_proxy": "2130706433"}, InvalidOutboundProxy, "outbound_proxy"),
        ({"tls_ca": "no certificate"}, InvalidTlsCa, "tls_ca"),
        ({"tls_ca": KEY}, InvalidTlsCa, "tls_ca"),
        ({"tls_ca": CA + KEY}, InvalidTlsCa, "tls_ca"),
        ({"tls_ca": CA[:-40]}, InvalidTlsCa, "tls_ca"),
        ({"tls_ca": CA[:-40] + CA}, InvalidTlsCa, "tls_ca"),
        ({"tls_ca": CA.replace("M", "N", 1)}, InvalidTlsCa, "tls_ca"),
        ({"tls_ca": CA.replace("CERTIFICATE", "PUBLIC KEY")}, InvalidTlsCa, "tls_ca"),
        ({"tls_ca": f"Überschrift\n{CA}"}, InvalidTlsCa, "tls_ca"),
        ({"tls_ca": f"{CA}\0"}, InvalidTlsCa, "tls_ca"),
        ({"tls_ca": CA * 21}, InvalidTlsCa, "tls_ca"),
        ({"session_expires": 1}, InvalidSessionExpires, "session_expires"),
        ({"session_expires": 89}, InvalidSessionExpires, "session_expires"),
        ({"session_expires": 86_401}, InvalidSessionExpires, "session_expires"),
        ({"session_expires": -90}, InvalidSessionExpires, "session_expires"),
        *(
            ({"failover_codes": codes}, InvalidFailoverCodes, "failover_codes")
            for codes in (
                ("200",), ("299",), ("2xx",), ("700",), ("7xx",), ("50x",), ("5XX",), ("503 ",),
                ("",), ("503", "503"), ("none", "503"), ("none", "none"), ("None",),
                ("unreachable", "unreachable"), ("5" * 1000,), ("٥٠٣",), ("503\n",),
                tuple(str(code) for code in range(400, 465)),
            )
        ),
        *(
            ({"health_codes": codes}, InvalidHealthCodes, "health_codes")
            for codes in (("100",), ("1xx",), ("unreachable",), ("none",), ("200", "200"), ("ok",))
        ),
    ],
)  # fmt: skip
def test_what_no_carrier_can_mean_is_refused_and_the_field_is_named(
    fields: dict[str, Any], refusal: type[MeshError], field: str
) -> None:
    with pytest.raises(refusal) as caught:
        checked(ProviderSettings(**{"hostname": HOST, **fields}), lab=False)
    assert caught.value.metadata["field"] == field
    assert field in caught.value.message, "people read the sentence, not the facts"
    assert len(caught.value.message) < 300


def test_a_private_key_is_refused_as_such_and_never_repeated() -> None:
    for pem in (KEY, CA + KEY, KEY.replace("PRIVATE", "ENCRYPTED PRIVATE")):
        with pytest.raises(InvalidTlsCa) as caught:
            checked(ProviderSettings(HOST, tls_ca=pem), lab=False)
        assert "private key" in caught.value.message
        assert KEY.splitlines()[1] not in repr(caught.value.to_status())


def test_a_proxy_at_home_is_for_the_lab() -> None:
    checked(ProviderSettings(HOST, outbound_proxy="127.0.0.1:5070"), lab=True)


def test_what_is_not_touched_is_not_judged_but_two_ports_are_judged_together() -> None:
    stored = ProviderSettings(f"{HOST}:5080", session_expires=5, tls_ca="older rules")
    assert checked(stored, lab=False, fields=("name",)) == stored
    with pytest.raises(InvalidHostname):
        checked(ProviderSettings(f"{HOST}:5080", port=5060), lab=False, fields=("port",))


@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_is_taken_or_refused_and_nothing_else(codes: list[str], pem: str) -> None:
    for fields in ({"failover_codes": tuple(codes)}, {"health_codes": tuple(codes)},
                   {"tls_ca": pem}, {"outbound_proxy": pem}):  # fmt: skip
        try:
            checked(ProviderSettings(HOST, **fields), lab=True)
        except (InvalidFailoverCodes, InvalidHealthCodes, InvalidTlsCa, InvalidOutboundProxy):
            continue


@pytest.mark.parametrize(
    "change",
    [
        {"hostname": "other.carrier.example"},
        {"port": 5080},
        {"transport": Transport.TCP},
        {"outbound_proxy": "proxy.carrier.example"},
        {"tls_ca": CA},
    ],
)
def test_whoever_is_reached_in_another_way_is_of_unknown_health(change: dict[str, Any]) -> None:
    provider = Provider(
        new_id(), ProviderSettings(HOST), NOW,
        health_status=HealthStatus.HEALTHY, health_checked_at=NOW,
    )  # fmt: skip
    reset = changed(provider, change, NOW)
    assert (reset.health_status, reset.health_checked_at) == (HealthStatus.UNKNOWN, None)
    again = {name: getattr(provider.settings, name) for name in change}
    assert changed(provider, again, NOW).health_status is HealthStatus.HEALTHY


def test_what_says_nothing_of_the_way_keeps_the_health() -> None:
    provider = Provider(
        new_id(), ProviderSettings(HOST), NOW,
        health_status=HealthStatus.UNHEALTHY, health_checked_at=NOW,
    )  # fmt: skip
    for change in (
        {"session_expires": 1800},
        {"number_format": NumberFormat.DIGITS},
        {"failover_codes": ("none",)},
        {"health_codes": ("2xx",)},
        {"health_affects_routing": True},
        {"health_checks_paused": True},
    ):
        assert changed(provider, change, NOW).health_status is HealthStatus.UNHEALTHY


@pytest.mark.parametrize(
    ("fields", "field", "host", "port", "transport"),
    [
        ({}, "hostname", HOST, None, Transport.UDP),
        ({"hostname": "bücher.example.:5080"}, "hostname", "xn--bcher-kva.example", 5080,
         Transport.UDP),
        ({"port": 5081, "transport": Transport.TLS}, "hostname", HOST, 5081, Transport.TLS),
        ({"transport": Transport.AUTO}, "hostname", HOST, None, Transport.AUTO),
        # RFC 3263 section 4.1: a port or an address leaves the DNS nothing to choose.
        ({"transport": Transport.AUTO, "port": 5061}, "hostname", HOST, 5061, Transport.UDP),
        ({"transport": Transport.AUTO, "hostname": "[2606:4700::1]"}, "hostname", "2606:4700::1",
         None, Transport.UDP),
        # The proxy has a port of its own, or leaves it to the DNS.
        ({"outbound_proxy": "p.example", "port": 5080}, "outbound_proxy", "p.example", None,
         Transport.UDP),
        ({"outbound_proxy": "p.example:5090", "hostname": "8.8.8.8:5080"}, "outbound_proxy",
         "p.example", 5090, Transport.UDP),
    ],
)  # fmt: skip
def test_requests_go_to_the_proxy_or_else_to_the_host(
    fields: dict[str, Any], field: str, host: str, port: int | None, transport: Transport
) -> None:
    hop = next_hop(ProviderSettings(**{"hostname": HOST, **fields}))
    assert hop is not None
    assert (hop.field, hop.host, hop.port, hop.transport) == (field, host, port, transport)
