"""What the engines' errors mean: run again, unavailable, or the work's own mistake."""

from __future__ import annotations

import sqlite3
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from mesh.errors import ServiceOverloaded, ServiceUnavailable

_SQLITE_BUSY_CODES: Final = frozenset({5, 6})  # SQLITE_BUSY, SQLITE_LOCKED
# Serialisation failure, deadlock, lock timeout.
_POSTGRES_RETRY_STATES: Final = frozenset({"40001", "40P01", "55P03"})
# Classes of states (PostgreSQL, appendix A) that no statement of ours is to blame for: connection,
# rollback, no resources (a full disk), no lock, an operator (a restart), system, its own defect.
_POSTGRES_OWN_CLASSES: Final = frozenset({"08", "40", "53", "55", "57", "58", "XX"})
_READ_ONLY: Final = "25006"
"""The server has become a replica."""

log = structlog.get_logger()


def too_many() -> ServiceOverloaded:
    """Return the refusal of whom there is no room for."""
    return ServiceOverloaded("Too many requests wait for the database.", retry_after_s=1.0)


def too_slow() -> ServiceOverloaded:
    """Return the refusal of whoever waited too long to begin."""
    return ServiceOverloaded("The database is too busy to answer in time.", retry_after_s=1.0)


def unavailable(error: BaseException, name: str) -> ServiceUnavailable:
    """Return, and log, that the database could not do the transaction `name`."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    log.error("the database failed", transaction=name, error=str(cause))
    return ServiceUnavailable("The database cannot answer now.", retry_after_s=1.0)


def is_the_databases(error: DBAPIError) -> bool:
    """Tell the database's failure from a mistake of the work, which the work should see."""
    if isinstance(error, IntegrityError):
        return False
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        return True
    # The driver of PostgreSQL tells most of them as errors of no further kind.
    state = _postgres_state(error)
    return state == _READ_ONLY or state[:2] in _POSTGRES_OWN_CLASSES


def wrapped(error: Exception, statement: str) -> Exception:
    """Return SQLite's own error as SQLAlchemy would raise it; any other as it is."""
    if isinstance(error, sqlite3.Error):
        known = DBAPIError.instance(statement, None, error, sqlite3.Error)
        return known if isinstance(known, DBAPIError) else error
    return error


def sqlite_is_busy(error: Exception) -> bool:
    """Tell whether another connection's lock is all that is wrong."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _SQLITE_BUSY_CODES


def postgres_may_run_again(error: DBAPIError) -> bool:
    """Tell whether the transaction certainly did not commit and may succeed the next time."""
    return _postgres_state(error) in _POSTGRES_RETRY_STATES


def _postgres_state(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")
