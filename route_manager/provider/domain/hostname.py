"""Which hosts a provider may have; how one is written is read in `mesh.hosts`."""

from __future__ import annotations

from typing import Final

from mesh.hosts import answers_nobody, host_of, is_private
from route_manager.errors import InvalidHostname

_WHAT_IS_RIGHT: Final = (
    "Give a bare host name, an IPv4 address or an IPv6 address in brackets, with :port (1 to"
    " 65535) where it is not 5060."
)


def check_hostname(hostname: str, *, lab: bool) -> None:
    """Raise InvalidHostname unless a provider may have this `hostname`.

    Accepts a host name, with or without its final dot and in any script, an IPv4 address, or an
    IPv6 address in brackets, each with an optional port from 1 to 65535. Loopback, private and
    other addresses that are not public are accepted in lab mode only; multicast and unspecified
    ones never, for nobody can be called there.
    """
    host = host_of(hostname)
    if host is None:
        raise InvalidHostname("hostname", f"The hostname is malformed. {_WHAT_IS_RIGHT}")
    if answers_nobody(host):
        raise InvalidHostname("hostname", "The hostname is an address that nobody answers at.")
    if is_private(host) and not lab:
        raise InvalidHostname(
            "hostname",
            "The hostname is a loopback, private or reserved address. Such carriers are for lab"
            " mode only, which VBMESH_LAB=1 turns on.",
        )
