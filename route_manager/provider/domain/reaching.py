"""Which settings of how a provider is reached, and when it is given up, are acceptable."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from mesh.sip_codes import CodeSet
from route_manager.errors import (
    FieldRefused,
    InvalidFailoverCodes,
    InvalidHealthCodes,
    InvalidSessionExpires,
)
from route_manager.provider.domain.certificates import check_tls_ca
from route_manager.provider.domain.hostname import check_outbound_proxy, check_port
from route_manager.provider.domain.provider import ProviderSettings

SESSION_EXPIRES_MIN: Final = 90
"""In seconds (RFC 4028 section 4)."""
SESSION_EXPIRES_MAX: Final = 86_400
"""In seconds."""
CODES_MAX: Final = 64
UNREACHABLE: Final = "unreachable"
"""Among the failover codes: nothing could be sent to the carrier."""
NONE: Final = "none"
"""The only failover code: no answer makes a call go on to the next carrier."""
FAILOVER_FIRST: Final = 300
HEALTH_FIRST: Final = 200

_ELEMENT_MAX: Final = 16


def check_reaching(settings: ProviderSettings, *, lab: bool, fields: Collection[str]) -> None:
    """Raise what is wrong with those of the `fields` that say how a provider is reached.

    That is InvalidHostname for two ports, InvalidOutboundProxy, InvalidTlsCa,
    InvalidSessionExpires, InvalidFailoverCodes and InvalidHealthCodes.
    """
    if {"hostname", "port"} & set(fields):
        check_port(settings.hostname, settings.port)
    if "outbound_proxy" in fields:
        check_outbound_proxy(settings.outbound_proxy, lab=lab)
    if "tls_ca" in fields:
        check_tls_ca(settings.tls_ca)
    if "session_expires" in fields:
        check_session_expires(settings.session_expires)
    if "failover_codes" in fields:
        check_failover_codes(settings.failover_codes)
    if "health_codes" in fields:
        _check_codes("health_codes", settings.health_codes, HEALTH_FIRST, InvalidHealthCodes)


def check_session_expires(seconds: int) -> None:
    """Raise InvalidSessionExpires unless it is 0 or 90 to 86400 seconds."""
    if seconds and not SESSION_EXPIRES_MIN <= seconds <= SESSION_EXPIRES_MAX:
        raise InvalidSessionExpires(
            "session_expires",
            f"The session interval is neither 0 nor {SESSION_EXPIRES_MIN} to"
            f" {SESSION_EXPIRES_MAX} seconds.",
        )


def check_failover_codes(elements: Collection[str]) -> None:
    """Raise InvalidFailoverCodes unless all are codes, classes or `unreachable`, or one `none`."""
    if NONE in elements and len(elements) > 1:
        raise InvalidFailoverCodes("failover_codes", f"With {NONE!r} nothing else may be there.")
    codes = [one for one in elements if one not in (UNREACHABLE, NONE)]
    if list(elements).count(UNREACHABLE) > 1:
        raise InvalidFailoverCodes("failover_codes", f"{UNREACHABLE!r} is there twice.")
    _check_codes("failover_codes", codes, FAILOVER_FIRST, InvalidFailoverCodes)


def _check_codes(
    field: str, elements: Collection[str], first: int, refusal: Callable[[str, str], FieldRefused]
) -> None:
    if len(elements) > CODES_MAX:
        raise refusal(field, f"There are more than {CODES_MAX} elements.")
    if any(len(element) > _ELEMENT_MAX for element in elements):
        raise refusal(field, "An element is too long for a SIP code or a class of them.")
    try:
        CodeSet.parse(elements, first=first)
    except ValueError as error:
        raise refusal(field, str(error)) from error
