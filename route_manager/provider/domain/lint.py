"""The linter: what can be sent, but hardly as it was meant. Each rule is a function; all are tried.

docs/providers.md has the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from mesh.addresses import is_public
from mesh.hosts import host_of, on_the_wire, port_of
from mesh.masking import MASK
from mesh.numbers import is_e164
from route_manager.provider.domain.codecs import KNOWN, PLAYABLE
from route_manager.provider.domain.headers import looks_reserved
from route_manager.provider.domain.provider import ProviderSettings
from route_manager.provider.domain.secrets import secret_names
from route_manager.provider.domain.warning import ProviderWarning, WarningCode

HEADERS_LARGE: Final = 400
"""In octets. Our INVITE without them has about 900; over 1300 a datagram may be cut in pieces, and
pieces get lost (RFC 3261 section 18.1.1)."""

_EXAMPLE: Final = "+15551234567"
_TLS_PORT: Final = 5061
_WELL_KNOWN_PORT_MAX: Final = 1023
# The schemes of RFC 7617 and RFC 6750, and long runs without a space, of letters and digits.
_CREDENTIALS: Final = re.compile(r"(?i)(?:basic|bearer|digest)\s+\S{8,}")
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9_+/=-]{24,}")


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the DNS says of a provider's host."""

    addresses: tuple[str, ...] = ()
    has_srv: bool = False
    """There is an SRV record for SIP over UDP (asked for only when there is no address)."""
    answered: bool = True
    """Whether the DNS answered in time."""


@dataclass(frozen=True, slots=True)
class Case:
    """What the rules judge."""

    settings: ProviderSettings
    host: HostFacts | None
    """None when there was nothing to ask the DNS for."""
    lab: bool


Rule = Callable[[Case], Iterator[ProviderWarning]]


def lint(
    settings: ProviderSettings, host: HostFacts | None, *, lab: bool
) -> tuple[ProviderWarning, ...]:
    """Return what every rule says of acceptable settings, in the order of `RULES`."""
    case = Case(settings, host, lab)
    return tuple(warning for rule in RULES for warning in rule(case))


def _postfix_domain(case: Case) -> Iterator[ProviderWarning]:
    _, at, domain = case.settings.tech_postfix.partition("@")
    if at:
        yield ProviderWarning(
            WarningCode.POSTFIX_SETS_DOMAIN,
            "tech_postfix",
            f"{domain} becomes the domain of the Request-URI in place of the hostname; the INVITE"
            " goes to the hostname all the same, and there is never a second @.",
            "Leave @ and the domain out unless the carrier asks for another domain than its host.",
        )


def _port(case: Case) -> Iterator[ProviderWarning]:
    port = port_of(case.settings.hostname)
    if port == _TLS_PORT:
        yield ProviderWarning(
            WarningCode.PORT_UNUSUAL,
            "hostname",
            "Port 5061 is for SIP over TLS, and INVITEs go over UDP.",
            "Use the carrier's UDP port; leave it out when that is 5060.",
        )
    elif port is not None and port <= _WELL_KNOWN_PORT_MAX:
        yield ProviderWarning(
            WarningCode.PORT_UNUSUAL,
            "hostname",
            f"Port {port} belongs to another protocol.",
            "Use the carrier's SIP port; leave it out when that is 5060.",
        )


def _rewritten(case: Case) -> Iterator[ProviderWarning]:
    sent = on_the_wire(case.settings.hostname)
    if sent != case.settings.hostname:
        yield ProviderWarning(
            WarningCode.HOSTNAME_REWRITTEN,
            "hostname",
            f"The hostname goes on the wire as {sent}.",
            f"Give {sent}, so that what you see is what is sent.",
        )


def _resolves(case: Case) -> Iterator[ProviderWarning]:
    if case.host is None or case.host.addresses:
        return
    if not case.host.answered:
        problem = "The DNS did not say in time where the host is."
    elif case.host.has_srv:
        problem = (
            "The host has an SRV record but no address of its own, and only addresses are used."
        )
    else:
        problem = "The host has no address now, so no call can go to it."
    yield ProviderWarning(
        WarningCode.HOST_UNRESOLVED,
        "hostname",
        problem,
        "Check the spelling and the carrier's documentation, then lint again.",
    )


def _private(case: Case) -> Iterator[ProviderWarning]:
    found = case.host.addresses if case.host is not None else ()
    if found and not case.lab and not any(is_public(ip_address(one)) for one in found):
        yield ProviderWarning(
            WarningCode.HOST_PRIVATE,
            "hostname",
            "The host has only private or reserved addresses, which are not dialled.",
            "Use the carrier's public name, or lab mode where the carrier is your own.",
        )


