"""Where a request comes from: the socket's address, or what a trusted proxy says of it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

HOPS_MAX: Final = 32
"""How many addresses of a forwarding header are looked at, from its end."""

FORWARDED: Final = "forwarded"
"""The standard header (RFC 7239)."""

_FOR: Final = re.compile(r'(?:^|;)\s*for=(?:"([^"]*)"|([^;,\s]*))', re.IGNORECASE)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks, comma-separated; raises ValueError for anything else."""
    return tuple(
        ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()
    )


class Origins:
    """Finds out who the client is; only proxies in `trusted` are believed."""

    def __init__(self, trusted: Sequence[Network] = (), header: str = "x-forwarded-for") -> None:
        self._trusted = tuple(trusted)
        self._header = header

    def client(self, peer: str, headers: Mapping[str, str]) -> str:
        """Return the client's address; `peer` is the socket's.

        Read from the end, where our own proxies wrote: the first address that is none of theirs
        is the client's. What cannot be read ends the search at the last proxy that could.
        """
        if not self._trusted or not self._is_trusted(peer):
            return peer
        client = peer
        for hop in self._hops(headers.get(self._header, "")):
            if not _readable(hop):
                return client
            client = hop
            if not self._is_trusted(hop):
                return client
        return client

    def _hops(self, value: str) -> Iterable[str]:
        parts = value.split(",")[-HOPS_MAX:]
        for part in reversed(parts):
            if self._header == FORWARDED:
                named = _FOR.search(part)
                yield _bare((named[1] or named[2] or "") if named else "")
            else:
                yield _bare(part.strip())

    def _is_trusted(self, address: str) -> bool:
        if not _readable(address):
            return False
        found = ipaddress.ip_address(address)
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            # What a socket for both kinds of addresses says of an IPv4 peer.
            found = found.ipv4_mapped
        return any(found in network for network in self._trusted)


def _readable(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _bare(text: str) -> str:
    """Return the address of `192.0.2.1:80`, `[2001:db8::1]:80`, or either without a port."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text
