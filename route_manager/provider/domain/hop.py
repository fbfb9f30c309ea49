"""Where a provider's requests go first, by its settings (RFC 3261 section 8.1.2, RFC 3263)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from mesh.hosts import host_of, port_of
from route_manager.provider.domain.provider import ProviderSettings, Transport


@dataclass(frozen=True, slots=True)
class NextHop:
    """The host that requests are sent to: the outbound proxy, or else the hostname."""

    field: str
    """The setting that names the host."""
    host: str
    """As it goes on the wire."""
    port: int | None
    """The port that is stated; None leaves it to the DNS, else to the transport."""
    port_field: str
    """The setting that states the port, where one does."""
    transport: Transport
    """Never AUTO where the DNS has no say: with a port or an address that is UDP (RFC 3263 4.1)."""

    @property
    def is_address(self) -> bool:
        """Tell whether the host is an IP address."""
        return _is_address(self.host)


def next_hop(settings: ProviderSettings) -> NextHop | None:
    """Return where requests go first; None for hosts that the rules refuse."""
    field, authority = "hostname", settings.hostname
    if settings.outbound_proxy:
        field, authority = "outbound_proxy", settings.outbound_proxy
    host = host_of(authority)
    if host is None:
        return None
    port, port_field = port_of(authority), field
    # `port` stands for the one that the hostname does not name, never for the proxy's.
    if port is None and field == "hostname" and settings.port:
        port, port_field = settings.port, "port"
    transport = settings.transport
    if transport is Transport.AUTO and (port is not None or _is_address(host)):
        transport = Transport.UDP
    return NextHop(field, host, port, port_field, transport)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
