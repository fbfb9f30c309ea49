"""Where a customer may call, as whom and at whose cost, from this service's own tables."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from call_manager.billing import repository as billing
from call_manager.call.judging import Standing
from call_manager.number import repository as numbers
from call_manager.outbound_config import repository as configs
from mesh.database import Database, Transaction


class StoredNumbers:
    """Fulfils `judging.Numbers`.

    Outside of a `lab` nobody may call everywhere, whatever a lab allowed on the same data.
    """

    def __init__(self, database: Database, *, lab: bool) -> None:
        self._database = database
        self._lab = lab

    async def owned(self, customer_id: UUID, number: str) -> bool:
        """Tell whether the E.164 number is the customer's: normal, active, not deleted."""

        async def work(tx: Transaction) -> bool:
            return await numbers.is_usable(tx, customer_id, number)

        return await self._database.read(work, name="source_owned")

    async def default(self, customer_id: UUID) -> str | None:
        """Return the customer's default number, checked like any other, or None."""

        async def work(tx: Transaction) -> str | None:
            number_id = await configs.default_source_number_id(tx, customer_id)
            if number_id is None:
                return None
            return await numbers.usable_by_id(tx, customer_id, number_id)

        return await self._database.read(work, name="source_default")

    async def standing(self, customer_id: UUID) -> Standing:
        """Return whether anything is dialled, who pays, and what the customer may call."""

        async def work(tx: Transaction) -> Standing:
            dialing = await billing.dialing_now(tx)
            account = await billing.account_of(tx, customer_id)
            permitted = await configs.permitted(tx, customer_id)
            everywhere = permitted.everywhere and self._lab
            return Standing(dialing, account, replace(permitted, everywhere=everywhere))

        return await self._database.read(work, name="customer_standing")
