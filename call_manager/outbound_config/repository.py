"""All SQL over outbound configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, insert, select, update

from call_manager.outbound_config.domain import NOTHING, OutboundConfig, Permitted
from call_manager.outbound_config.models import OutboundConfigRow
from mesh.database import Transaction
from mesh.pagination import PageRequest, page

_CONFIGS: Final = OutboundConfigRow.__table__  # type: ignore[attr-defined]
_INSERT: Final = insert(_CONFIGS)
_OF_CUSTOMER: Final = select(_CONFIGS).where(
    _CONFIGS.c.customer_id == bindparam("of"), _CONFIGS.c.tm_delete.is_(None)
)


async def default_source_number_id(tx: Transaction, customer_id: UUID) -> UUID | None:
    """Return the id of the number the customer's calls show by default, or None."""
    row = await tx.one_or_none(_OF_CUSTOMER, {"of": customer_id})
    return row["default_outgoing_source_number_id"] if row is not None else None


async def permitted(tx: Transaction, customer_id: UUID) -> Permitted:
    """Return what the customer's configuration permits; nothing when there is none."""
    row = await tx.one_or_none(_OF_CUSTOMER, {"of": customer_id})
    if row is None:
        return NOTHING
    return Permitted(
        countries=frozenset(row["destination_whitelist"] or ()),
        everywhere=row["everywhere"],
        codecs=row["codecs"],
        number_types=frozenset(row["allowed_number_types"]),
    )


async def add(tx: Transaction, config: OutboundConfig) -> None:
    """Store a new configuration; IntegrityError when the customer has one."""
    values = {
        "id": config.id,
        "customer_id": config.customer_id,
        "name": config.name,
        "detail": config.detail,
        "destination_whitelist": list(config.destination_whitelist) or None,
        "allowed_number_types": list(config.allowed_number_types),
        "codecs": config.codecs,
        "everywhere": config.everywhere,
        "default_outgoing_source_number_id": config.default_outgoing_source_number_id,
        "tm_create": config.tm_create,
    }
    await tx.run(_INSERT, values)


async def get(tx: Transaction, config_id: UUID) -> OutboundConfig | None:
    """Return the configuration, deleted or not, or None."""
    row = await tx.one_or_none(select(_CONFIGS).where(_CONFIGS.c.id == config_id))
    return None if row is None else _config(row)


async def of_customer(tx: Transaction, customer_id: UUID) -> OutboundConfig | None:
    """Return the customer's configuration that is not deleted, or None."""
    row = await tx.one_or_none(_OF_CUSTOMER, {"of": customer_id})
    return None if row is None else _config(row)


async def listed(
    tx: Transaction, customer_id: UUID | None, request: PageRequest
) -> tuple[Sequence[OutboundConfig], str]:
    """Return a page of configurations (of one customer, or all), newest first, and the token."""
    statement = select(_CONFIGS).where(_CONFIGS.c.tm_delete.is_(None))
    if customer_id is not None:
        statement = statement.where(_CONFIGS.c.customer_id == customer_id)
    rows, token = request.split(await tx.all(page(statement, OutboundConfigRow, request)))
    return [_config(row) for row in rows], token


async def change(
    tx: Transaction, config_id: UUID, columns: Mapping[str, Any], now: datetime
) -> OutboundConfig | None:
    """Change columns of a configuration; None when it is deleted or not there."""
    row = await tx.one_or_none(
        update(_CONFIGS)
        .where(_CONFIGS.c.id == config_id, _CONFIGS.c.tm_delete.is_(None))
        .values(**columns, tm_update=now)
        .returning(_CONFIGS)
    )
    return None if row is None else _config(row)


def _config(row: RowMapping) -> OutboundConfig:
    lists = {
        "destination_whitelist": tuple(row["destination_whitelist"] or ()),
        "allowed_number_types": tuple(row["allowed_number_types"]),
    }
    return OutboundConfig(**{**row, **lists})
