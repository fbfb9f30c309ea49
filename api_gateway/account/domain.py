"""What an account is, and what its facts mean. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from voipbin.mesh.v1.identity_pb2 import Identity

from api_gateway.account.admitted import FrozenAccount
from api_gateway.account.rights import CUSTOMER_ADMIN, SUPER_ADMIN

ADMIN_USERNAME: Final = "admin@voipbin.local"
"""The user name of the first super-admin."""

CUSTOMER_ADMIN_USERNAME: Final = "customer-admin@voipbin.local"
"""The user name of the first customer admin."""

CLOSURE_DELAY: Final = timedelta(days=30)
"""How long a frozen customer can come back (contract section 1.6)."""


class CustomerStatus(StrEnum):
    """Whether a customer is served (contract section 3.10)."""

    INITIAL = "initial"
    ACTIVE = "active"
    FROZEN = "frozen"
    DELETED = "deleted"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Standing:
    """The facts of a customer that rules need."""

    customer_id: UUID
    status: str
    """As stored: an expired customer is a frozen one."""
    identity_verification: str
    rtp_debug: bool
    tm_frozen: datetime | None

    def status_at(self, now: datetime) -> str:
        """Return the customer's status; a frozen one expires when its time is over."""
        frozen = self.closure
        if frozen is None:
            return self.status
        over = now >= frozen.deletion_effective_at
        return CustomerStatus.EXPIRED if over else CustomerStatus.FROZEN

    @property
    def closure(self) -> FrozenAccount | None:
        """Return when the customer ends; None unless it is frozen or expired."""
        if self.status != CustomerStatus.FROZEN or self.tm_frozen is None:
            return None
        return FrozenAccount(self.tm_frozen, self.tm_frozen + CLOSURE_DELAY)


@dataclass(frozen=True, slots=True)
class Account:
    """An agent together with the facts of its customer."""

    agent_id: UUID
    username: str
    password_hash: str = field(repr=False)
    token_generation: int
    permissions: int
    standing: Standing

    @property
    def customer_id(self) -> UUID:
        """Return the customer the agent belongs to."""
        return self.standing.customer_id


def identity(agent_id: UUID, permissions: int, standing: Standing, now: datetime) -> Identity:
    """Return what the mesh is told of somebody who acts for a customer."""
    return Identity(
        agent_id=str(agent_id),
        customer_id=str(standing.customer_id),
        permissions=permissions,
        customer_status=standing.status_at(now),
        identity_verification=standing.identity_verification,
        rtp_debug=standing.rtp_debug,
    )


@dataclass(frozen=True, slots=True)
class FirstAgent:
    """One of the agents that a new installation begins with."""

    username: str
    customer_name: str
    permissions: int


FIRST_ADMIN: Final = FirstAgent(ADMIN_USERNAME, "Platform", SUPER_ADMIN)
# A customer of its own: what belongs to one must stay invisible to the other.
FIRST_CUSTOMER_ADMIN: Final = FirstAgent(CUSTOMER_ADMIN_USERNAME, "First customer", CUSTOMER_ADMIN)
