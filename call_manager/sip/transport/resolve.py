"""From a carrier's host name to the places we may send to (RFC 3263 sections 4.1 to 4.3)."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from call_manager.channel import DnsRecord, NextHop, Transport
from call_manager.sip.effects import Destination
from call_manager.sip.message import SIP_PORT
from call_manager.sip.transport.lookup import Lookup, Records, ResolveError
from mesh.addresses import Address, may_be_reached

RESOLVE_S: Final = 5.0
"""The whole search, however many names it leads through."""
SERVICE_S: Final = 2.0
"""What NAPTR and SRV may take; servers that drop such questions still know the address."""
DESTINATIONS_MAX: Final = 16
TARGETS_MAX: Final = 8
TLS_PORT: Final = 5061

_SERVICES: Final = {
    Transport.UDP: "_sip._udp",
    Transport.TCP: "_sip._tcp",
    Transport.TLS: "_sips._tcp",
}
_NAPTR_SERVICES: Final = {
    "SIP+D2U": Transport.UDP,
    "SIP+D2T": Transport.TCP,
    "SIPS+D2T": Transport.TLS,
}
_NAPTR: Final = re.compile(r'(\d{1,5}) (\d{1,5}) "([^"]*)" "([^"]*)" "" (\S+)\Z')
_SRV: Final = re.compile(r"(\d{1,5}) (\d{1,5}) (\d{1,5}) (\S+)\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """One address a search ended at, and the records that led there."""

    address: str
    port: int
    transport: Transport
    dns: Records = ()


@dataclass(frozen=True, slots=True)
class Service:
    """One SRV record (RFC 2782)."""

    record: DnsRecord
    priority: int
    weight: int
    port: int
    target: str


class Resolver:
    """Finds carriers for one address family, refusing addresses no carrier has."""

    def __init__(self, *, ipv6: bool, allow_private: bool, lookup: Lookup) -> None:
        self._ipv6 = ipv6
        self._allow_private = allow_private
        self._lookup = lookup

    def allows(self, address: str) -> bool:
        """Tell whether traffic may go to an IP address: public unicast, or any in the lab."""
        ip = _ip(address)
        return ip is not None and may_be_reached(ip, private=self._allow_private)

    async def locate(self, hop: NextHop) -> list[Destination]:
        """Return every usable place of a carrier, the one to try first first; never empty.

        Raises `ResolveError` when there is none within 5 s, or only forbidden ones.
        """
        host = hop.host.rstrip(".")
        found = self._stated(host, hop)
        if not found:
            try:
                async with asyncio.timeout(RESOLVE_S):
                    found = await self._find(host, hop)
            except TimeoutError as error:
                raise ResolveError(f"The name {host} was not resolved within 5 s.") from error
        family = [place for place in found if (":" in place.address) == self._ipv6]
        if not family:
            kind = "IPv6" if self._ipv6 else "IPv4"
            raise ResolveError(f"The host {host} has no {kind} address.")
        usable = [place for place in family if self.allows(place.address)]
        if not usable:
            raise ResolveError(
                f"The host {host} has only private or reserved addresses, which are refused."
            )
        return [_destination(place, hop, host) for place in usable[:DESTINATIONS_MAX]]

    def _stated(self, host: str, hop: NextHop) -> list[Place]:
        """Return the place that an IP address already is; none for a name."""
        literal, fixed = self._literal(host), _fixed(hop)
        return [Place(literal, hop.port or default_port(fixed), fixed)] if literal else []

    async def _find(self, host: str, hop: NextHop) -> list[Place]:
        """Choose transport, port and addresses (RFC 3263 sections 4.1 and 4.2)."""
        fixed = _fixed(hop)
        port = hop.port or default_port(fixed)
        if hop.port is not None:
            return await self._addresses(host, port, fixed)
        if hop.transport is Transport.AUTO:
            return await self._by_naptr(host) or await self._by_service(host, *_SERVICES)
        return await self._by_service(host, fixed)

    async def _by_naptr(self, host: str) -> list[Place]:
        """Follow the domain's own order of transports; empty when it states none."""
        offers: list[tuple[int, int, Transport, str, DnsRecord]] = []
        for record in await self._ask_service(host, "NAPTR"):
            found = _NAPTR.match(record.value) if record.kind == "NAPTR" else None
            transport = _NAPTR_SERVICES.get(found[4].upper()) if found else None
            if found and transport and found[3].lower() == "s":
                offers.append((int(found[1]), int(found[2]), transport, found[5], record))
        refusal: ResolveError | None = None
        for _, _, transport, name, record in sorted(offers, key=lambda offer: offer[:2])[:3]:
            try:
                places = await self._by_srv(name, transport)
            except ResolveError as error:
                refusal = refusal or error
                continue  # The domain has another transport, perhaps.
            if places:
                return [
                    Place(place.address, place.port, transport, (record, *place.dns))
                    for place in places
                ]
        if refusal is not None:
            raise refusal
        return []

    async def _by_service(self, host: str, *transports: Transport) -> list[Place]:
        """Ask for SRV of each transport and for the host itself, all at once.

        Most carriers have no SRV records: asking one after the other would delay every call.
        """
        *services, plain = await asyncio.gather(
            *(self._by_srv(f"{_SERVICES[t]}.{host}", t) for t in transports),
            self._addresses(host, default_port(transports[0]), transports[0]),
            return_exceptions=True,
        )
        for found in services:
            if not isinstance(found, BaseException) and found:
                return found
        # What a domain refuses to offer is not asked of its host instead. That it refuses the
        # other transports says nothing about the first one.
        for place, found in enumerate((*services, plain)):
            beside = 0 < place < len(services) and isinstance(found, ResolveError)
            if isinstance(found, BaseException) and not beside:
                raise found
        return plain if isinstance(plain, list) else []

    async def _by_srv(self, name: str, transport: Transport) -> list[Place]:
        """Return the addresses behind a service; empty when the DNS has no such service.

        Raises `ResolveError` when the domain says that it is not offered (RFC 2782).
        """
        services = in_order(_services(await self._ask_service(name, "SRV")))
        if [service.target for service in services] == ["."]:
            raise ResolveError(f"The DNS says that {name} is not offered.")
        answers = await asyncio.gather(
            *(self._addresses(s.target, s.port, transport) for s in services[:TARGETS_MAX]),
            return_exceptions=True,
        )
        places: list[Place] = []
        for service, found in zip(services, answers, strict=False):
            if isinstance(found, ResolveError):
                continue  # The others may do.
            if isinstance(found, BaseException):
                raise found
            places += [
                Place(place.address, place.port, transport, (service.record, *place.dns))
                for place in found
            ]
        if services and not places:
            raise ResolveError(f"No host of the service {name} could be resolved.")
        return places

    async def _ask_service(self, name: str, kind: str) -> Records:
        """Ask for what a domain need not have; a server that does not say has none."""
        try:
            async with asyncio.timeout(SERVICE_S):
                return await self._lookup(name, kind)
        except (ResolveError, TimeoutError):
            return ()

    async def _addresses(self, host: str, port: int, transport: Transport) -> list[Place]:
        """Return a host's addresses in the DNS's order, each with the aliases that led to it."""
        if literal := self._literal(host):
            return [Place(literal, port, transport)]
        kind = "AAAA" if self._ipv6 else "A"
        records = await self._lookup(host, kind)
        aliases = tuple(record for record in records if record.kind == "CNAME")
        return [
            Place(record.value, port, transport, (*aliases, record))
            for record in records
            if record.kind == kind
        ]

    def _literal(self, host: str) -> str:
        """Return the IP address a host already is; empty for a name."""
        if host.lower() == "localhost":  # RFC 6761 section 6.3
            return "::1" if self._ipv6 else "127.0.0.1"
        ip = _ip(host)
        return "" if ip is None else str(ip)


