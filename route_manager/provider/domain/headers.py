"""Which further headers a provider's INVITEs may carry.

A reserved header is one that the platform itself writes, that steers the transaction or the
dialog, or that says who is calling: a second one from the configuration would contradict it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from route_manager.errors import InvalidTechHeaders

HEADERS_MAX: Final = 32
NAME_MAX: Final = 64
"""In characters."""
VALUE_MAX: Final = 1024
"""In characters."""
TOTAL_MAX: Final = 4096
"""All names and values together, in octets of UTF-8: a UDP datagram has to hold them."""

RESERVED: Final[Mapping[str, str]] = {
    # Where the message goes and which transaction and dialog it belongs to (RFC 3261).
    "via": "routing",
    "route": "routing",
    "record-route": "routing",
    "path": "routing",
    "service-route": "routing",
    "max-forwards": "routing",
    "from": "the dialog",
    "to": "the dialog",
    "call-id": "the dialog",
    "cseq": "the dialog",
    "contact": "the dialog",
    "replaces": "the dialog",
    "join": "the dialog",
    "rack": "the dialog",
    "rseq": "the dialog",
    "refer-to": "the dialog",
    "referred-by": "the dialog",
    # What the platform can do and offers, and for how long.
    "allow": "negotiation",
    "allow-events": "negotiation",
    "accept": "negotiation",
    "accept-encoding": "negotiation",
    "accept-language": "negotiation",
    "supported": "negotiation",
    "unsupported": "negotiation",
    "require": "negotiation",
    "event": "negotiation",
    "expires": "negotiation",
    "min-expires": "negotiation",
    "session-expires": "negotiation",
    "min-se": "negotiation",
    "timestamp": "negotiation",
    "user-agent": "negotiation",
    # What frames the body.
    "mime-version": "the body",
    # Credentials, which have fields of their own.
    "authorization": "authentication",
    "www-authenticate": "authentication",
    "authentication-info": "authentication",
    # Who is calling and whether that is shown (RFC 3323, 3325, 5806, 7044, 8224).
    "p-asserted-identity": "the caller's identity",
    "p-preferred-identity": "the caller's identity",
    "remote-party-id": "the caller's identity",
    "identity": "the caller's identity",
    "identity-info": "the caller's identity",
    "privacy": "the caller's identity",
    "diversion": "the caller's identity",
    "history-info": "the caller's identity",
}
"""Names in lower case that only the platform may write, and what each is for."""

RESERVED_FAMILIES: Final[Mapping[str, str]] = {
    "content-": "the body",
    "proxy-": "authentication",
    "vb-": "the platform's own use",
    "vbout-": "the platform's own use",
}
"""Beginnings of names, in lower case, that only the platform may write."""

# RFC 3261 section 25.1, `token`.
_TOKEN: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_LETTERS: Final = re.compile(r"[^a-z0-9]")
# Control characters, and what some parsers take for the end of a line: U+0085 is a control
# character, U+2028 and U+2029 are Zl and Zp.
_BROKEN_CATEGORIES: Final = frozenset({"Cc", "Zl", "Zp"})


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise InvalidTechHeaders unless every header may stand in an INVITE.

    At most 32, names of up to 64 characters, values of up to 1024, 4096 octets in all. A name is
    a token (RFC 3261 section 25.1) and not reserved, in any case; two names that differ only by
    case are one header twice. A value has no control characters.
    """
    if len(headers) > HEADERS_MAX:
        raise _refused(f"There are more than {HEADERS_MAX} headers.")
    seen: set[str] = set()
    for name, value in headers.items():
        _check_name(name)
        if name.lower() in seen:
            raise _refused(f"The header {name} is there twice, in different case.", name)
        seen.add(name.lower())
        _check_value(name, value)
    total = sum(len(f"{name}{value}".encode()) for name, value in headers.items())
    if total > TOTAL_MAX:
        raise _refused(f"The headers take {total} octets; {TOTAL_MAX} is the limit.")


def reserved_for(name: str) -> str | None:
    """Return what the header is reserved for, or None when it is free."""
    lower = name.lower()
    if lower in RESERVED:
        return RESERVED[lower]
    for beginning, purpose in RESERVED_FAMILIES.items():
        if lower.startswith(beginning):
            return purpose
    # Every compact form is one letter (RFC 3261 section 7.3.3), and IANA hands out more.
    return "compact forms" if len(lower) == 1 else None


def is_header_name(name: str) -> bool:
    """Tell whether the text is a token of up to 64 characters (RFC 3261 section 25.1)."""
    return len(name) <= NAME_MAX and _TOKEN.fullmatch(name) is not None


def looks_reserved(name: str) -> str | None:
    """Return the reserved header that this free one differs from by its punctuation only."""
    bare = _LETTERS.sub("", name.lower())
    return next((one for one in RESERVED if _LETTERS.sub("", one) == bare), None)


def has_broken_characters(text: str) -> bool:
    """Tell whether the text holds a control character or a line or paragraph separator."""
    return any(unicodedata.category(character) in _BROKEN_CATEGORIES for character in text)


def _check_name(name: str) -> None:
    # A name that is no token is never repeated to the reader: it may hold a line break.
    if not is_header_name(name):
        raise _refused(f"A header's name is no token of up to {NAME_MAX} characters (RFC 3261).")
    purpose = reserved_for(name)
    if purpose is not None:
        raise _refused(f"The header {name} is reserved for {purpose}.", name)


def _check_value(name: str, value: str) -> None:
    if len(value) > VALUE_MAX:
        raise _refused(f"The value of {name} is longer than {VALUE_MAX} characters.", name)
    if has_broken_characters(value):
        raise _refused(f"The value of {name} holds a control character.", name)
    # A receiver drops them (RFC 3261 section 7.3.1), so what is stored would not be what is sent.
    if value != value.strip(" "):
        raise _refused(f"The value of {name} begins or ends with a space.", name)


def _refused(message: str, header: str = "") -> InvalidTechHeaders:
    return InvalidTechHeaders("tech_headers", message, header=header)
