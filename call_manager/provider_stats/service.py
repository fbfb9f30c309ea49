"""What can be asked of how the calls through a carrier went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from call_manager.provider_stats import repository
from call_manager.provider_stats.domain import (
    LEGS_MAX,
    Delays,
    Window,
    WindowFigures,
    window_figures,
)
from mesh.database import Database, Transaction


class StatsService:
    """Counts what is stored, when it is asked: nothing is added up beforehand."""

    def __init__(self, database: Database, *, legs_max: int = LEGS_MAX) -> None:
        self._database = database
        self._legs_max = legs_max

    async def of_provider(
        self, provider_id: UUID, windows: Sequence[Window], now: datetime
    ) -> Sequence[WindowFigures]:
        """Return how a carrier's legs of some windows up to `now` went."""
        ordered = sorted(windows, key=lambda window: window.value)
        begins = {window: now - window.value for window in ordered}

        async def work(tx: Transaction) -> Sequence[WindowFigures]:
            groups = await repository.groups(tx, provider_id, begins, self._legs_max)
            found: list[WindowFigures] = []
            delays: Mapping[bool, Delays] = {}
            for window, begin in begins.items():
                # A longer window than one that is truncated is made of the very same legs.
                if not found or not found[-1].truncated:
                    delays = await repository.delays(tx, provider_id, begin, self._legs_max)
                found.append(window_figures(window, groups, delays, self._legs_max))
            return found

        return await self._database.survey(work, name="provider_stats")
