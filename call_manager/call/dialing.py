"""From a call and a carrier's configuration, or an address alone, to what is dialled (pure).

CONTRACT.md section 3.7 with the decisions of section 7. A caller that is shown travels in From
alone: carriers check P-Asserted-Identity against what they rented out, so we assert nothing that
nobody asked us to.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from call_manager.call.domain import Address, AddressType, Anonymous, Call
from call_manager.call.sip_address import SipAddress, Undialable, escape_user
from call_manager.channel import Credentials, DialTarget, NextHop, Transport
from call_manager.metadata import CODECS, RTP_DEBUG
from mesh.masking import mask_secret
from mesh.numbers import e164

LOCAL: Final = "{local}"
"""Stands for the channel's own advertised address (`channel.DialTarget`)."""

ANONYMOUS_URI: Final = "sip:anonymous@anonymous.invalid"
"""Who a hidden caller says to be (RFC 3323 section 4.1)."""

_IN_URI: Final = {Transport.TCP: ";transport=tcp"}
# What carries a request is named in a URI for TCP alone: UDP is what a URI without it means,
# `transport=tls` is deprecated (RFC 3261 section 26.2.2, RFC 5630 section 3.1.4), and `sips:` would
# ask for TLS on hops that are not ours.

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?")
_SEPARATORS: Final = re.compile(r"[ ().-]")
_WRITTEN_NUMBER: Final = re.compile(r"\+?[0-9 ().-]*[0-9][0-9 ().-]*")
_PLUS_AND_DIGITS: Final = re.compile(r"\+[0-9]+")


class NumberFormat(enum.StrEnum):
    """How E.164 numbers are written for a carrier."""

    E164 = "e164"
    """With the `+`."""
    DIGITS = "digits"
    """Without it."""

    def of(self, number: str) -> str:
        """Return a number as it is written; what is none, such as a short code, as it is.

        Nobody need have given a number out: `+` and digits have no `+` where none is wanted.
        """
        known = e164(number) or number
        if self is NumberFormat.DIGITS and _PLUS_AND_DIGITS.fullmatch(known):
            return known.removeprefix("+")
        return known


@dataclass(frozen=True, slots=True)
class DialConfig:
    """What the dialer needs to know of a carrier, or of a host that is dialled without one."""

    provider_id: UUID | None
    """Unset without a carrier."""
    hostname: str
    """A host name or IP literal, with `:port` where it is stated here."""
    tech_prefix: str = ""
    tech_postfix: str = ""
    tech_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secret_headers: frozenset[str] = frozenset()
    """Names, in lower case, of those whose values may not be shown."""
    codecs: tuple[str, ...] = ()
    username: str = ""
    password: str = field(default="", repr=False)
    transport: Transport = Transport.UDP
    port: int = 0
    """Where `hostname` states none; 0 leaves it to the DNS or the transport."""
    outbound_proxy: str = ""
    """`host[:port]` that its requests pass; empty for none."""
    tls_ca: str = ""
    session_expires_s: int = 0
    number_format: NumberFormat = NumberFormat.E164
    failover_codes: tuple[str, ...] = ()
    """As the administrator wrote them (`failover.Policy`)."""

    @property
    def authority(self) -> str:
        """The hostname with its port, where either states one."""
        _, port = split_host(self.hostname)
        return f"{self.hostname}:{self.port}" if port is None and self.port else self.hostname

    @property
    def next_hop(self) -> NextHop:
        """Where its requests are sent: to the outbound proxy, else to its host. Undialable."""
        host, port = split_host(self.outbound_proxy or self.authority)
        return NextHop(host, port, self.transport, self.tls_ca)

    @property
    def route(self) -> str:
        """The outbound proxy as a loose route (RFC 3261 section 8.1.2); empty without one."""
        if not self.outbound_proxy:
            return ""
        return f"sip:{self.outbound_proxy}{_IN_URI.get(self.transport, '')};lr"

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
            "transport": self.transport.value,
            "port": self.port,
            "outbound_proxy": self.outbound_proxy,
            "tls_ca": self.tls_ca,
            "session_expires": self.session_expires_s,
            "number_format": self.number_format.value,
            "failover_codes": list(self.failover_codes),
        }

    @classmethod
    def way_of(cls, snapshot: Mapping[str, Any]) -> tuple[NextHop | None, str]:
        """Return where an attempt's requests went, and by which route; None when nobody says.

        Earlier versions kept the hostname alone, and spoke UDP.
        """
        try:
            kept = cls(
                provider_id=None,
                hostname=str(snapshot["hostname"]),
                transport=Transport(snapshot.get("transport", Transport.UDP)),
                port=int(snapshot.get("port", 0)),
                outbound_proxy=str(snapshot.get("outbound_proxy", "")),
                tls_ca=str(snapshot.get("tls_ca", "")),
            )
            return kept.next_hop, kept.route
        except (KeyError, ValueError):
            return None, ""

    def _shown(self, name: str, value: str) -> str:
        return mask_secret(value) if name.lower() in self.secret_headers else value


