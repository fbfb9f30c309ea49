"""Statistics of carriers, by examples that were counted by hand (docs/statistics.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import insert

from call_manager.call import repository as calls
from call_manager.provider_stats import repository
from call_manager.provider_stats.domain import LEGS_MAX, Delays, Window, WindowFigures
from call_manager.provider_stats.service import StatsService
from mesh.clock import new_id
from mesh.database import Transaction
from tests.service.call_manager.calls_world import World

# Rows of calls are copied by hand.
pytestmark = pytest.mark.uncounted

NOW: Final = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
CARRIER, NEXT = new_id(), new_id()


class Ledger:
    """Legs of a carrier, written straight into the table."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._call: dict[str, Any] = {}
        self._calls: list[dict[str, Any]] = []
        self._attempts: list[dict[str, Any]] = []

    async def begin(self) -> Ledger:
        made = await self._world.one_call()
        self._call = dict(await self._world.row(made.id))
        return self

    def call(self) -> UUID:
        """Make another call."""
        call_id = new_id()
        self._calls.append({**self._call, "id": call_id, "position": len(self._calls) + 1})
        return call_id

    def attempt(
        self,
        code: int | None = None,
        *,
        call: UUID | None = None,
        ago: timedelta = timedelta(minutes=30),
        rang: bool = False,
        lasted_s: float | None = None,
        **facts: Any,
    ) -> UUID:
        """Note an attempt that is over, and return its call."""
        call = call or self.call()
        invited = NOW - ago
        ended = invited + timedelta(seconds=5)
        answered = ended if code is not None and code < 300 else None
        if answered is not None:
            ended = answered + timedelta(seconds=lasted_s or 0)
        row: dict[str, Any] = {
            **dict.fromkeys(("sip_call_id", "branch", "from_tag", "local_address"), ""),
            **dict.fromkeys(("remote_address", "request_uri", "from_header", "to_header"), ""),
            **dict.fromkeys(("codec", "sip_reason"), ""),
            "id": new_id(),
            "call_id": call,
            "sequence": len(self._attempts) + 1,
            "leg": 1,
            "provider_id": CARRIER,
            "state": "ended",
            "dial_config": {},
            "cseq": 1,
            "transport": "udp",
            "dns": [],
            "sip_code": code,
            "tm_invite": invited,
            "tm_ringing": invited + timedelta(seconds=1) if rang else None,
            "tm_answered": answered,
            "tm_end": ended if answered is None or lasted_s is not None else None,
            "pdd_ms": None,
            "media_flow": None,
            "mos": None,
            "loss_pct": None,
            "continued": False,
            "test": False,
            "reached": True,
        }
        self._attempts.append({**row, **facts})
        return call

    async def close(self) -> None:
        """Write it all down."""

        async def work(tx: Transaction) -> None:
            await tx.run(insert(calls.CALLS), self._calls)
            for at in range(0, len(self._attempts), 1000):
                await tx.run(insert(calls.ATTEMPTS), self._attempts[at : at + 1000])

        await self._world.database.transact(work, name="test_ledger")


@pytest.fixture
async def ledger(world: World) -> Ledger:
    return await Ledger(world).begin()


async def counted(
    world: World, *windows: Window, provider_id: UUID = CARRIER, legs_max: int = LEGS_MAX
) -> Mapping[Window, WindowFigures]:
    stats = StatsService(world.database, legs_max=legs_max)
    found = await stats.of_provider(provider_id, windows or tuple(Window), NOW)
    return {one.window: one for one in found}


async def test_an_hour_counted_by_hand(world: World, ledger: Ledger) -> None:
    challenged = ledger.attempt(401, continued=True)
    ledger.attempt(
        200, call=challenged, rang=True, lasted_s=60, pdd_ms=1000,
        media_flow="both", mos=4.4, loss_pct=1.0,
    )  # fmt: skip
    ledger.attempt(200, lasted_s=30, pdd_ms=2000, media_flow="none_received")
    ledger.attempt(200, pdd_ms=3000)  # still up
    ledger.attempt(486)
    ledger.attempt(480)
    ledger.attempt(603)
    over = ledger.attempt(503)
    ledger.attempt(404)
    ledger.attempt(None)  # silence
    unreachable = ledger.attempt(None, reached=False)
    ledger.attempt(487, rang=True, pdd_ms=4000)
    ledger.attempt(487)
    ledger.attempt(408, rang=True, pdd_ms=5000)
    ledger.attempt(None, tm_end=None)  # under way
    for call in (over, unreachable):
        ledger.attempt(486, call=call, leg=2, provider_id=NEXT)
    await ledger.close()

    hour = (await counted(world, Window.H1))[Window.H1]
    live = hour.live
    assert not hour.truncated
    assert (live.legs, live.unreached, live.seizures) == (13, 1, 12)
    assert (live.answered, live.delivered, live.unanswered, live.failed_over) == (3, 8, 1, 2)
    # 3 of 12, and 3 + busy + nobody there + rejected + two that rang of 12.
    assert (live.asr_pct, live.ner_pct) == (25.0, 66.67)
    assert (live.acd_s, live.acd_samples) == (45.0, 2)
    assert live.delays == Delays(samples=5, p50_ms=3000, p95_ms=5000)
    assert list(live.codes.items()) == [
        (200, 3), (487, 2), (404, 1), (408, 1), (480, 1), (486, 1), (503, 1), (603, 1)
    ]  # fmt: skip
    assert (live.audios, live.one_way, live.loss_pct, live.mos) == (2, 1, 1.0, 4.4)
    assert hour.test.legs == 0


