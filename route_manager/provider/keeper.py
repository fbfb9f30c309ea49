"""Keeps every provider's secrets sealed, and by the newest key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from mesh.database import Database, Transaction
from mesh.sealing import KeysUnusable, Sealer, mint_ring
from mesh.start import StartRefused
from route_manager.provider import repository
from route_manager.provider.vault import StoredSecrets, Vault

BATCH: Final = 100
"""The most providers of one transaction."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Where the keys are."""

    path: Path
    is_ours: bool
    """Nobody named it, so that the first start makes it."""


def key_file(data_dir: Path, named: Path | None) -> KeyFile:
    """Return the key file that is named, or else the one in the data directory."""
    if named is not None:
        return KeyFile(named, is_ours=False)
    return KeyFile(data_dir.absolute() / "credentials" / "route_manager.keys", is_ours=True)


class Keeper:
    """Sees to it at start that the keys are there, and seals what an earlier version did not.

    Started after the database and before whatever reads providers.
    """

    def __init__(self, database: Database, sealer: Sealer, file: KeyFile) -> None:
        self._database = database
        self._sealer = sealer
        self._vault = Vault(sealer)
        self._file = file

    async def start(self) -> None:
        """Check the keys; raises StartRefused when one is missing."""
        needed = {key_id for key_id in await self._seals() if key_id is not None}
        try:
            if self._file.is_ours and not needed:
                mint_ring(self._file.path)
            missing = sorted(needed - self._sealer.key_ids)
        except (KeysUnusable, OSError) as error:
            raise StartRefused(f"{self._lost(needed)}{error}. {self._what_to_do()}") from error
        if missing:
            raise StartRefused(
                f"{self._lost(missing)}{self._file.path} lacks them. {self._what_to_do()}"
            )
        sealed = await self._seal_anew(clear_only=True)
        if sealed:
            log.info("secrets of an earlier version are sealed", providers=len(sealed))

    async def stop(self) -> None:
        """Nothing lives on."""

    async def rotate(self) -> int:
        """Seal every secret with the newest key; return how many providers had another.

        Safe at any time and beside running services: each row changes at once or not at all, and
        only if nobody else changed it. Raises KeysUnusable, and ProviderSecretsUnreadable for a
        row that no key opens.
        """
        return len(await self._seal_anew(clear_only=False))

    async def drop_lost(self) -> Sequence[UUID]:
        """Clear the secrets that no key opens; return the providers that had them.

        For when a key is lost for good. Makes the key file if it is ours and gone.
        """
        if self._file.is_ours:
            mint_ring(self._file.path)
        found = {key_id for key_id in await self._seals() if key_id is not None}
        lost = found - self._sealer.key_ids
        cleared: list[UUID] = []
        for key_id in sorted(lost):
            cleared += await self._seal_anew(lost=key_id)
        return cleared

    async def _seals(self) -> set[str | None]:
        return await self._database.read(repository.seals, name="provider_seals")

    async def _seal_anew(self, *, clear_only: bool = False, lost: str | None = None) -> list[UUID]:
        async def work(tx: Transaction) -> tuple[int, list[UUID]]:
            newest = None if clear_only else self._sealer.key_id
            found = await repository.to_be_sealed(tx, newest, BATCH, lost)
            done = []
            for old in found:
                new = self._anew(old) if lost is None else self._vault.seal(old.id, {}, "")
                if await repository.replace_secrets(tx, old, new):
                    done.append(old.id)
            return len(found), done

        total: list[UUID] = []
        found = BATCH
        while found:
            found, done = await self._database.transact(work, name="provider_seal")
            total += done
        return total

    def _anew(self, stored: StoredSecrets) -> StoredSecrets:
        headers, password = self._vault.open(stored)
        return self._vault.seal(stored.id, headers, password)

    def _lost(self, key_ids: object) -> str:
        return f"secrets of providers are sealed with keys {key_ids}, and " if key_ids else ""

    def _what_to_do(self) -> str:
        return (
            "Restore the key file from its backup, or name it in VBMESH_SEALING_KEYS_FILE;"
            " docs/providers.md says what can be done without one."
        )
