"""Whether the money and caps of a mesh agree with their rows, whatever became of the mesh."""

from __future__ import annotations

from pathlib import Path

from call_manager.billing.consistency import mistakes
from mesh.database import Database
from tests.support import mesh_databases


class Ledger:
    """Looks into call_manager's database, beside a mesh that runs or after its end."""

    def __init__(self, data_dir: Path) -> None:
        self._url = mesh_databases.urls_of(data_dir)["call_manager"]
        self._database: Database | None = None

    async def mistakes(self) -> tuple[str, ...]:
        """Return what does not agree, one sentence each."""
        if self._database is None:
            # Kept open: to open it takes longer than to look.
            self._database = Database(self._url)
            await self._database.start()
        return await self._database.read(mistakes, name="test_mistakes")

    async def close(self) -> None:
        """Look no longer."""
        database, self._database = self._database, None
        if database is not None:
            await database.stop()
