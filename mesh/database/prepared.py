"""Statements that are run again and again, prepared once for SQLite's driver (ADR 8).

For each run SQLAlchemy looks a statement's text up, merges its parameters and builds a result;
where the statement is a constant of a module, that costs more than what SQLite does. Such are
compiled once here, by SQLAlchemy and with its types. What is not as plain as the statements of a
service usually are is left to SQLAlchemy.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final, cast
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnDefault,
    ColumnElement,
    Delete,
    Executable,
    Insert,
    RowMapping,
    Select,
    Update,
    Uuid,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from mesh.database.columns import UtcDateTime
from mesh.database.transaction import Outcome, Statement

FORMS_MAX: Final = 32
"""The most forms of one statement that are kept: by its parameters, or by a list's length."""

IDS_KEPT: Final = 4096
"""How many ids are known by sight."""

_LIST: Final = re.compile(r"__\[POSTCOMPILE_(\w+)\]")

Plain = Select[Any] | Insert | Update | Delete
Process = Callable[[Any], Any] | None
Values = Mapping[str, Any]


class TooSpecial(Exception):
    """The statement is SQLAlchemy's to run."""


class Prepared:
    """One statement with one set of parameters: its text, and how values are written and read."""

    def __init__(self, statement: Plain, names: Sequence[str], dialect: Dialect) -> None:
        """Compile; raises TooSpecial for what is not done here."""
        columns = _columns(statement)
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        if not isinstance(compiled, SQLCompiler) or _is_special(compiled):
            raise TooSpecial
        self._constants = _defaults(compiled)
        self._writers: list[tuple[str, Process, bool]] = []
        for name in compiled.positiontup or ():
            bind = compiled.binds[name]
            if name not in names:
                if bind.key in names or (bind.required and name not in self._constants):
                    raise TooSpecial
                self._constants.setdefault(name, bind.effective_value)
            self._writers.append((name, _writer(bind.type, dialect), bind.expanding))
        self._has_lists = any(is_list for _, _, is_list in self._writers)
        self._template = compiled.string
        self._texts: dict[tuple[int, ...], str] = {}
        if len({column.key for column in columns}) != len(columns):
            raise TooSpecial
        self.returns_rows = bool(columns)
        """Whether the statement has rows to tell."""
        readers = (_reader(column.type, dialect) for column in columns)
        self._names: tuple[str, ...] = ()
        self._readers = [(at, read) for at, read in enumerate(readers) if read is not None]

    def bind(self, values: Values) -> tuple[str, list[Any]]:
        """Return the text, and the values in its order, as the driver takes them.

        Raises TooSpecial for an empty list, which is no plain SQL.
        """
        if self._constants:
            values = {**self._constants, **values}
        if not self._has_lists:
            return self._template, [
                values[name] if write is None else write(values[name])
                for name, write, _ in self._writers
            ]
        bound: list[Any] = []
        lengths: list[int] = []
        for name, write, is_list in self._writers:
            value = values[name]
            if is_list:
                lengths.append(len(value))
                bound.extend(value if write is None else map(write, value))
            else:
                bound.append(value if write is None else write(value))
        return self._text(tuple(lengths)), bound

    def rows(self, cursor: sqlite3.Cursor) -> Sequence[RowMapping]:
        """Return all rows as mappings from the columns' names to what their values mean."""
        # Asked for once: the driver makes a description anew each time.
        names = self._names = self._names or tuple(column[0] for column in cursor.description)
        made = []
        for row in cursor.fetchall():
            values = list(row)
            for at, read in self._readers:
                values[at] = read(values[at])
            made.append(dict(zip(names, values, strict=True)))
        # A mapping by name is all that anybody here asks of a RowMapping.
        return cast("Sequence[RowMapping]", made)

    def _text(self, lengths: tuple[int, ...]) -> str:
        text = self._texts.get(lengths)
        if text is None:
            if 0 in lengths or len(self._texts) >= FORMS_MAX:
                raise TooSpecial
            left = iter(lengths)
            text = _LIST.sub(lambda _: ", ".join("?" * next(left)), self._template)
            self._texts[lengths] = text
        return text


