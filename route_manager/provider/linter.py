"""Runs the linter's rules, after asking the DNS where a provider's requests go."""

from __future__ import annotations

import asyncio
from typing import Final

import dns.exception
import structlog

from mesh.clock import Clock
from route_manager.provider.domain import (
    Case,
    HostFacts,
    NextHop,
    ProviderSettings,
    ProviderWarning,
    lint,
    next_hop,
)
from route_manager.provider.whereabouts import Lookup, look_up, whereabouts

_LOCAL: Final = "localhost"  # RFC 6761 section 6.3

log = structlog.get_logger()


class Linter:
    """Judges settings; never fails and never takes longer than `dns_s` seconds."""

    def __init__(self, clock: Clock, *, lab: bool, dns_s: float, lookup: Lookup = look_up) -> None:
        self._clock = clock
        self._lab = lab
        self._dns_s = dns_s
        self._lookup = lookup

    async def judge(self, settings: ProviderSettings) -> tuple[ProviderWarning, ...]:
        """Return what an administrator should look at in acceptable settings."""
        hop = next_hop(settings)
        named = hop is not None and not hop.is_address and hop.host.lower() != _LOCAL
        facts = await self._facts(hop) if hop is not None and named else None
        return lint(Case(settings, facts, self._lab, self._clock.now()))

    async def _facts(self, hop: NextHop) -> HostFacts:
        try:
            async with asyncio.timeout(self._dns_s):
                return await whereabouts(hop, self._lookup, self._dns_s / 4)
        except (TimeoutError, dns.exception.DNSException, OSError, UnicodeError) as error:
            log.info("the DNS did not answer the linter", error=type(error).__name__)
            return HostFacts(answered=False)