def direct_config(destination: Address) -> DialConfig:
    """Return how to dial a SIP address without a carrier: at its own host. Raises Undialable."""
    if destination.type is not AddressType.SIP:
        raise Undialable("No carrier was chosen for the call.")
    return DialConfig(provider_id=None, hostname=SipAddress.parse(destination.target).authority)


def dial_target(call: Call, config: DialConfig) -> DialTarget:
    """Return the leg to place for `call` at this carrier, or at this host.

    The INVITE goes to the carrier's proxy or host, whatever the Request-URI says. Raises
    Undialable.
    """
    to_number = call.destination.type is AddressType.TEL
    return DialTarget(
        call_id=call.id,
        request_uri=request_uri(call.destination, config),
        next_hop=config.next_hop,
        from_uri=ANONYMOUS_URI if _hidden(call) else from_uri(call.source, config.number_format),
        from_display="Anonymous" if _hidden(call) else call.source.target_name,
        headers=(*config.tech_headers, *_privacy(call, to_carrier=config.provider_id is not None)),
        secret_headers=config.secret_headers,
        codecs=config.codecs if to_number else _own_codecs(call),
        credentials=Credentials(config.username, config.password) if config.username else None,
        route=config.route,
        session_expires_s=config.session_expires_s,
        capture_rtp=call.metadata.get(RTP_DEBUG.name) is True,
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

    A number is written in the carrier's form and wrapped in its prefix and postfix; what follows an
    `@` in the postfix takes the hostname's place, so that there is never a second `@`. A transport
    is named where the URI's own host is the next hop. A SIP address is itself: the carrier's host,
    headers and credentials apply to it, prefix, postfix and codecs do not.
    """
    if destination.type is AddressType.SIP:
        return SipAddress.parse(destination.target).uri
    postfix, at, domain = config.tech_postfix.partition("@")
    split_host(domain if at else config.hostname)
    number = config.number_format.of(destination.target)
    user = escape_user(f"{config.tech_prefix}{number}{postfix}")
    elsewhere = at or config.outbound_proxy
    transport = "" if elsewhere else _IN_URI.get(config.transport, "")
    return f"sip:{user}@{domain if at else config.authority}{transport}"


def from_uri(source: Address, written: NumberFormat = NumberFormat.E164) -> str:
    """Return the From address of a caller that is shown, a number in the carrier's form."""
    match source.type:
        case AddressType.SIP:
            return SipAddress.parse(source.target).uri
        case AddressType.TEL:
            return f"sip:{escape_user(written.of(bare_number(source.target)))}@{LOCAL}"
    return f"sip:{escape_user(source.target)}@{LOCAL}"


def bare_number(target: str) -> str:
    """Return a number without the separators people write (RFC 3966 section 3).

    What is no number, such as the name that a source may be, keeps its words.
    """
    return _SEPARATORS.sub("", target) if _WRITTEN_NUMBER.fullmatch(target) else target


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
