"""Asks the DNS where a provider's requests go (RFC 3263 section 4), for the linter.

call_manager asks the same when it dials, and services share no code of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
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

from route_manager.provider.domain import HostFacts, NextHop, Transport

Lookup = Callable[[str, str], Awaitable[list[str]]]
"""Asks the DNS for a name's records of a type, as in a zone file; empty for none, DNSException
for no answer."""

TARGETS_MAX: Final = 8
"""The most hosts of SRV records whose addresses are asked for."""

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
        answer = await dns.asyncresolver.resolve(name, kind, search=True)
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
    if hop.port is not None:
        own = await _addresses(hop.host, lookup)
        unheeded = not own and bool((await _services(_names(hop), asked)).hosts)
        return HostFacts(own, srv_unheeded=unheeded)
    services = _Services(any=False, hosts=())
    if hop.transport is Transport.AUTO:
        services = await _services(await _chosen(hop, asked), asked)
    if not services.any:
        services = await _services(_names(hop), asked)
    if not services.any:
        return HostFacts(await _addresses(hop.host, lookup))
    each = await asyncio.gather(*(_addresses(host, lookup) for host in services.hosts))
    addresses = tuple(dict.fromkeys(address for one in each for address in one))
    return HostFacts(addresses, not_offered=not services.hosts)


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


@dataclass(frozen=True, slots=True)
class _Services:
    """What SRV records say."""

    any: bool
    """Whether there are some."""
    hosts: tuple[str, ...]
    """Where they lead; nowhere when the only target is `.`."""


def _names(hop: NextHop) -> Collection[str]:
    return [beginning + hop.host for beginning in _SERVICES[hop.transport]]


async def _addresses(host: str, lookup: Lookup) -> tuple[str, ...]:
    found = await asyncio.gather(lookup(host, "A"), lookup(host, "AAAA"))
    return tuple(address for records in found for address in records)


async def _services(names: Collection[str], asked: _Asked) -> _Services:
    found = await asyncio.gather(*(asked(name, "SRV") for name in names))
    records = [_record("SRV", text) for texts in found for text in texts]
    services = [one for one in records if isinstance(one, dns.rdtypes.IN.SRV.SRV)]
    services.sort(key=lambda service: service.priority)
    targets = [service.target.to_text(omit_final_dot=True) for service in services]
    hosts = [target for target in dict.fromkeys(targets) if target not in ("", ".")]
    return _Services(bool(services), tuple(hosts[:TARGETS_MAX]))


async def _chosen(hop: NextHop, asked: _Asked) -> Collection[str]:
    """Return the names of SRV records that the domain's NAPTR records lead to, if any."""
    records = [_record("NAPTR", text) for text in await asked(hop.host, "NAPTR")]
    return [
        record.replacement.to_text(omit_final_dot=True)
        for record in records
        if isinstance(record, dns.rdtypes.IN.NAPTR.NAPTR)
        and record.flags.lower() == b"s"
        and record.service.decode("ascii", "replace").upper() in _NAPTR_SERVICES
    ]


def _record(kind: str, text: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text)
