"""The DNS as the channel asks it: answers whole, remembered for as long as they may be."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.resolver

from call_manager.channel import DnsRecord
from mesh.hosts import is_searched

QUERY_S: Final = 5.0
NAMES_MAX: Final = 1024
"""Answers remembered at once; the oldest makes room."""
TTL_MAX_S: Final = 3600.0
NEGATIVE_S: Final = 10.0
"""How long a missing name stays missing: somebody may be setting a carrier up."""
SERVICE_KINDS: Final = frozenset({"NAPTR", "SRV"})
"""What a domain need not have: when nobody says, it counts as missing for as long."""
_FINAL_DOT: Final = re.compile(r"(?<=[^ ])\.\Z")
RECORDS_MAX: Final = 64
"""Records kept of one answer."""

Records = tuple[DnsRecord, ...]
Lookup = Callable[[str, str], Awaitable[Records]]
"""Asks for a name's records of a type; the aliases that led to them come first.

Empty when there are none; raises `ResolveError` when nobody says.
"""


class ResolveError(Exception):
    """A host has no address we may use; the text is one sentence for the record."""


class DnsClient:
    """Asks the machine's DNS servers; a `Lookup` with a memory.

    Questions that are asked at the same time are asked once.
    """

    def __init__(
        self,
        resolver: dns.asyncresolver.Resolver | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._now = now
        self._known: dict[tuple[str, str], tuple[float, Records]] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[Records]] = {}

    async def __call__(self, name: str, kind: str) -> Records:
        """Return the records from memory, or ask; raises `ResolveError`."""
        key = (name.lower(), kind)
        until, records = self._known.get(key, (0.0, ()))
        if self._now() < until:
            return records
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(*key))
            task.add_done_callback(lambda done: self._asked(key, done))
        # Who stops waiting does not stop the others.
        return await asyncio.shield(task)

    def _asked(self, key: tuple[str, str], task: asyncio.Task[Records]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # A failure that nobody waits for any more is nobody's to hear of.

    async def _ask(self, name: str, kind: str) -> Records:
        try:
            resolver = self._resolver or dns.asyncresolver.get_default_resolver()
            answer = await resolver.resolve(
                name, kind, search=is_searched(name), lifetime=QUERY_S, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN:
            return self._remember(name, kind, NEGATIVE_S, ())
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            if kind in SERVICE_KINDS:
                # Some servers never answer such questions; not every call is to wait for that.
                return self._remember(name, kind, NEGATIVE_S, ())
            raise ResolveError(f"The name {name} could not be resolved.") from error
        records = _records(answer)
        if answer.rrset is None:
            return self._remember(name, kind, NEGATIVE_S, ())
        ttl_s = min((record.ttl_s for record in records), default=0)
        return self._remember(name, kind, min(ttl_s, TTL_MAX_S), records)

    def _remember(self, name: str, kind: str, for_s: float, records: Records) -> Records:
        self._known.pop((name, kind), None)
        if for_s > 0:
            while len(self._known) >= NAMES_MAX:
                del self._known[next(iter(self._known))]
            self._known[name, kind] = (self._now() + for_s, records)
        return records


def _records(answer: dns.resolver.Answer) -> Records:
    found = [
        DnsRecord(
            rrset.name.to_text(omit_final_dot=True),
            dns.rdatatype.to_text(rrset.rdtype),
            rrset.ttl,
            _FINAL_DOT.sub("", record.to_text()),
        )
        for rrset in answer.response.answer
        for record in rrset
    ]
    return tuple(found[:RECORDS_MAX])
