"""The one door to a service's database: `await database.transact(work)`, `.read(work)`.

`work` is an async function of a transaction `tx` and awaits nothing but `tx`. It may run again,
so it changes nothing outside itself.
"""

from mesh.database.columns import (
    NAMING_CONVENTION,
    Json,
    UtcDateTime,
    Uuid,
    table_registry,
)
from mesh.database.engine import Database
from mesh.database.locked import hold_table
from mesh.database.transaction import Transaction, TransactionDead, Work
from mesh.database.upsert import insert_if_absent

__all__ = [
    "NAMING_CONVENTION",
    "Database",
    "Json",
    "Transaction",
    "TransactionDead",
    "UtcDateTime",
    "Uuid",
    "Work",
    "hold_table",
    "insert_if_absent",
    "table_registry",
]