async def test_what_has_no_sample_has_no_figure(world: World, ledger: Ledger) -> None:
    ledger.attempt(None, reached=False)
    await ledger.close()
    for window in (await counted(world)).values():
        live = window.live
        assert (live.legs, live.seizures) == (1, 0)
        assert [live.asr_pct, live.ner_pct, live.acd_s, live.loss_pct, live.mos] == [None] * 5
        assert live.delays == Delays()
        assert window.test.legs == 0


async def test_tests_are_counted_apart(world: World, ledger: Ledger) -> None:
    ledger.attempt(200, lasted_s=10, pdd_ms=100, test=True)
    ledger.attempt(503, test=True)
    ledger.attempt(200, lasted_s=20, pdd_ms=900)
    await ledger.close()
    hour = (await counted(world, Window.H1))[Window.H1]
    assert (hour.test.legs, hour.test.asr_pct, hour.test.acd_s) == (2, 50.0, 10.0)
    assert (hour.live.legs, hour.live.asr_pct, hour.live.acd_s) == (1, 100.0, 20.0)
    assert (hour.test.delays.p50_ms, hour.live.delays.p50_ms) == (100, 900)


async def test_each_window_holds_the_shorter_ones(world: World, ledger: Ledger) -> None:
    for ago in (timedelta(0), timedelta(hours=2), timedelta(days=2), timedelta(days=8)):
        ledger.attempt(486, ago=ago, pdd_ms=round(ago.total_seconds()))
    ledger.attempt(486, ago=timedelta(days=31))
    ledger.attempt(486, provider_id=NEXT)
    await ledger.close()
    found = await counted(world)
    assert [found[window].live.legs for window in Window] == [1, 2, 3, 4]
    assert [found[window].live.delays.samples for window in Window] == [1, 2, 3, 4]
    assert (await counted(world, Window.H24))[Window.H24] == found[Window.H24]
    assert (await counted(world, provider_id=NEXT))[Window.D30].live.legs == 1


@pytest.mark.parametrize(
    ("samples", "p50", "p95"), [(1, 1, 1), (2, 1, 2), (20, 10, 19), (21, 11, 20), (100, 50, 95)]
)
async def test_percentiles_are_of_the_nearest_rank(
    world: World, ledger: Ledger, samples: int, p50: int, p95: int
) -> None:
    for delay in range(samples, 0, -1):
        ledger.attempt(486, pdd_ms=delay)
    await ledger.close()
    hour = (await counted(world, Window.H1))[Window.H1]
    assert hour.live.delays == Delays(samples, p50, p95)


async def test_of_too_many_legs_the_newest_are_counted_and_it_is_said(
    world: World, ledger: Ledger
) -> None:
    for minutes in range(1, 5):
        ledger.attempt(486, ago=timedelta(minutes=minutes))
    for hours in range(2, 7):
        ledger.attempt(503, ago=timedelta(hours=hours))
    await ledger.close()
    found = await counted(world, legs_max=5)
    hour, day = found[Window.H1], found[Window.H24]
    assert (hour.live.legs, hour.truncated) == (4, False)
    assert (day.live.legs, day.truncated) == (5, True)
    assert dict(day.live.codes) == {486: 4, 503: 1}


async def test_windows_beyond_one_that_is_full_cost_no_more_and_say_the_same(
    world: World, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours in range(1, 9):
        ledger.attempt(486, ago=timedelta(hours=hours * 5), rang=True, pdd_ms=hours * 100)
    await ledger.close()
    begins: list[datetime] = []
    honest = repository.delays

    async def spied(tx: Transaction, of: UUID, begin: datetime, most: int) -> Any:
        begins.append(begin)
        return await honest(tx, of, begin, most)

    monkeypatch.setattr(repository, "delays", spied)
    found = await counted(world, *reversed(Window), legs_max=4)
    assert begins == [NOW - Window.H1.value, NOW - Window.H24.value]
    alone = await counted(world, Window.D30, legs_max=4)
    assert found[Window.D30] == alone[Window.D30]
    assert found[Window.D30].live.delays == Delays(samples=4, p50_ms=200, p95_ms=400)
