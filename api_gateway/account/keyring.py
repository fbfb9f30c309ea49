"""The life of the keys that tokens are signed with: made, replaced by newer ones, removed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from api_gateway.account import repository
from api_gateway.account.tokens import (
    LIFETIME,
    Bearer,
    StoredKey,
    Tokens,
    new_private_der,
    newest,
)
from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import MeshError

WATCH_EVERY_S: Final = 60.0
"""How often the keys are looked at: another replica may have made one, or one is old."""

READ_AGAIN_AFTER_S: Final = 1.0
"""How soon a token that cannot be read makes us look for new keys again; anybody may send one."""

REMOVAL_MARGIN: Final = timedelta(hours=1)
"""How long a replica may sign with a key after a newer one was made, and more."""

log = structlog.get_logger()


class Keyring:
    """Signs and reads tokens with the keys of the database.

    Start it after the database. The newest key signs; a key is replaced when it is older than
    `rotate_after`, and removed when the last token it may have signed has expired.
    """

    def __init__(self, database: Database, clock: Clock, rotate_after: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._rotate_after = rotate_after
        self._tokens: Tokens | None = None
        self._watching: asyncio.Task[None] | None = None
        self._read_at = 0.0
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Read the keys, make the first one if there is none, and keep watch."""
        await self.look_after()
        self._watching = asyncio.create_task(self._watch(), name="keyring")

    async def stop(self) -> None:
        """End the watch and forget the keys."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        self._tokens = None

    def sign(self, bearer: Bearer) -> str:
        """Return a fresh token that says this."""
        return self._started().sign(bearer)

    async def read(self, token: str) -> Bearer | None:
        """Return what a token says, or None when it is worth nothing."""
        tokens = self._started()
        bearer = tokens.read(token)
        if bearer is not None or self._clock.monotonic() - self._read_at < READ_AGAIN_AFTER_S:
            return bearer
        async with self._turn:
            # Another replica may have made a key a moment ago; one look serves all who wait.
            if self._tokens is tokens:
                self._use(await self._stored())
        return self._started().read(token)

    async def rotate(self, *, end_tokens: bool = False) -> StoredKey:
        """Make a new key, which signs from now on, and return it.

        With `end_tokens` the older ones are removed, and every token ends: here at once, at other
        replicas when they look at the keys the next time.
        """
        fresh = self._fresh()

        async def work(tx: Transaction) -> Sequence[StoredKey]:
            for old in await repository.keys(tx) if end_tokens else ():
                await repository.remove_key(tx, old.id)
            await repository.add_key(tx, fresh)
            return await repository.keys(tx)

        self._use(await self._database.transact(work, name="signing_key_rotate"))
        log.info("signing key made", key_id=str(fresh.id), older_removed=end_tokens)
        return fresh

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(WATCH_EVERY_S)
            try:
                await self.look_after()
            except MeshError as error:
                # The keys we have go on serving; the next look may find the database again.
                log.warning("signing keys not looked at", error=error.message)

    async def look_after(self) -> None:
        """Read the keys; make and remove what is due, which is rarely anything."""
        now, fresh = self._clock.now(), self._fresh()
        stored = await self._stored()
        if self._needs_a_key(stored, now) or spent(stored, now):

            async def work(tx: Transaction) -> Sequence[StoredKey]:
                found = await repository.keys(tx)
                if self._needs_a_key(found, now):
                    await repository.add_key(tx, fresh)
                for key in spent(found, now):
                    await repository.remove_key(tx, key.id)
                return await repository.keys(tx)

            stored = await self._database.transact(work, name="signing_keys_look_after")
            log.info("signing keys changed", keys=[str(key.id) for key in stored])
        self._use(stored)

    async def _stored(self) -> Sequence[StoredKey]:
        return await self._database.read(repository.keys, name="signing_keys")

    def _use(self, stored: Sequence[StoredKey]) -> None:
        self._tokens = Tokens(stored, self._clock)
        self._read_at = self._clock.monotonic()

    def _needs_a_key(self, keys: Sequence[StoredKey], now: datetime) -> bool:
        return not keys or newest(keys).tm_create < now - self._rotate_after

    def _fresh(self) -> StoredKey:
        return StoredKey(new_id(), new_private_der(), self._clock.now())

    def _started(self) -> Tokens:
        if self._tokens is None:
            raise RuntimeError("the keyring is not started")
        return self._tokens


def spent(keys: Sequence[StoredKey], now: datetime) -> list[StoredKey]:
    """Return the keys whose tokens have all expired: a newer key has signed for long enough."""
    long_ago = now - LIFETIME - REMOVAL_MARGIN
    signing_since = [key for key in keys if key.tm_create < long_ago]
    return sorted(signing_since, key=lambda key: (key.tm_create, key.id))[:-1]
