"""From a call and a carrier's configuration, or an address alone, to what is dialled (pure).

CONTRACT.md section 3.7 with the decisions of section 7. A caller that is shown travels in From
alone: carriers check P-Asserted-Identity against what they rented out, so we assert nothing that
nobody asked us to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from call_manager.call.domain import Address, AddressType, Anonymous, Call
from call_manager.call.sip_address import SipAddress, Undialable, escape_user
from call_manager.channel import Credentials, DialTarget, NextHop
from call_manager.metadata import CODECS
from mesh.masking import mask_secret

LOCAL: Final = "{local}"
"""Stands for the channel's own advertised address (`channel.DialTarget`)."""

ANONYMOUS_URI: Final = "sip:anonymous@anonymous.invalid"
"""Who a hidden caller says to be (RFC 3323 section 4.1)."""

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?")
_SEPARATORS: Final = re.compile(r"[ ().-]")


@dataclass(frozen=True, slots=True)
class DialConfig:
    """What the dialer needs to know of a carrier, or of a host that is dialled without one."""

    provider_id: UUID | None
    """Unset without a carrier."""
    hostname: str
    """A host name or IP literal, with `:port` where it is not 5060."""
    tech_prefix: str = ""
    tech_postfix: str = ""
    tech_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secret_headers: frozenset[str] = frozenset()
    """Names, in lower case, of those whose values may not be shown."""
    codecs: tuple[str, ...] = ()
    username: str = ""
    password: str = field(default="", repr=False)

    def snapshot(self) -> dict[str, Any]:
        """Return what an attempt keeps of it, as JSON: secret headers as masks, no password."""
        return {
            "hostname": self.hostname,
            "tech_prefix": self.tech_prefix,
            "tech_postfix": self.tech_postfix,
            "tech_headers": [[name, self._shown(name, value)] for name, value in self.tech_headers],
            "secret_headers": sorted(self.secret_headers),
            "codecs": list(self.codecs),
            "username": self.username,
        }

    def _shown(self, name: str, value: str) -> str:
        return mask_secret(value) if name.lower() in self.secret_headers else value


def direct_config(destination: Address) -> DialConfig:
    """Return how to dial a SIP address without a carrier: at its own host. Raises Undialable."""
    if destination.type is not AddressType.SIP:
        raise Undialable("No carrier was chosen for the call.")
    return DialConfig(provider_id=None, hostname=SipAddress.parse(destination.target).authority)


def dial_target(call: Call, config: DialConfig) -> DialTarget:
    """Return the leg to place for `call` at this carrier, or at this host.

    The INVITE goes to `config.hostname`, whatever the Request-URI says. Raises Undialable.
    """
    host, port = split_host(config.hostname)
    to_number = call.destination.type is AddressType.TEL
    return DialTarget(
        call_id=call.id,
        request_uri=request_uri(call.destination, config),
        next_hop=NextHop(host, port),
        from_uri=ANONYMOUS_URI if _hidden(call) else from_uri(call.source),
        from_display="Anonymous" if _hidden(call) else call.source.target_name,
        headers=(*config.tech_headers, *_privacy(call, to_carrier=config.provider_id is not None)),
        secret_headers=config.secret_headers,
        codecs=config.codecs if to_number else _own_codecs(call),
        credentials=Credentials(config.username, config.password) if config.username else None,
    )


def _own_codecs(call: Call) -> tuple[str, ...]:
    # What the customer's outbound configuration said when the call was created.
    stored = str(call.metadata.get(CODECS.name, ""))
    return tuple(stored.split(",")) if stored else ()


def split_host(text: str) -> tuple[str, int | None]:
    """Split `host[:port]`; an IPv6 literal loses its brackets. Raises Undialable."""
    match = _HOST.fullmatch(text)
    if match is None or not _is_host(text):
        raise Undialable("The carrier's hostname is no host name or address with a port.")
    return match[1].strip("[]"), int(match[2]) if match[2] is not None else None


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and (match[2] is None or 0 < int(match[2]) <= 65_535)


def request_uri(destination: Address, config: DialConfig) -> str:
    """Return the Request-URI.

    A number is wrapped in the carrier's prefix and postfix; what follows an `@` in the postfix
    takes the hostname's place, so that there is never a second `@`. A SIP address is itself: the
    carrier's host, headers and credentials apply to it, prefix, postfix and codecs do not.
    """
    if destination.type is AddressType.SIP:
        return SipAddress.parse(destination.target).uri
    postfix, at, domain = config.tech_postfix.partition("@")
    split_host(domain if at else config.hostname)
    user = escape_user(f"{config.tech_prefix}{destination.target}{postfix}")
    return f"sip:{user}@{domain if at else config.hostname}"


def from_uri(source: Address) -> str:
    """Return the From address of a caller that is shown."""
    match source.type:
        case AddressType.SIP:
            return SipAddress.parse(source.target).uri
        case AddressType.TEL:
            return f"sip:{escape_user(bare_number(source.target))}@{LOCAL}"
    return f"sip:{escape_user(source.target)}@{LOCAL}"


def bare_number(target: str) -> str:
    """Return a tel target without the separators people write (RFC 3966 section 3)."""
    return _SEPARATORS.sub("", target)


def _hidden(call: Call) -> bool:
    return call.anonymous is Anonymous.YES


def _privacy(call: Call, *, to_carrier: bool) -> tuple[tuple[str, str], ...]:
    if not _hidden(call):
        return ()
    if not to_carrier:
        # Whoever is called is in no trust domain of ours (RFC 3325 section 7): the number that
        # is to be hidden stays here.
        return (("Privacy", "id"),)
    number = bare_number(call.source.target)
    # Who is calling, for the carrier alone (RFC 3325 sections 9.1 and 9.3).
    return (("P-Asserted-Identity", f"<tel:{number}>"), ("Privacy", "id"))
