"""What the linter judges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from route_manager.provider.domain.hop import NextHop, next_hop
from route_manager.provider.domain.provider import ProviderSettings


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the DNS says of the host that requests go to."""

    addresses: tuple[str, ...] = ()
    """Where they go."""
    answered: bool = True
    """Whether the DNS answered in time."""
    srv_unheeded: bool = False
    """Without a stated port, SRV records would tell the address that the host itself has not."""
    not_offered: bool = False
    """The DNS says that the host does not take the transport (RFC 2782, target `.`)."""


@dataclass(frozen=True, slots=True)
class Case:
    """Acceptable settings, and what there is to know beside them."""

    settings: ProviderSettings
    host: HostFacts | None
    """None when there was nothing to ask the DNS for."""
    lab: bool
    now: datetime

    @property
    def hop(self) -> NextHop | None:
        """Return where requests go first; None for a host that earlier rules let pass."""
        return next_hop(self.settings)
