"""All SQL over legs that are counted. A question looks at `LEGS_MAX` rows of one index at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Double,
    Integer,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from call_manager.call.repository import ATTEMPTS
from call_manager.media.judging import Flow
from call_manager.provider_stats.domain import (
    DELIVERED_CODES,
    DELIVERED_IF_RUNG,
    HIGH_PCT,
    MEDIAN_PCT,
    Delays,
    Group,
    Window,
)
from mesh.database import Transaction

_A: Final = ATTEMPTS.c
_ONE_WAY: Final = (Flow.NONE_RECEIVED, Flow.NONE_ARRIVED, Flow.NONE)


class _SecondsBetween(FunctionElement[float]):
    """The seconds from the first time to the second."""

    type = Double()
    inherit_cache = True


@compiles(_SecondsBetween, "sqlite")
def _seconds_on_sqlite(element: _SecondsBetween, compiler: SQLCompiler, **how: Any) -> str:
    begin, end = (compiler.process(one, **how) for one in element.clauses)
    return f"(julianday({end}) - julianday({begin})) * 86400.0"


@compiles(_SecondsBetween, "postgresql")
def _seconds_on_postgres(element: _SecondsBetween, compiler: SQLCompiler, **how: Any) -> str:
    begin, end = (compiler.process(one, **how) for one in element.clauses)
    return f"EXTRACT(EPOCH FROM {end} - {begin})::double precision"


async def groups(
    tx: Transaction, provider_id: UUID, begins: Mapping[Window, datetime], most: int
) -> Sequence[Group]:
    """Return a carrier's legs since the earliest begin, counted in groups."""
    legs = _legs(provider_id, min(begins.values()), most)
    lengths = sorted(begins, key=lambda window: window.value)
    shortest = case(
        *((legs.c.tm_invite >= begins[window], at) for at, window in enumerate(lengths)),
        else_=len(lengths) - 1,
    ).label("shortest")
    kinds = (shortest, legs.c.test, legs.c.sip_code, legs.c.pending)
    statement = select(*kinds, *_counts(legs)).group_by(*kinds)
    return [
        Group(window=lengths[row["shortest"]], code=row["sip_code"], **_counted(row))
        for row in await tx.all(statement)
    ]


async def delays(
    tx: Transaction, provider_id: UUID, begin: datetime, most: int
) -> Mapping[bool, Delays]:
    """Return the post-dial delays of a carrier's legs, of tests under True.

    A percentile is the nearest rank's: the smallest that so many percent do not exceed.
    """
    legs = _legs(provider_id, begin, most)
    placed = (
        select(
            legs.c.test,
            legs.c.pdd_ms,
            func.row_number().over(partition_by=legs.c.test, order_by=legs.c.pdd_ms).label("place"),
            func.count().over(partition_by=legs.c.test).label("samples"),
        )
        .where(legs.c.pdd_ms.is_not(None), ~legs.c.pending)
        .subquery()
    )
    ranks = [(placed.c.samples * pct + 99) // 100 for pct in (MEDIAN_PCT, HIGH_PCT)]
    statement = select(placed, *(placed.c.place == rank for rank in ranks)).where(
        placed.c.place.in_(ranks)
    )
    found: dict[bool, Delays] = {}
    by_kind: dict[bool, list[tuple[int, int, int]]] = {}
    for row in await tx.all(statement):
        one = (row["place"], row["pdd_ms"], row["samples"])
        by_kind.setdefault(bool(row["test"]), []).append(one)
    for test, ranked in by_kind.items():
        ranked.sort()
        found[test] = Delays(samples=ranked[0][2], p50_ms=ranked[0][1], p95_ms=ranked[-1][1])
    return found


def _legs(provider_id: UUID, begin: datetime, most: int) -> CTE:
    """Select a carrier's newest legs, each by its last attempt, in the order of their index."""
    later = ATTEMPTS.alias("later")
    went_on = select(literal(1)).where(later.c.call_id == _A.call_id, later.c.leg > _A.leg).exists()
    return (
        select(
            _A.tm_invite,
            _A.test,
            _A.sip_code,
            _A.reached,
            _A.tm_ringing,
            _A.tm_answered,
            _A.tm_end,
            _A.pdd_ms,
            _A.media_flow,
            _A.loss_pct,
            _A.mos,
            and_(_A.tm_answered.is_(None), _A.tm_end.is_(None)).label("pending"),
            # Only what nobody answered goes on.
            and_(_A.tm_answered.is_(None), went_on).label("failed_over"),
        )
        .where(
            _A.provider_id == bindparam("of", provider_id, unique=True),
            _A.tm_invite >= begin,
            ~_A.continued,
        )
        .order_by(_A.tm_invite.desc())
        .limit(most)
        .cte("legs")
    )


def _counts(legs: CTE) -> tuple[ColumnElement[Any], ...]:
    leg = legs.c
    answered = leg.tm_answered.is_not(None)
    rung = leg.tm_ringing.is_not(None)
    delivered = or_(
        answered,
        leg.sip_code.in_(DELIVERED_CODES),
        and_(rung, leg.sip_code.in_(DELIVERED_IF_RUNG)),
    )
    lasted = case((answered, _SecondsBetween(leg.tm_answered, leg.tm_end)))
    audio = leg.media_flow.is_not(None)
    return (
        func.count().label("legs"),
        _times(~leg.reached).label("unreached"),
        _times(answered).label("answered"),
        _times(delivered).label("delivered"),
        _times(leg.failed_over).label("failed_over"),
        func.count(lasted).label("durations"),
        _sum(lasted).label("duration_s"),
        _times(audio).label("audios"),
        _times(leg.media_flow.in_([flow.value for flow in _ONE_WAY])).label("one_way"),
        func.count(leg.loss_pct).label("losses"),
        _sum(leg.loss_pct).label("loss_pct_sum"),
        func.count(leg.mos).label("scores"),
        _sum(leg.mos).label("mos_sum"),
    )


def _times(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0, type_=Integer())


def _sum(values: ColumnElement[Any]) -> ColumnElement[float]:
    return func.coalesce(func.sum(values), 0.0, type_=Double())


def _counted(row: Mapping[Any, Any]) -> dict[str, Any]:
    counted = {
        name: int(row[name])
        for name in (
            *("legs", "unreached", "answered", "delivered", "failed_over"),
            *("durations", "audios", "one_way", "losses", "scores"),
        )
    }
    sums = {
        "duration_s": float(row["duration_s"]),
        "loss_pct": float(row["loss_pct_sum"]),
        "mos": float(row["mos_sum"]),
    }
    return {**counted, **sums, "test": bool(row["test"]), "pending": bool(row["pending"])}
