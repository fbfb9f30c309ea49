"""Runs the linter's rules, after asking the DNS where a provider's host is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.resolver
import structlog

from route_manager.provider.domain import (
    HostFacts,
    ProviderSettings,
    ProviderWarning,
    lint,
    wants_dns,
)

Lookup = Callable[[str, str], Awaitable[list[str]]]
"""Asks the DNS for a name's records of a type; empty for none, DNSException for no answer."""

_SRV: Final = "_sip._udp."  # RFC 3263 section 4.1

log = structlog.get_logger()


async def look_up(name: str, kind: str) -> list[str]:
    """Ask the machine's configured DNS servers, as call_manager does when it dials."""
    try:
        answer = await dns.asyncresolver.resolve(name, kind, search=True)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    return [record.to_text() for record in answer]


class Linter:
    """Judges settings; never fails and never takes longer than `dns_s` seconds."""

    def __init__(self, *, lab: bool, dns_s: float, lookup: Lookup = look_up) -> None:
        self._lab = lab
        self._dns_s = dns_s
        self._lookup = lookup

    async def judge(self, settings: ProviderSettings) -> tuple[ProviderWarning, ...]:
        """Return what an administrator should look at."""
        host = wants_dns(settings)
        facts = None if host is None else await self._facts(host)
        return lint(settings, facts, lab=self._lab)

    async def _facts(self, host: str) -> HostFacts:
        try:
            async with asyncio.timeout(self._dns_s):
                found = await asyncio.gather(self._lookup(host, "A"), self._lookup(host, "AAAA"))
                addresses = tuple(address for records in found for address in records)
                if addresses:
                    return HostFacts(addresses)
                return HostFacts(has_srv=bool(await self._lookup(_SRV + host, "SRV")))
        except (TimeoutError, dns.exception.DNSException, OSError, UnicodeError) as error:
            log.info("the DNS did not answer the linter", error=type(error).__name__)
            return HostFacts(answered=False)