class Preparer:
    """Runs statements that it has seen before; one per connection."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        # Weak: a statement that was made for one run is never seen again, and forgotten.
        self._known: WeakKeyDictionary[Plain, dict[tuple[str, ...], Prepared | None]] = (
            WeakKeyDictionary()
        )

    def run(self, raw: sqlite3.Connection, statement: Statement) -> Outcome | None:
        """Run the statement; None, and nothing was run, when it is SQLAlchemy's to run.

        Raises what SQLAlchemy raises.
        """
        given = statement.parameters or {}
        many = (given,) if isinstance(given, Mapping) else given
        prepared = self._prepared(statement.executable, tuple(many[0])) if many else None
        if prepared is None or (len(many) > 1 and prepared.returns_rows):
            return None
        try:
            bound = [prepared.bind(values) for values in many]
        except Exception:
            # It says in its own words what is wrong with a value, and does more than this.
            return None
        text = bound[0][0]
        try:
            if len(bound) == 1:
                cursor = raw.execute(text, bound[0][1])
            else:
                cursor = raw.executemany(text, [values for _, values in bound])
            rows = prepared.rows(cursor) if prepared.returns_rows else ()
        except sqlite3.Error as error:
            raise self._told(text, error) from error
        return Outcome(rows, cursor.rowcount)

    def _prepared(self, executable: Executable, names: tuple[str, ...]) -> Prepared | None:
        if not isinstance(executable, Select | Insert | Update | Delete):
            return None
        forms = self._known.get(executable)
        if forms is None:
            self._known[executable] = {}
            return None
        if names not in forms:
            if len(forms) >= FORMS_MAX:
                return None
            try:
                forms[names] = Prepared(executable, names, self._dialect)
            except TooSpecial:
                forms[names] = None
        return forms[names]

    def _told(self, text: str, error: sqlite3.Error) -> BaseException:
        return DBAPIError.instance(
            text, None, error, sqlite3.Error, hide_parameters=True, dialect=self._dialect
        )


def _is_special(compiled: SQLCompiler) -> bool:
    return bool(
        compiled.escaped_bind_names
        or compiled.literal_execute_params
        or compiled.update_prefetch
        or len(_LIST.findall(compiled.string)) != len(compiled.post_compile_params)
        or compiled.string.count("POSTCOMPILE") != len(compiled.post_compile_params)
    )


def _defaults(compiled: SQLCompiler) -> dict[str, Any]:
    """Return the values of columns that have one unless they are given another."""
    defaults: dict[str, Any] = {}
    for column in compiled.insert_prefetch:
        default = column.default
        if not isinstance(default, ColumnDefault) or not default.is_scalar:
            raise TooSpecial
        defaults[column.key] = default.arg
    return defaults


def _writer(kind: TypeEngine[Any], dialect: Dialect) -> Process:
    if isinstance(kind, UtcDateTime):
        return partial(kind.process_bind_param, dialect=dialect)
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Process:
    if isinstance(kind, Uuid) and kind.as_uuid:
        return _uuid
    if isinstance(kind, UtcDateTime):
        return partial(kind.process_result_value, dialect=dialect)
    return kind.dialect_impl(dialect).result_processor(dialect, None)


@lru_cache(maxsize=IDS_KEPT)
def _uuid(stored: str | None) -> UUID | None:
    # The same few ids come back in row after row, and making one costs more than finding it.
    return None if stored is None else UUID(stored)


def _columns(statement: Plain) -> Sequence[ColumnElement[Any]]:
    """Return the columns of the statement's rows."""
    found = (
        statement.selected_columns
        if isinstance(statement, Select)
        else (statement.exported_columns)
    )
    return list(found)
