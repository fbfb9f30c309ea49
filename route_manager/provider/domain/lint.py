"""The linter: what can be sent, but hardly as it was meant. Each rule is a function; all are tried.

docs/providers.md has the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from mesh.hosts import on_the_wire
from mesh.masking import MASK
from mesh.numbers import is_e164
from mesh.sip_codes import CodeSet
from route_manager.provider.domain.case import Case
from route_manager.provider.domain.codecs import KNOWN, PLAYABLE
from route_manager.provider.domain.headers import looks_reserved
from route_manager.provider.domain.lint_hop import HOP_RULES, Rule
from route_manager.provider.domain.provider import NumberFormat, Transport
from route_manager.provider.domain.reaching import FAILOVER_FIRST, NONE, UNREACHABLE
from route_manager.provider.domain.secrets import secret_names
from route_manager.provider.domain.warning import ProviderWarning, WarningCode

HEADERS_LARGE: Final = 400
"""In octets. Our INVITE without them has about 900; over 1300 a datagram may be cut in pieces, and
pieces get lost (RFC 3261 section 18.1.1)."""

CALLED_PERSON: Final[Sequence[int]] = (480, 486, 600, 603, 607)
"""Answers by which whoever is called, or their telephone, says no (RFC 3261 sections 21.4.18,
21.4.24 and 21.6, RFC 8197): the same will be said through any carrier."""

_EXAMPLE: Final = "+15551234567"
# The schemes of RFC 7617 and RFC 6750, and long runs without a space, of letters and digits.
_CREDENTIALS: Final = re.compile(r"(?i)(?:basic|bearer|digest)\s+\S{8,}")
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9_+/=-]{24,}")


def lint(case: Case) -> tuple[ProviderWarning, ...]:
    """Return what every rule says of acceptable settings, in the order of `RULES`."""
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


def _rewritten(case: Case) -> Iterator[ProviderWarning]:
    for field in ("hostname", "outbound_proxy"):
        given = getattr(case.settings, field)
        sent = on_the_wire(given)
        if sent != given:
            yield ProviderWarning(
                WarningCode.HOSTNAME_REWRITTEN,
                field,
                f"The {field} goes on the wire as {sent}.",
                f"Give {sent}, so that what you see is what is sent.",
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
    streamed = case.settings.transport in (Transport.TCP, Transport.TLS)
    if size > HEADERS_LARGE and not streamed:
        yield ProviderWarning(
            WarningCode.HEADERS_LARGE,
            "tech_headers",
            f"The headers take {size} octets, so that an INVITE hardly fits into one packet; it"
            " goes over TCP where the carrier takes it, and in pieces over UDP elsewhere.",
            "Leave out what the carrier does not need, or set its transport to tcp or tls.",
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
    digits = case.settings.number_format is NumberFormat.DIGITS
    number = _EXAMPLE.removeprefix("+") if digits else _EXAMPLE
    sent = f"{prefix}{number}{postfix}"
    if sent not in (number, _EXAMPLE):
        is_number = is_e164(f"+{sent}" if digits else sent)
        what = "another number" if is_number else "no E.164 number any more"
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


def _rings_again(case: Case) -> Iterator[ProviderWarning]:
    codes = [one for one in case.settings.failover_codes if one not in (UNREACHABLE, NONE)]
    wanted = CodeSet.parse(codes, first=FAILOVER_FIRST)
    found = [str(code) for code in CALLED_PERSON if code in wanted]
    if found:
        yield ProviderWarning(
            WarningCode.FAILOVER_RINGS_AGAIN,
            "failover_codes",
            f"Whoever is called and says no ({', '.join(found)}) is called again through the next"
            " carrier.",
            "Leave these answers out unless this carrier gives them for faults of its own.",
        )


RULES: Final[Sequence[Rule]] = (
    _postfix_domain,
    _rewritten,
    *HOP_RULES,
    _near_reserved,
    _secret_in_clear,
    _masked,
    _absent_secret,
    _large_headers,
    _codecs,
    _number,
    _half_credentials,
    _rings_again,
)
