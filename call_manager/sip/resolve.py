"""From a carrier's host name to addresses we may send to (RFC 3263's A and AAAA step)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.resolver

from mesh.addresses import inner_address, is_public

RESOLVE_S: Final = 5.0
ADDRESSES_MAX: Final = 16

Lookup = Callable[[str, str], Awaitable[list[str]]]
"""Asks the DNS for a name's records of type A or AAAA; raises `ResolveError`."""


class ResolveError(Exception):
    """A host has no address we may use; the text is one sentence for the record."""


async def look_up(name: str, kind: str) -> list[str]:
    """Ask the machine's configured DNS servers, without a thread and within 5 s."""
    try:
        answer = await dns.asyncresolver.resolve(name, kind, search=True, lifetime=RESOLVE_S)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError, UnicodeError) as error:
        raise ResolveError(f"The name {name} could not be resolved.") from error
    return [record.to_text() for record in answer]


class Resolver:
    """Resolves hosts for one address family, refusing addresses no carrier has."""

    def __init__(self, *, ipv6: bool, allow_private: bool, lookup: Lookup = look_up) -> None:
        self._ipv6 = ipv6
        self._allow_private = allow_private
        self._lookup = lookup

    def allows(self, address: str) -> bool:
        """Tell whether traffic may go to an IP address: public unicast, or any in the lab."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        inner = inner_address(ip)
        if inner.is_multicast or inner.is_unspecified or "%" in address:
            return False
        return self._allow_private or is_public(ip)

    async def addresses(self, host: str) -> list[str]:
        """Return every usable address of a host, in the DNS's order; never empty.

        Raises `ResolveError` when there is none within 5 s, or only forbidden ones.
        """
        found = await self._find(host)
        family = [a for a in found if (":" in a) == self._ipv6]
        if not family:
            kind = "IPv6" if self._ipv6 else "IPv4"
            raise ResolveError(f"The host {host} has no {kind} address.")
        usable = [address for address in family if self.allows(address)]
        if not usable:
            raise ResolveError(
                f"The host {host} has only private or reserved addresses, which are refused."
            )
        return usable[:ADDRESSES_MAX]

    async def _find(self, host: str) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass  # A name, then.
        if host.rstrip(".").lower() == "localhost":  # RFC 6761 section 6.3
            return ["::1" if self._ipv6 else "127.0.0.1"]
        try:
            async with asyncio.timeout(RESOLVE_S):
                return await self._lookup(host, "AAAA" if self._ipv6 else "A")
        except TimeoutError as error:
            raise ResolveError(f"The name {host} was not resolved within 5 s.") from error
