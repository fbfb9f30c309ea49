"""Where a customer may call, as whom and at whose cost, from this service's own tables."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from call_manager.billing import repository as billing
from call_manager.billing.domain import Account
from call_manager.billing.repository import Dialing
from call_manager.number import repository as numbers
from call_manager.outbound_config import repository as configs
from call_manager.outbound_config.domain import Permitted
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

    async def permitted(self, customer_id: UUID) -> Permitted:
        """Return what the customer's outbound configuration permits; nothing without one."""
        permitted = await self._database.read(
            lambda tx: configs.permitted(tx, customer_id), name="outbound_permitted"
        )
        return replace(permitted, everywhere=permitted.everywhere and self._lab)

    async def account(self, customer_id: UUID) -> Account | None:
        """Return the account that pays for the customer's calls, or None."""
        return await self._database.read(
            lambda tx: billing.account_of(tx, customer_id), name="account_standing"
        )

    async def dialing(self) -> Dialing:
        """Return how the platform's kill switch stands."""
        return await self._database.read(billing.dialing_now, name="dialing_now")
