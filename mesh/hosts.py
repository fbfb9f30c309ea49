"""Hosts with a port as people write them, `host[:port]`, and as they go on the wire.

A host name here is one of RFC 1123 section 2.1, perhaps with the final dot that RFC 3261 section
25.1 allows, or an internationalised one (RFC 5891), which goes on the wire as its A-labels. A name
is resolved, and what it resolves to is judged, when something is sent there; here only what is
written is judged.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

import idna

from mesh.addresses import Address, inner_address, is_public

HOST_NAME_MAX: Final = 253
"""The longest host name in characters (RFC 1035 section 2.3.4, without the final dot)."""

PORT_MAX: Final = 65535

_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
# inet_aton reads 127.1, 2130706433 and 0x7f.1 as addresses, so a last label that looks like a
# number makes the whole an address, never a name.
_NUMBER_LABEL: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LOCAL_NAME: Final = re.compile(r"(?:.+\.)?localhost", re.IGNORECASE)  # RFC 6761 section 6.3


def host_of(authority: str) -> str | None:
    """Return the host of `host[:port]` as it goes on the wire, None when it is malformed.

    It has no port, an IPv6 address no brackets, a name no final dot and only ASCII letters.
    """
    parts = _split(authority)
    return None if parts is None else parts[0]


def port_of(authority: str) -> int | None:
    """Return the port of `host[:port]`; None when it has none or is malformed."""
    parts = _split(authority)
    return int(parts[1]) if parts is not None and parts[1] else None


def on_the_wire(authority: str) -> str:
    """Return `host[:port]` as it goes on the wire; a malformed one is returned as it is."""
    parts = _split(authority)
    if parts is None:
        return authority
    host, port = parts
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{port}" if port else host


def answers_nobody(host: str) -> bool:
    """Tell whether a host of `host_of` is an address nobody answers at: multicast, unspecified."""
    address = _address(host)
    return address is not None and (address.is_multicast or address.is_unspecified)


def is_private(host: str) -> bool:
    """Tell whether a host of `host_of` is plainly not on the public Internet.

    That is an address that is loopback, private or otherwise not public, and `localhost`.
    """
    address = _address(host)
    if address is None:
        return _LOCAL_NAME.fullmatch(host) is not None
    return not is_public(address)


def _split(authority: str) -> tuple[str, str] | None:
    """Return host and port, which is empty where there is none; None when malformed."""
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or not _is_ipv6(host) or (rest and rest[0] != ":"):
            return None
        port = rest[1:]
        return (host, port) if rest == "" or _is_port(port) else None
    host, colon, port = authority.partition(":")
    if colon and not _is_port(port):
        return None
    if _is_ipv4(host):
        return host, port
    name = _ascii_name(host.removesuffix("."))
    return None if name is None or not _is_host_name(name) else (name, port)


def _ascii_name(name: str) -> str | None:
    """Return a name in ASCII letters, an internationalised one as its A-labels; None for neither.

    The mapping comes first (UTS 46): digits, dots and letters of other widths become plain ones,
    so that what they hide is judged, too.
    """
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and int(text) <= PORT_MAX


def _is_host_name(host: str) -> bool:
    labels = host.split(".")
    return (
        len(host) <= HOST_NAME_MAX
        and all(_LABEL.fullmatch(label) for label in labels)
        and not _NUMBER_LABEL.fullmatch(labels[-1])
    )


def _is_ipv4(host: str) -> bool:
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True


def _is_ipv6(host: str) -> bool:
    # A zone (`%eth0`) names an interface of one machine, and is no part of a SIP host.
    if "%" in host:
        return False
    try:
        IPv6Address(host)
    except AddressValueError:
        return False
    return True


def _address(host: str) -> Address | None:
    if ":" in host:
        return inner_address(IPv6Address(host))
    return IPv4Address(host) if _is_ipv4(host) else None


def comparable(host: str) -> str:
    """Return a host of `host_of` in the one form in which equal hosts are equal."""
    address = _address(host)
    return host.lower() if address is None else str(address)


def is_searched(name: str) -> bool:
    """Tell whether a name that is asked of the DNS may be completed by the machine's own domains.

    Only a host of one label is, whatever service (RFC 2782) is asked of it. Any other is whole as
    it stands: an unknown one must not meet a wildcard of the machine's own domain.
    """
    labels = name.split(".")
    host = [label for label in labels if not label.startswith("_")]
    return len(host) == 1
