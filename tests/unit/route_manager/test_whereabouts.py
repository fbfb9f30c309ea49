"""Where the linter looks for a provider, by RFC 3263."""

from __future__ import annotations

import asyncio
from typing import Any

import dns.resolver
import pytest

from mesh.clock import SystemClock
from route_manager.provider.domain import HostFacts, ProviderSettings, Transport, next_hop
from route_manager.provider.linter import Linter
from route_manager.provider.whereabouts import look_up, whereabouts

HOST = "carrier.example"
HERE, THERE, SIX = "8.8.8.8", "9.9.9.9", "2606:4700::1111"
UDP, TCP, TLS, AUTO = Transport.UDP, Transport.TCP, Transport.TLS, Transport.AUTO
NOWHERE = {f"_sip._tcp.{HOST} SRV": ["0 0 0 ."]}


class Zone:
    """A DNS that knows `name type`, and remembers what it was asked."""

    def __init__(self, records: dict[str, list[str]]) -> None:
        self._records = records
        self.asked: list[str] = []

    async def __call__(self, name: str, kind: str) -> list[str]:
        self.asked.append(f"{name} {kind}")
        return self._records.get(f"{name} {kind}", [])


def srv(service: str, *targets: str) -> dict[str, list[str]]:
    """Records of a service at these hosts, the first one preferred least."""
    texts = [f"{10 - n} 5 5070 {target}." for n, target in enumerate(targets)]
    return {f"{service}.{HOST} SRV": texts}


async def facts(records: dict[str, list[str]], **fields: Any) -> tuple[HostFacts, list[str]]:
    zone = Zone(records)
    hop = next_hop(ProviderSettings(**{"hostname": HOST, **fields}))
    assert hop is not None
    return await whereabouts(hop, zone), zone.asked


AT_HOME = {f"{HOST} A": [HERE], f"{HOST} AAAA": [SIX]}
AT_A = {"a.example A": [HERE]}
AT_B = {"b.example A": [THERE]}


@pytest.mark.parametrize(
    ("transport", "service"),
    [(UDP, "_sip._udp"), (TCP, "_sip._tcp"), (TLS, "_sips._tcp"), (AUTO, "_sips._tcp")],
)
async def test_srv_records_of_the_transport_come_before_the_hosts_own_addresses(
    transport: Transport, service: str
) -> None:
    found, asked = await facts(AT_HOME | AT_A | srv(service, "a.example"), transport=transport)
    assert found == HostFacts((HERE,))
    assert f"{HOST} A" not in asked


async def test_services_of_another_transport_do_not_count() -> None:
    found, _ = await facts(AT_HOME | AT_A | srv("_sip._tcp", "a.example"))
    assert found == HostFacts((HERE, SIX))


async def test_all_hosts_of_a_service_count_the_preferred_first() -> None:
    found, _ = await facts(AT_A | AT_B | srv("_sip._udp", "a.example", "b.example"))
    assert found == HostFacts((THERE, HERE))


async def test_a_host_of_a_service_that_cannot_be_found_leaves_the_others() -> None:
    zone = Zone(AT_A | srv("_sip._udp", "a.example", "b.example"))

    async def failing_for_b(name: str, kind: str) -> list[str]:
        if name == "b.example":
            raise dns.resolver.NoNameservers
        return await zone(name, kind)

    hop = next_hop(ProviderSettings(HOST))
    assert hop is not None
    assert await whereabouts(hop, failing_for_b) == HostFacts((HERE,))


async def test_what_is_refused_over_one_transport_leaves_the_others_to_auto() -> None:
    refused = {f"_sips._tcp.{HOST} SRV": ["0 0 0 ."]}
    assert (await facts(refused | AT_HOME, transport=AUTO))[0] == HostFacts((HERE, SIX))
    beside = AT_A | srv("_sip._tcp", "a.example")
    assert (await facts(refused | beside, transport=AUTO))[0] == HostFacts((HERE,))
    no_udp = {f"_sip._udp.{HOST} SRV": ["0 0 0 ."]}
    assert (await facts(no_udp | AT_HOME, transport=AUTO))[0] == HostFacts(not_offered=True)
    assert (await facts(no_udp | AT_HOME | beside, transport=AUTO))[0] == HostFacts((HERE,))


async def test_a_service_whose_hosts_have_no_address_has_none() -> None:
    found, _ = await facts(AT_HOME | srv("_sip._udp", "a.example"))
    assert found == HostFacts()


async def test_a_host_that_says_it_takes_no_tcp_is_told_apart() -> None:
    found, _ = await facts(AT_HOME | NOWHERE, transport=TCP)
    assert found == HostFacts(not_offered=True)