@lru_cache(maxsize=1024)
def _ip(text: str) -> Address | None:
    """Read an IP address; None for what is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _fixed(hop: NextHop) -> Transport:
    """Return the transport where no record is asked for one."""
    return Transport.UDP if hop.transport is Transport.AUTO else hop.transport


def default_port(transport: Transport) -> int:
    """Return the port of a transport where none is stated (RFC 3261 section 19.1.2)."""
    return TLS_PORT if transport is Transport.TLS else SIP_PORT


def in_order(services: Iterable[Service]) -> list[Service]:
    """Order SRV records: by priority, and at random by weight within one (RFC 2782)."""
    waiting = sorted(services, key=lambda service: (service.priority, service.weight))
    chosen: list[Service] = []
    while waiting:
        first = [s for s in waiting if s.priority == waiting[0].priority]
        mark = random.randint(0, sum(s.weight for s in first))  # noqa: S311 - shares, no secret
        for service in first:
            mark -= service.weight
            if mark <= 0:
                break
        waiting.remove(service)
        chosen.append(service)
    return chosen


def _services(records: Records) -> Iterable[Service]:
    for record in records:
        found = _SRV.match(record.value) if record.kind == "SRV" else None
        if found and (int(found[3]) or found[4] == "."):
            yield Service(record, int(found[1]), int(found[2]), int(found[3]), found[4])


def _destination(place: Place, hop: NextHop, host: str) -> Destination:
    tls = place.transport is Transport.TLS
    return Destination(
        address=(place.address, place.port),
        transport=place.transport,
        # The name that was asked for, not the one the DNS gave: it proves nothing (RFC 5922 5).
        tls_host=host if tls else "",
        tls_ca=hop.tls_ca if tls else "",
        dns=place.dns,
        tcp_when_large=place.transport is Transport.UDP,
    )
