"""INSERT … ON CONFLICT DO NOTHING, for SQLite and PostgreSQL, compiled once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Insert, Table, insert
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.sql.visitors import InternalTraversal


class _DoNothing(ClauseElement):
    """What both dialects compile; unlike their own, it says what makes two of it equal."""

    __visit_name__ = "on_conflict_do_nothing"
    _traverse_internals: Any = (("inferred_target_elements", InternalTraversal.dp_string_list),)
    constraint_target = None
    inferred_target_whereclause = None

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.inferred_target_elements = columns or None


def insert_if_absent(table: Table, *unique: str) -> Insert:
    """Return an INSERT that does nothing where the `unique` columns are taken.

    Without columns it does nothing where any unique value is taken.

    Add `.returning(…)` to see which rows are new, and give the values as parameters, one mapping
    or many. SQLAlchemy compiles the dialects' own `insert(…).on_conflict_do_nothing(…)` anew for
    every execution, which costs many times what the execution does; this is compiled once.
    """
    statement = insert(table)
    statement._post_values_clause = _DoNothing(unique)
    return statement
