"""What somebody shows at the door, and who finds out whose it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from api_gateway.account.admitted import Admitted, KeyLimits

ACCESS_KEY_HEADER: Final = "x-api-key"
"""The header that carries an access key, over REST and over gRPC."""

_BEARER: Final = "bearer"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows of who sent it; the empty string where it shows nothing.

    Where both came, the token counts (contract section 1.2).
    """

    token: str = field(default="", repr=False)
    access_key: str = field(default="", repr=False)


class Authenticator(Protocol):
    """Turns credentials into a caller."""

    async def identify(self, credentials: Credentials) -> Admitted:
        """Return who shows the credentials.

        Raises a MeshError with the code UNAUTHENTICATED when there are none
        (`AUTHENTICATION_REQUIRED`) or when they are worth nothing (`INVALID_CREDENTIALS`).
        """
        ...

    async def spend_calls(self, key: KeyLimits, count: int) -> None:
        """Count calls against the key's calls per day; raises a MeshError when it has too few."""
        ...


def bearer(header: str) -> str:
    """Return the token of an `Authorization: Bearer` header (RFC 6750), or ""."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == _BEARER else ""
