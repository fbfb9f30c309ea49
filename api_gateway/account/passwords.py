"""Passwords: hashed with Argon2id (RFC 9106), off the event loop, a few at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mesh.errors import ServiceOverloaded

T = TypeVar("T")

HASHES_AT_ONCE_MAX: Final = 2
"""Each hash takes a core and 64 MiB for a while; more at once would starve everything else."""

HASHES_WAITING_MAX: Final = 32
"""How many may wait for their turn, about a second; anybody may try to sign in."""

PASSWORD_BYTES: Final = 18
"""Random bytes in a password we mint; 144 bits."""


def mint_password() -> str:
    """Return a new random password of 24 URL-safe characters."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


class Passwords:
    """Hashes and verifies passwords; both raise ServiceOverloaded when too many wait already."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        # Threads of its own: who gives up waiting frees a place in the queue, never a thread that
        # still works, so that no more than these ever do.
        self._threads = ThreadPoolExecutor(HASHES_AT_ONCE_MAX, thread_name_prefix="password")
        self._asked = 0
        # Verified against when no such agent exists, so that both refusals take equally long.
        self._nobody = self._hasher.hash(mint_password())

    async def hash(self, password: str) -> str:
        """Return the encoded Argon2id hash of a password."""
        return await self._in_turn(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether the password fits; with no stored hash it takes as long and says no."""
        fits = await self._in_turn(lambda: self._fits(stored or self._nobody, password))
        return fits and stored is not None

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._asked >= HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX:
            raise ServiceOverloaded("Too many sign in at once.", retry_after_s=1.0)
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._asked -= 1

    def _fits(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
