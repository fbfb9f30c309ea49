"""The transaction that `work` sees, and the loop that runs `work` by hand.

`work` is driven with `send`, one statement at a time, by whoever holds the connection. That is
what makes "awaits nothing but `tx`" a rule that is checked, and what lets SQLite's driver run many
transactions in a row with one fsync.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Executable, RowMapping

T = TypeVar("T")

NOTHING_ELSE: Final = "a transaction's work may await nothing but its tx"

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class TransactionDead(RuntimeError):
    """The transaction was used after an error, or after its end. A defect of the work."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one statement did: its rows (none for a plain write), and how many it touched."""

    rows: Sequence[RowMapping]
    count: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement on its way to the driver; awaiting it yields it to whoever drives."""

    executable: Executable
    parameters: Parameters

    def __await__(self) -> Generator[Statement, Outcome, Outcome]:
        """Hand the statement to the driver and wait for its outcome."""
        return (yield self)


class Transaction:
    """What `work` may await. Unusable after an error: the whole transaction is rolled back."""

    def __init__(self) -> None:
        self.dead = False

    async def all(
        self, statement: Executable, parameters: Parameters = None
    ) -> Sequence[RowMapping]:
        """Run the statement and return all its rows; the statement itself must bound them."""
        return (await self._ask(statement, parameters)).rows

    async def one(self, statement: Executable, parameters: Parameters = None) -> RowMapping:
        """Run the statement and return its one row; raises LookupError for none or several."""
        rows = await self.all(statement, parameters)
        if len(rows) != 1:
            raise LookupError(f"one row was expected, {len(rows)} came")
        return rows[0]

    async def one_or_none(
        self, statement: Executable, parameters: Parameters = None
    ) -> RowMapping | None:
        """Run the statement and return its row, or None; raises LookupError for several."""
        rows = await self.all(statement, parameters)
        if len(rows) > 1:
            raise LookupError(f"at most one row was expected, {len(rows)} came")
        return rows[0] if rows else None

    async def scalar(self, statement: Executable, parameters: Parameters = None) -> Any:
        """Run the statement and return the first column of its one row."""
        row = await self.one(statement, parameters)
        return next(iter(row.values()))

    async def run(self, statement: Executable, parameters: Parameters = None) -> int:
        """Run a write and return how many rows it touched; a list of parameters runs it for each.

        Caps, leases and reservations are conditional `UPDATE`s: zero rows means refused.
        """
        return (await self._ask(statement, parameters)).count

    async def _ask(self, executable: Executable, parameters: Parameters) -> Outcome:
        if self.dead:
            raise TransactionDead("the transaction has failed or ended")
        return await Statement(executable, parameters)


Work = Callable[[Transaction], Coroutine[Any, Any, T]]
"""An async function of a transaction; awaits nothing but it."""


async def drive(
    work: Work[T],
    tx: Transaction,
    execute: Callable[[Statement], Awaitable[Outcome]],
    context: Context,
) -> T:
    """Run `work` to its end in `context`, executing each statement it awaits outside of it.

    Raises the first error of a statement even when `work` swallows it, for the transaction can
    no longer be committed, and TypeError when `work` awaits anything else.
    """
    coroutine = context.run(work, tx)
    failure: BaseException | None = None
    outcome: Outcome | None = None
    try:
        while True:
            asked = _step(coroutine, outcome, failure, context)
            if not isinstance(asked, Statement):
                tx.dead = True
                failure = TypeError(NOTHING_ELSE)
                continue
            try:
                outcome = await execute(asked)
            except Exception as error:
                tx.dead, failure = True, error
    except StopIteration as end:
        if failure is not None:
            raise failure from None
        return end.value  # type: ignore[no-any-return]
    finally:
        tx.dead = True
        coroutine.close()


def _step(
    coroutine: Coroutine[Any, Any, T],
    outcome: Outcome | None,
    failure: BaseException | None,
    context: Context,
) -> object:
    try:
        if failure is not None:
            return context.run(coroutine.throw, failure)
        return context.run(coroutine.send, outcome)
    except CancelledError as error:
        # Nobody cancels the work; it must have waited for something else that was.
        raise TypeError(NOTHING_ELSE) from error


def at_once(driven: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine that never waits returns: `drive` with an `execute` at hand."""
    try:
        driven.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    driven.close()
    raise RuntimeError("what should run at once waits")
