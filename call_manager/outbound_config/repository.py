"""All SQL over outbound configurations."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import select

from call_manager.outbound_config.models import OutboundConfigRow
from mesh.database import Transaction

_CONFIGS: Final = OutboundConfigRow.__table__  # type: ignore[attr-defined]


async def default_source_number_id(tx: Transaction, customer_id: UUID) -> UUID | None:
    """Return the id of the number the customer's calls show by default, or None."""
    row = await tx.one_or_none(
        select(_CONFIGS.c.default_outgoing_source_number_id).where(
            _CONFIGS.c.customer_id == customer_id, _CONFIGS.c.tm_delete.is_(None)
        )
    )
    return row["default_outgoing_source_number_id"] if row is not None else None
