"""At which hosts a provider is, so that nobody calls through it as if it were anybody. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mesh.hosts import comparable, host_of, is_private, port_of
from route_manager.provider.domain.provider import ProviderSettings, Transport

_SIP_PORT: Final = 5060
_SIPS_PORT: Final = 5061  # RFC 3261 section 19.1.2


@dataclass(frozen=True, slots=True)
class OwnHost:
    """One host and port where a provider is."""

    host: str
    """In the form in which equal hosts are equal (`mesh.hosts.comparable`)."""
    port: int
    """Where it is not stated, what its transport uses."""

    @property
    def at_every_port(self) -> bool:
        """Tell whether all ports of the host are the provider's; a laboratory shares its hosts."""
        return not is_private(self.host)

    def is_at(self, other: OwnHost) -> bool:
        """Tell whether somebody who dials `other` comes here."""
        return self.host == other.host and (self.at_every_port or self.port == other.port)


def own_host(authority: str, port: int = _SIP_PORT) -> OwnHost | None:
    """Read `host[:port]`; None when it is malformed."""
    host = host_of(authority)
    return None if host is None else OwnHost(comparable(host), port_of(authority) or port)


def own_hosts(settings: ProviderSettings) -> frozenset[OwnHost]:
    """Return where a provider is: its hostname, its outbound proxy, the domain of its postfix."""
    usual = _SIPS_PORT if settings.transport is Transport.TLS else _SIP_PORT
    _, _, domain = settings.tech_postfix.partition("@")
    found = (
        own_host(settings.hostname, settings.port or usual),
        own_host(settings.outbound_proxy, usual),
        own_host(domain, usual),
    )
    return frozenset(one for one in found if one is not None)
