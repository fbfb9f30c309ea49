"""Bearer tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037), a few named keys. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from mesh.clock import Clock

ALGORITHM: Final = "Ed25519"
ISSUER: Final = "voipbin-mesh"
AUDIENCE: Final = "voipbin-api"
LIFETIME: Final = timedelta(days=7)
DELEGATED_LIFETIME: Final = timedelta(hours=8)
LEEWAY_S: Final = 30
TOKEN_CHARACTERS_MAX: Final = 4096

GENERATION: Final = "gen"
"""The claim with the agent's token generation; a token without it is of the first one, 0."""

ACTS_FOR: Final = "cus"
"""The claim with the customer that a super-admin acts for."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A private key as it is stored."""

    id: UUID
    private_der: bytes = field(repr=False)
    tm_create: datetime


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a token says."""

    agent_id: UUID
    generation: int
    """Worth nothing once the agent's own generation is another."""
    acts_for: UUID | None = None
    """The customer a super-admin acts for, and gives up its own rights meanwhile."""


def new_private_der() -> bytes:
    """Return a fresh Ed25519 private key in PKCS #8 DER form."""
    return OKPKey.generate_key("Ed25519").as_bytes(encoding="DER", private=True)


def newest(keys: Sequence[StoredKey]) -> StoredKey:
    """Return the key that signs; at least one is given."""
    return max(keys, key=lambda key: (key.tm_create, key.id))


class Tokens:
    """Signs tokens with the newest key and reads tokens signed with any of the keys."""

    def __init__(self, keys: Sequence[StoredKey], clock: Clock) -> None:
        self._clock = clock
        self._kid = str(newest(keys).id)
        self._keys = {
            str(key.id): OKPKey.import_key(key.private_der, {"kid": str(key.id)}) for key in keys
        }
        self._set = KeySet(list(self._keys.values()))

    def sign(self, bearer: Bearer) -> str:
        """Return a token that says this, valid for `LIFETIME` from now; a delegated one shorter."""
        lifetime = LIFETIME if bearer.acts_for is None else DELEGATED_LIFETIME
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(bearer.agent_id),
            "iat": now,
            "exp": now + int(lifetime.total_seconds()),
            GENERATION: bearer.generation,
        }
        if bearer.acts_for is not None:
            claims[ACTS_FOR] = str(bearer.acts_for)
        header = {"alg": ALGORITHM, "kid": self._kid, "typ": "JWT"}
        return jwt.encode(header, claims, self._keys[self._kid], algorithms=[ALGORITHM])

    def read(self, token: str) -> Bearer | None:
        """Return what a token says, or None: forged, expired, not ours, or no token."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            return None
        try:
            read = jwt.decode(token, self._set, algorithms=[ALGORITHM])
            if read.header.get("kid") not in self._keys:
                return None
            self._registry().validate(read.claims)
            return _bearer(read.claims)
        except (JoseError, ValueError, TypeError):
            # TypeError: the library reads a header of the wrong shape before it distrusts it.
            return None

    def _registry(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            exp={"essential": True},
        )


def _bearer(claims: dict[str, Any]) -> Bearer:
    """Read claims whose signature is good; raises ValueError for any that we never write."""
    acts_for = claims.get(ACTS_FOR)
    return Bearer(
        agent_id=UUID(str(claims["sub"])),
        generation=int(claims.get(GENERATION, 0)),
        acts_for=None if acts_for is None else UUID(str(acts_for)),
    )
