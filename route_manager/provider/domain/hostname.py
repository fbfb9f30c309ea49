"""Which hosts a provider may have; how one is written is read in `mesh.hosts`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mesh.hosts import answers_nobody, host_of, is_private, port_of
from route_manager.errors import FieldRefused, InvalidHostname, InvalidOutboundProxy

_WHAT_IS_RIGHT: Final = (
    "Give a bare host name, an IPv4 address or an IPv6 address in brackets, with :port (1 to"
    " 65535) where the carrier names one."
)


def check_hostname(hostname: str, *, lab: bool) -> None:
    """Raise InvalidHostname unless a provider may have this `hostname`.

    Accepts a host name, with or without its final dot and in any script, an IPv4 address, or an
    IPv6 address in brackets, each with an optional port from 1 to 65535. Loopback, private and
    other addresses that are not public are accepted in lab mode only; multicast and unspecified
    ones never, for nobody can be called there.
    """
    _check(hostname, "hostname", InvalidHostname, lab=lab)


def check_outbound_proxy(proxy: str, *, lab: bool) -> None:
    """Raise InvalidOutboundProxy unless it is empty or a host that a `hostname` may name."""
    if proxy:
        _check(proxy, "outbound_proxy", InvalidOutboundProxy, lab=lab)


def check_port(hostname: str, port: int) -> None:
    """Raise InvalidHostname when the hostname names another port than `port`, 0 being none."""
    named = port_of(hostname)
    if port and named is not None and named != port:
        raise InvalidHostname(
            "hostname", f"The hostname names port {named}, and port is {port}. Give one of them."
        )


def _check(
    authority: str, field: str, refusal: Callable[[str, str], FieldRefused], *, lab: bool
) -> None:
    host = host_of(authority)
    if host is None:
        raise refusal(field, f"The {field} is malformed. {_WHAT_IS_RIGHT}")
    if answers_nobody(host):
        raise refusal(field, f"The {field} is an address that nobody answers at.")
    if is_private(host) and not lab:
        raise refusal(
            field,
            f"The {field} is a loopback, private or reserved address. Such carriers are for lab"
            " mode only, which VBMESH_LAB=1 turns on.",
        )
