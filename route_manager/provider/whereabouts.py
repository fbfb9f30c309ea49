"""Asks the DNS where a provider's requests go (RFC 3263 section 4), for the linter.

call_manager asks the same when it dials. Services share no code of their own; a test holds both to
the same addresses, whatever a domain's records are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.IN.NAPTR
import dns.rdtypes.IN.SRV
import dns.resolver

from mesh.hosts import is_searched
from route_manager.provider.domain import HostFacts, NextHop, Transport

Lookup = Callable[[str, str], Awaitable[list[str]]]
"""Asks the DNS for a name's records of a type, as in a zone file; empty for none, DNSException
for no answer."""

TARGETS_MAX: Final = 8
"""The most hosts of SRV records whose addresses are asked for."""

OFFERS_MAX: Final = 3
"""The most NAPTR records that are followed."""

_SERVICES: Final[Mapping[Transport, Sequence[str]]] = {
    Transport.UDP: ("_sip._udp.",),
    Transport.TCP: ("_sip._tcp.",),
    Transport.TLS: ("_sips._tcp.",),
    Transport.AUTO: ("_sip._udp.", "_sip._tcp.", "_sips._tcp."),
}
"""What stands before a domain in the names of its SRV records (RFC 3263 section 4.2)."""

_NAPTR_SERVICES: Final = frozenset({"SIP+D2U", "SIP+D2T", "SIPS+D2T"})
"""The transports that this platform speaks (RFC 3263 section 4.1)."""


async def look_up(name: str, kind: str) -> list[str]:
    """Ask the machine's configured DNS servers, as call_manager does when it dials."""
    try:
        answer = await dns.asyncresolver.resolve(name, kind, search=is_searched(name))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    return [record.to_text() for record in answer]


async def whereabouts(hop: NextHop, lookup: Lookup, service_s: float = 1.0) -> HostFacts:
    """Return where requests to a name go now; raises DNSException where the DNS fails.

    With a stated port only addresses of the name itself count; without one, SRV records come
    first, and NAPTR records before them where the DNS chooses the transport. Servers that do not
    answer such questions within `service_s` seconds count as having no such records.
    """
    asked = _Asked(lookup, service_s)
    names = [beginning + hop.host for beginning in _SERVICES[hop.transport]]
    if hop.port is not None:
        own = await _addresses(hop.host, lookup)
        services = [] if own else await _services(names, asked)
        return HostFacts(own, srv_unheeded=any(one and one.addresses for one in services))
    chosen = await _chosen(hop, asked) if hop.transport is Transport.AUTO else ()
    offered = [one for one in await _services(chosen, asked) if one is not None]
    if not offered:
        first, *others = await _services(names, asked)
        # What a domain refuses to offer is not asked of its host instead.
        offered = [one for one in (first, *others) if one and (one is first or one.addresses)]
    if not offered:
        return HostFacts(await _addresses(hop.host, lookup))
    return next((one for one in offered if one.addresses), offered[0])


@dataclass(frozen=True, slots=True)
class _Asked:
    """Asks for records that a domain need not have."""

    lookup: Lookup
    patience_s: float

    async def __call__(self, name: str, kind: str) -> list[str]:
        try:
            async with asyncio.timeout(self.patience_s):
                return await self.lookup(name, kind)
        except (TimeoutError, dns.exception.DNSException):
            return []


async def _addresses(host: str, lookup: Lookup) -> tuple[str, ...]:
    found = await asyncio.gather(lookup(host, "A"), lookup(host, "AAAA"))
    return tuple(address for records in found for address in records)


async def _services(names: Sequence[str], asked: _Asked) -> list[HostFacts | None]:
    return list(await asyncio.gather(*(_service(name, asked) for name in names)))


async def _service(name: str, asked: _Asked) -> HostFacts | None:
    """Return where a service's SRV records lead; None without any."""
    records = [_record("SRV", text) for text in await asked(name, "SRV")]
    services = [one for one in records if isinstance(one, dns.rdtypes.IN.SRV.SRV)]
    services.sort(key=lambda service: service.priority)
    hosts = [service.target.to_text(omit_final_dot=True) for service in services]
    if not hosts:
        return None
    if hosts == ["."]:
        return HostFacts(not_offered=True)
    # One that cannot be found leaves the others.
    each = await asyncio.gather(
        *(_addresses(host, asked.lookup) for host in list(dict.fromkeys(hosts))[:TARGETS_MAX]),
        return_exceptions=True,
    )
    failures = [one for one in each if isinstance(one, BaseException)]
    found = [one for one in each if not isinstance(one, BaseException)]
    if failures and not found:
        raise failures[0]
    return HostFacts(tuple(dict.fromkeys(address for one in found for address in one)))


async def _chosen(hop: NextHop, asked: _Asked) -> Sequence[str]:
    """Return the names of SRV records that the domain's NAPTR records lead to, in its order."""
    records = [_record("NAPTR", text) for text in await asked(hop.host, "NAPTR")]
    offers = [
        record
        for record in records
        if isinstance(record, dns.rdtypes.IN.NAPTR.NAPTR)
        and record.flags.lower() == b"s"
        and record.service.decode("ascii", "replace").upper() in _NAPTR_SERVICES
    ]
    offers.sort(key=lambda offer: (offer.order, offer.preference))
    return [offer.replacement.to_text(omit_final_dot=True) for offer in offers[:OFFERS_MAX]]


def _record(kind: str, text: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text)