async def test_with_a_port_only_addresses_count_and_an_srv_record_is_only_told_of() -> None:
    service = srv("_sip._udp", "a.example")
    for stated in ({"port": 5080}, {"hostname": f"{HOST}:5080"}):
        found, asked = await facts(AT_HOME | AT_A | service, **stated)
        assert found == HostFacts((HERE, SIX))
        assert sorted(asked) == [f"{HOST} A", f"{HOST} AAAA"]
        found, _ = await facts(AT_A | service, **stated)
        assert found == HostFacts(srv_unheeded=True)
    assert (await facts({}, port=5080))[0] == HostFacts()


async def test_naptr_records_choose_where_the_dns_may_and_only_services_we_speak() -> None:
    records = {
        f"{HOST} NAPTR": [
            '10 10 "s" "SIP+D2W" "" _sip._ws.carrier.example.',
            '20 10 "u" "E2U+sip" "!^.*$!sip:x@y!" .',
            '50 50 "s" "SIP+D2T" "" _special.carrier.example.',
        ],
    }
    found, asked = await facts(records | AT_A | srv("_special", "a.example"), transport=AUTO)
    assert found == HostFacts((HERE,))
    assert [one for one in asked if one.endswith("SRV")] == [f"_special.{HOST} SRV"]
    assert (await facts(records | AT_HOME))[1][0] == f"_sip._udp.{HOST} SRV"


async def test_naptr_records_are_followed_in_their_order_to_the_first_that_leads_anywhere() -> None:
    records = {
        f"{HOST} NAPTR": [
            f'30 10 "s" "SIP+D2U" "" _sip._udp.{HOST}.',
            f'20 10 "s" "SIP+D2T" "" _sip._tcp.{HOST}.',
            f'10 10 "s" "SIPS+D2T" "" _sips._tcp.{HOST}.',
        ],
    }
    services = srv("_sips._tcp", "gone.example") | srv("_sip._udp", "a.example")
    services |= srv("_sip._tcp", "b.example")
    found, _ = await facts(records | AT_A | AT_B | services, transport=AUTO)
    assert found == HostFacts((THERE,))


async def test_naptr_records_that_lead_nowhere_leave_the_usual_services() -> None:
    records = {f"{HOST} NAPTR": ['50 50 "s" "SIP+D2T" "" _special.carrier.example.']}
    found, _ = await facts(records | AT_A | srv("_sip._udp", "a.example"), transport=AUTO)
    assert found == HostFacts((HERE,))


@pytest.mark.parametrize("transport", [UDP, AUTO])
async def test_servers_that_drop_questions_for_services_still_know_the_address(
    transport: Transport,
) -> None:
    async def plain_only(name: str, kind: str) -> list[str]:
        if kind == "SRV":
            raise dns.resolver.NoNameservers
        if kind == "NAPTR":
            await asyncio.Event().wait()
        return [HERE] if kind == "A" else []

    linter = Linter(SystemClock(), lab=False, dns_s=2.0, lookup=plain_only)
    assert await linter.judge(ProviderSettings(HOST, transport=transport)) == ()


async def test_the_proxy_is_looked_for_in_place_of_the_host() -> None:
    found, asked = await facts({"p.example A": [HERE]}, outbound_proxy="p.example")
    assert found == HostFacts((HERE,))
    assert not [one for one in asked if HOST in one]


@pytest.mark.parametrize("hostname", ["8.8.8.8:5060", "[2606:4700::1]", "localhost."])
async def test_addresses_and_this_machine_are_not_asked_for(hostname: str) -> None:
    zone = Zone({})
    linter = Linter(SystemClock(), lab=True, dns_s=1.0, lookup=zone)
    assert "host_unresolved" not in [
        one.code for one in await linter.judge(ProviderSettings(hostname))
    ]
    assert zone.asked == []


async def test_a_dns_that_fails_is_told_of_and_fails_nothing() -> None:
    async def failing(name: str, kind: str) -> list[str]:
        raise dns.resolver.NoNameservers

    linter = Linter(SystemClock(), lab=True, dns_s=1.0, lookup=failing)
    [warning] = await linter.judge(ProviderSettings(HOST))
    assert (warning.code, warning.field) == ("host_unresolved", "hostname")
    assert "did not say" in warning.message


@pytest.mark.parametrize(
    ("name", "searched"),
    [("pbx", True), ("_sip._udp.pbx", True), (HOST, False), (f"_sips._tcp.{HOST}", False)],
)
async def test_the_dns_is_asked_for_whole_names_alone_as_when_a_call_is_dialled(
    name: str, searched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    async def resolve(name: str, kind: str, *, search: bool) -> list[Any]:
        asked.append(search)
        return []

    monkeypatch.setattr("dns.asyncresolver.resolve", resolve)
    assert await look_up(name, "A") == []
    assert asked == [searched]
