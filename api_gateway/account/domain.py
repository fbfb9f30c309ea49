"""What an account is, and what its facts mean. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.mesh.v1.options_pb2 import (
    PERMISSION_CUSTOMER_ADMIN,
    PERMISSION_PROJECT_SUPER_ADMIN,
)

ADMIN_USERNAME: Final = "admin@voipbin.local"
"""The user name of the first super-admin."""

CUSTOMER_ADMIN_USERNAME: Final = "customer-admin@voipbin.local"
"""The user name of the first customer admin."""


@dataclass(frozen=True, slots=True)
class Account:
    """An agent together with the facts of its customer that rules need."""

    agent_id: UUID
    customer_id: UUID
    username: str
    password_hash: str = field(repr=False)
    permissions: int
    customer_status: str
    identity_verification: str

    def identity(self) -> Identity:
        """Return what the mesh is told of this account."""
        return Identity(
            agent_id=str(self.agent_id),
            customer_id=str(self.customer_id),
            permissions=self.permissions,
            customer_status=self.customer_status,
            identity_verification=self.identity_verification,
        )


@dataclass(frozen=True, slots=True)
class FirstAgent:
    """One of the agents that a new installation begins with."""

    username: str
    customer_name: str
    permissions: int


FIRST_ADMIN: Final = FirstAgent(ADMIN_USERNAME, "Platform", PERMISSION_PROJECT_SUPER_ADMIN)
# A customer of its own: what belongs to one must stay invisible to the other.
FIRST_CUSTOMER_ADMIN: Final = FirstAgent(
    CUSTOMER_ADMIN_USERNAME, "First customer", PERMISSION_CUSTOMER_ADMIN
)
