"""A vault with a key of its own."""

from __future__ import annotations

from pathlib import Path

from mesh.sealing import Sealer, mint_ring
from route_manager.provider.vault import Vault


def a_vault(folder: Path) -> Vault:
    path = folder / "sealing.keys"
    mint_ring(path)
    return Vault(Sealer(path))
