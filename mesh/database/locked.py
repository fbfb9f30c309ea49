"""A whole table held against everybody who holds rows of it, in turn; SQLite has one writer."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Executable, Table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

_NOTHING: Final = "SELECT 1 WHERE 1 = 0"


class _HoldTable(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, table: Table) -> None:
        self.table = table


@compiles(_HoldTable)
def _on_sqlite(_element: _HoldTable, _compiler: SQLCompiler, **_: Any) -> str:
    return _NOTHING


@compiles(_HoldTable, "postgresql")
def _on_postgresql(element: _HoldTable, compiler: SQLCompiler, **_: Any) -> str:
    return f"LOCK TABLE {compiler.preparer.format_table(element.table)} IN EXCLUSIVE MODE"


def hold_table(table: Table) -> Executable:
    """Return a statement that waits for all who hold rows of a table, and lets nobody pass it.

    For who writes rarely what others always hold in share: rows in share are given out at once,
    so that a writer who waits for a row of them alone may wait for ever. Reading goes on.
    """
    return _HoldTable(table)
