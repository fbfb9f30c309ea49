"""Passwords: hashed with Argon2id (RFC 9106), off the event loop, a few at a time."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHES_AT_ONCE_MAX: Final = 2
"""Each hash takes a core and 64 MiB for a while; more at once would starve everything else."""

PASSWORD_BYTES: Final = 18
"""Random bytes in a password we mint; 144 bits."""


def mint_password() -> str:
    """Return a new random password of 24 URL-safe characters."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turns = asyncio.Semaphore(HASHES_AT_ONCE_MAX)
        # Verified against when no such agent exists, so that both refusals take equally long.
        self._nobody = self._hasher.hash(mint_password())

    async def hash(self, password: str) -> str:
        """Return the encoded Argon2id hash of a password."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether the password fits; with no stored hash it takes as long and says no."""
        async with self._turns:
            fits = await asyncio.to_thread(self._fits, stored or self._nobody, password)
        return fits and stored is not None

    def _fits(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
