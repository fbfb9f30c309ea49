"""The transaction that `work` sees, and the loop that runs `work` by hand.

`work` is driven with `send`, one statement at a time, by whoever holds the connection. That is
what makes "awaits nothing but `tx`" a rule that is checked, and what lets a later driver run
many transactions in one thread with one fsync.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Executable, RowMapping

T = TypeVar("T")

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


async def drive(
    work: Callable[[Transaction], Coroutine[Any, Any, T]],
    tx: Transaction,
    execute: Callable[[Statement], Awaitable[Outcome]],
) -> T:
    """Run `work` to its end, executing each statement it awaits.

    Raises the first error of a statement even when `work` swallows it, for the transaction can
    no longer be committed, and TypeError when `work` awaits anything else.
    """
    coroutine = work(tx)
    failure: BaseException | None = None
    outcome: Outcome | None = None
    try:
        while True:
            asked = _step(coroutine, outcome, failure)
            if not isinstance(asked, Statement):
                tx.dead = True
                failure = TypeError("a transaction's work may await nothing but its tx")
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
    coroutine: Coroutine[Any, Any, T], outcome: Outcome | None, failure: BaseException | None
) -> object:
    if failure is not None:
        return coroutine.throw(failure)
    return coroutine.send(outcome)
