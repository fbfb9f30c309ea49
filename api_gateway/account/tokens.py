"""Bearer tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037), a few named keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from mesh.clock import Clock

ALGORITHM: Final = "Ed25519"
ISSUER: Final = "voipbin-mesh"
AUDIENCE: Final = "voipbin-api"
LIFETIME: Final = timedelta(days=7)
LEEWAY_S: Final = 30
TOKEN_CHARACTERS_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A private key as it is stored."""

    id: UUID
    private_der: bytes = field(repr=False)
    tm_create: datetime


def new_private_der() -> bytes:
    """Return a fresh Ed25519 private key in PKCS #8 DER form."""
    return OKPKey.generate_key("Ed25519").as_bytes(encoding="DER", private=True)


class Tokens:
    """Signs tokens with the newest key and reads tokens signed with any of the keys."""

    def __init__(self, keys: Sequence[StoredKey], clock: Clock) -> None:
        newest = max(keys, key=lambda key: (key.tm_create, key.id))
        self._clock = clock
        self._kid = str(newest.id)
        self._keys = {
            str(key.id): OKPKey.import_key(key.private_der, {"kid": str(key.id)}) for key in keys
        }
        self._set = KeySet(list(self._keys.values()))

    def sign(self, agent_id: UUID) -> str:
        """Return a token that names the agent, valid for `LIFETIME` from now."""
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(agent_id),
            "iat": now,
            "exp": now + int(LIFETIME.total_seconds()),
        }
        header = {"alg": ALGORITHM, "kid": self._kid, "typ": "JWT"}
        return jwt.encode(header, claims, self._keys[self._kid], algorithms=[ALGORITHM])

    def agent_id(self, token: str) -> UUID | None:
        """Return the agent a token names, or None: forged, expired, not ours, or no token."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            return None
        try:
            read = jwt.decode(token, self._set, algorithms=[ALGORITHM])
            if read.header.get("kid") not in self._keys:
                return None
            self._registry().validate(read.claims)
            return UUID(str(read.claims["sub"]))
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