def _near_reserved(case: Case) -> Iterator[ProviderWarning]:
    for name in case.settings.tech_headers:
        meant = looks_reserved(name)
        if meant is not None:
            yield ProviderWarning(
                WarningCode.HEADER_LOOKS_RESERVED,
                "tech_headers",
                f"{name} looks like {meant}, but the carrier will take it for another header.",
                f"Rename it if it is your own; {meant} is written by the platform.",
            )


def _secret_in_clear(case: Case) -> Iterator[ProviderWarning]:
    secret = set(secret_names(case.settings))
    for name, value in case.settings.tech_headers.items():
        telling = _CREDENTIALS.search(value) or _LONG_WORD.fullmatch(value)
        if telling and name not in secret:
            yield ProviderWarning(
                WarningCode.HEADER_LOOKS_SECRET,
                "tech_headers",
                f"The value of {name} looks like credentials, and is shown in answers and traces.",
                f"Name {name} in secret_headers if it is secret.",
            )


def _masked(case: Case) -> Iterator[ProviderWarning]:
    settings = case.settings
    secrets = [
        ("tech_headers", name, settings.tech_headers[name]) for name in secret_names(settings)
    ]
    for field, name, value in [*secrets, ("sip_password", "sip_password", settings.sip_password)]:
        if value.startswith(MASK):
            yield ProviderWarning(
                WarningCode.SECRET_LOOKS_MASKED,
                field,
                f"The value stored for {name} looks like a mask, and is sent as it is.",
                f"Give the real value of {name}.",
            )


def _absent_secret(case: Case) -> Iterator[ProviderWarning]:
    there = {name.lower() for name in case.settings.tech_headers}
    for name in case.settings.secret_headers:
        if name.lower() not in there:
            yield ProviderWarning(
                WarningCode.SECRET_HEADER_ABSENT,
                "secret_headers",
                f"tech_headers has no {name}.",
                "Check the spelling, or leave the name out.",
            )


def _large_headers(case: Case) -> Iterator[ProviderWarning]:
    size = sum(len(f"{n}: {v}\r\n".encode()) for n, v in case.settings.tech_headers.items())
    if size > HEADERS_LARGE:
        yield ProviderWarning(
            WarningCode.HEADERS_LARGE,
            "tech_headers",
            f"The headers take {size} octets, so that an INVITE hardly fits into one packet.",
            "Leave out what the carrier does not need.",
        )


def _codecs(case: Case) -> Iterator[ProviderWarning]:
    names = [name.strip() for name in case.settings.codecs.split(",") if name.strip()]
    for name in names:
        if name.upper() not in KNOWN:
            yield ProviderWarning(
                WarningCode.CODEC_UNKNOWN,
                "codecs",
                f"{name} is no audio codec that IANA knows, so no carrier will know it.",
                "Use the registered name, for example PCMU for u-law and PCMA for A-law.",
            )
    if names and not any(name.upper() in PLAYABLE for name in names):
        yield ProviderWarning(
            WarningCode.CODECS_UNPLAYABLE,
            "codecs",
            "This platform can play none of the codecs, so nothing is heard on calls.",
            f"Add one of {', '.join(sorted(PLAYABLE))}.",
        )


def _number(case: Case) -> Iterator[ProviderWarning]:
    prefix, postfix = case.settings.tech_prefix, case.settings.tech_postfix.partition("@")[0]
    sent = f"{prefix}{_EXAMPLE}{postfix}"
    if sent != _EXAMPLE:
        what = "another number" if is_e164(sent) else "no E.164 number any more"
        yield ProviderWarning(
            WarningCode.NUMBER_NOT_E164,
            "tech_prefix" if prefix else "tech_postfix",
            f"{_EXAMPLE} is sent as {sent}, which is {what}.",
            "Keep it only if the carrier's documentation asks for exactly that.",
        )


def _half_credentials(case: Case) -> Iterator[ProviderWarning]:
    if case.settings.sip_username and not case.settings.sip_password:
        yield ProviderWarning(
            WarningCode.CREDENTIALS_INCOMPLETE,
            "sip_password",
            "There is a SIP user name without a password, so a carrier that asks for it refuses.",
            "Give the password, or clear the user name.",
        )


RULES: Final[Sequence[Rule]] = (
    _postfix_domain,
    _port,
    _rewritten,
    _resolves,
    _private,
    _near_reserved,
    _secret_in_clear,
    _masked,
    _absent_secret,
    _large_headers,
    _codecs,
    _number,
    _half_credentials,
)


def wants_dns(settings: ProviderSettings) -> str | None:
    """Return the name to ask the DNS for; None for an address or what needs no DNS."""
    host = host_of(settings.hostname)
    if host is None or host.lower() == "localhost":  # RFC 6761 section 6.3
        return None
    try:
        ip_address(host)
    except ValueError:
        return host
    return None
