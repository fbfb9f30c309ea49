"""What an access key is. Pure."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from api_gateway.account.admitted import KeyLimits
from api_gateway.account.rights import CUSTOMER_ADMIN

PREFIX: Final = "vb_"
"""How every access key begins, so that people and scanners know one."""

TOKEN_BYTES: Final = 32
"""Random bytes in a key: 256 bits, which nobody guesses; so a plain digest keeps it safe."""

SHOWN_CHARACTERS: Final = 11
"""How much of a token is kept and shown, to tell keys apart (contract section 2.10)."""

_FORM: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


def mint() -> str:
    """Return a new token."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> str | None:
    """Return what is stored of a token, its SHA-256 in hexadecimal; None for what is no token."""
    if not _FORM.fullmatch(token):
        return None
    return hashlib.sha256(token.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a key is limited to, beyond its permissions; empty and None: not limited."""

    rpcs: tuple[str, ...] = ()
    provider_ids: tuple[str, ...] = ()
    calls_per_day: int | None = None

    @property
    def limits(self) -> bool:
        """Tell whether it limits anything."""
        return bool(self.rpcs or self.provider_ids) or self.calls_per_day is not None


@dataclass(frozen=True, slots=True)
class AccessKeyDraft:
    """What a new access key is to be."""

    customer_id: UUID
    name: str
    detail: str
    expire_s: int
    permissions: int = CUSTOMER_ADMIN
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A credential of a program, without its token."""

    id: UUID
    customer_id: UUID
    agent_id: UUID
    name: str
    detail: str
    token_prefix: str
    permissions: int
    scope: Scope
    tm_expire: datetime
    tm_create: datetime
    tm_update: datetime | None
    tm_delete: datetime | None

    def limits(self) -> KeyLimits:
        """Return what the door holds the key to."""
        return KeyLimits(
            id=str(self.id),
            rpcs=frozenset(self.scope.rpcs),
            provider_ids=frozenset(self.scope.provider_ids),
            calls_per_day=self.scope.calls_per_day,
        )


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new access key and its token, which is shown once."""

    key: AccessKey
    token: str = field(repr=False)
