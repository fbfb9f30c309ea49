"""Which IP addresses are somebody's on the public Internet, however they are written.

For whatever is told by a user or a peer where to send: nothing of ours may be reached that way.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address

# The one range that IANA hands out of (RFC 4291 section 2.4); all else has a special meaning.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_DOCUMENTATION: Final = IPv6Network("3fff::/20")  # RFC 9637, younger than Python's own table
# Python knows a part of it as not global; a cloud keeps its machines' secrets in the rest.
_PROTOCOL_ASSIGNMENTS: Final = IPv4Network("192.0.0.0/24")  # RFC 6890 section 2.1
# Notations that carry an IPv4 address in their last 32 bits: NAT64 (RFC 6052 section 2.1),
# IPv4-compatible (RFC 4291 section 2.5.5.1) and IPv4-translated (RFC 2765 section 2.1).
_CARRIERS: Final = tuple(IPv6Network(net) for net in ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96"))
_OWN_MEANING: Final = 2  # `::` and `::1` are no IPv4 addresses (RFC 4291 section 2.5.5.1).


def inner_address(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 notation hides, or the address itself."""
    if isinstance(address, IPv4Address) or int(address) < _OWN_MEANING:
        return address
    if any(address in network for network in _CARRIERS):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: Address) -> bool:
    """Tell whether an address is public unicast, the IPv4 address in it included.

    Loopback, private, link-local, shared (RFC 6598), tunnelled (Teredo, RFC 4380), reserved and
    documentation addresses are not, nor is one with a zone, which names one machine's interface.
    """
    inner = inner_address(address)
    if inner.is_multicast or not inner.is_global:
        return False
    if isinstance(inner, IPv4Address):
        return inner not in _PROTOCOL_ASSIGNMENTS
    return inner in _GLOBAL_UNICAST and inner not in _DOCUMENTATION and inner.scope_id is None


def may_be_reached(address: Address, *, private: bool) -> bool:
    """Tell whether traffic may go to an address: public unicast, or with `private` any unicast."""
    inner = inner_address(address)
    if inner.is_multicast or inner.is_unspecified:
        return False
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    return private or is_public(address)


def write_address(address: tuple[str, int]) -> str:
    """Write an IP address and a port as `host:port`, IPv6 in brackets (RFC 3986 section 3.2.2)."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
