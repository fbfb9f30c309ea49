"""SIP addresses as people write them, `user@host[:port]`, and the URIs they become (pure).

Only user, host and port are taken over. A password, parameters and headers (RFC 3261 section
19.1.1) would let whoever writes the address write the request, so an address with any is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from call_manager.call.domain import Address, AddressType
from mesh.hosts import host_of, on_the_wire

# What a user part may hold as it is (RFC 3261 section 25.1: unreserved, user-unreserved and
# escapes), and `#`, which the grammar wants escaped but carriers' prefixes mean literally: every
# stack we measured sends it as it is, and a carrier that gets `%23` does not know the prefix.
_ESCAPED_IN_USER: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9_.!~*'()&=+$,;?/#%-]")
# The same without what begins parameters or headers in the eyes of some readers.
_USER: Final = re.compile(r"(?:[A-Za-z0-9_.!~*'()&=+$,/#-]|%[0-9A-Fa-f]{2}){1,64}")
_SCHEME: Final = re.compile(r"sip:", re.IGNORECASE)
# What people put between digits, and a carrier drops (RFC 3966 section 5.1.1, visual-separator),
# and whatever else makes no name of digits.
_SEPARATORS: Final = re.compile(r"[^0-9A-Za-z+*#\x80-\U0010ffff]")
# What begins parameters, a password or a host for a reader who unescapes first, or ends the text.
_REST: Final = re.compile(r"[;:?@\0].*", re.DOTALL)
# What can be dialled: so many digits are a subscriber's number, fewer an extension's.
# A `+` may come late: what stands before it is what a carrier's customers dial first.
_DIALLED: Final = re.compile(r"[+*#]*(?:[0-9][+*#]*){7,}")


class Undialable(ValueError):
    """An address or configuration cannot be put on the wire; the text says why in one sentence."""


@dataclass(frozen=True, slots=True)
class SipAddress:
    """A SIP address that can be put on the wire as it is."""

    user: str
    authority: str
    """`host[:port]` in ASCII, an IPv6 address in brackets."""
    host: str
    """The same without port and brackets."""

    @classmethod
    def parse(cls, target: str) -> SipAddress:
        """Read `user@host[:port]`, with or without `sip:`. Raises Undialable."""
        scheme = _SCHEME.match(target)
        user, at, authority = (target[scheme.end() :] if scheme else target).partition("@")
        host = host_of(authority)
        if not at or host is None or not _USER.fullmatch(user):
            raise Undialable("A SIP address is user@host or user@host:port.")
        return cls(user, on_the_wire(authority), host)

    @property
    def number(self) -> str | None:
        """Return the telephone number that a carrier at the host would read, or None for a name.

        Whether there is such a number is not judged.
        """
        return self.dialled if _DIALLED.fullmatch(self.dialled) else None

    @property
    def dialled(self) -> str:
        """Return the user as a carrier at the host reads it: without separators and escapes."""
        return _SEPARATORS.sub("", _REST.sub("", unquote(self.user, errors="replace")))

    @property
    def uri(self) -> str:
        """Return the SIP URI (RFC 3261 section 19.1)."""
        return f"sip:{self.user}@{self.authority}"


def escape_user(text: str) -> str:
    """Escape what the user part of a SIP URI may not hold as it is (RFC 3261 section 19.1.2)."""
    return _ESCAPED_IN_USER.sub(
        lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8")), text
    )


def number_in(destination: Address) -> str | None:
    """Return the telephone number that may ring, or None.

    A SIP address can hold one, and its host can be a carrier that trusts and bills us: who may not
    call a number may not write it as an address either.
    """
    if destination.type is AddressType.TEL:
        return destination.target
    try:
        return SipAddress.parse(destination.target).number
    except Undialable:
        return None
