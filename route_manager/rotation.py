"""`python -m route_manager --rotate-secrets`: a new key for what providers keep secret."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

from pydantic import Field

from mesh.database import Database
from mesh.errors import MeshError
from mesh.node import EXIT_FAILED, PRIVATE_UMASK
from mesh.sealing import KeysUnusable, Sealer, add_key
from mesh.settings import MeshSettings, load
from mesh.start import EXIT_REFUSED, StartRefused
from route_manager.bootstrap import MIGRATIONS, NAME
from route_manager.provider.keeper import Keeper, key_file

ROTATE: Final = "--rotate-secrets"
"""The argument that adds a key and seals every secret with it."""

DROP_LOST: Final = "--drop-lost-secrets"
"""The argument that clears the secrets whose key is lost for good."""


class RotationSettings(MeshSettings):
    """What the command needs of route_manager's settings."""

    sealing_keys_file: Path | None = Field(
        default=None, description="The key file, where it is not the one in the data directory."
    )


def asked_for(arguments: list[str]) -> str | None:
    """Return which of the two commands the arguments ask for, or None."""
    return next((one for one in (ROTATE, DROP_LOST) if one in arguments), None)


def run(command: str) -> None:
    """Run the command; exits 3 when a key or the database is missing, 1 when it fails."""
    os.umask(PRIVATE_UMASK)
    settings = load(RotationSettings)
    try:
        said = asyncio.run(_run(command, settings))
    except (KeysUnusable, OSError, StartRefused) as error:
        sys.stderr.write(f"{NAME}: {error}\n")
        raise SystemExit(EXIT_REFUSED) from None
    except MeshError as error:
        sys.stderr.write(f"{NAME}: {error.reason}: {error.message} {dict(error.metadata)}\n")
        raise SystemExit(EXIT_FAILED) from None
    sys.stdout.write(said)


async def _run(command: str, settings: RotationSettings) -> str:
    file = key_file(settings.data_dir, settings.sealing_keys_file)
    database = Database(settings.database_url_for(NAME), migrations=MIGRATIONS)
    await database.start()
    try:
        keeper = Keeper(database, Sealer(file.path), file)
        if command == DROP_LOST:
            cleared = await keeper.drop_lost()
            names = "".join(f"  {provider_id}\n" for provider_id in cleared)
            return f"Cleared the secrets of {len(cleared)} providers; set them anew.\n{names}"
        # What is wrong with the keys is said before anything is changed.
        await keeper.start()
        key_id = add_key(file.path)
        count = await keeper.rotate()
        return f"Sealed the secrets of {count} providers with the new key {key_id}.\n"
    finally:
        await database.stop()
