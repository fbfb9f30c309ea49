"""What the public door knows of whoever showed a credential. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from voipbin.mesh.v1.identity_pb2 import Identity


@dataclass(frozen=True, slots=True)
class FrozenAccount:
    """A customer that is to be deleted (contract section 1.6)."""

    deletion_scheduled_at: datetime
    """When the closure was asked for."""
    deletion_effective_at: datetime
    """When it takes effect; until then the customer can come back."""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What an access key may be used for, beyond its permissions."""

    id: str
    """The key's id (UUID)."""
    rpcs: frozenset[str]
    """The only RPCs, as `voipbin.route.v1.ProviderCallService/ProviderCallCreate`; empty: all."""
    provider_ids: frozenset[str]
    """The only providers (UUIDs); empty: all."""
    calls_per_day: int | None
    """The most calls it places in a UTC day; None: no such limit."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A caller whose credential is good."""

    identity: Identity
    """What the mesh is told of the caller."""
    frozen: FrozenAccount | None = None
    """Set when the customer is to be deleted; never set for a super-admin."""
    key: KeyLimits | None = None
    """Set when an access key was shown."""
    delegated: bool = False
    """Whether a super-admin acts for the customer (`POST /auth/delegate`)."""
