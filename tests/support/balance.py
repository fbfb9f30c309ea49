"""Shares the tests out between the workers of a run so that none waits for another at its end.

A worker gets the tests of one file on one engine at a time: what a file sets up is set up once,
and all that runs on SQLite comes before what runs on PostgreSQL, so that a mesh that the files
share lives until its engine is done. The longest come first; whatever is left at the end is short.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

ENGINES: Final = ("sqlite", "postgresql")

# Each of their tests starts meshes of its own, for many seconds: they need not stay together.
ONE_BY_ONE: Final = (
    "tests/e2e/test_calls_survive_kill.py",
    "tests/e2e/test_survives_kill.py",
    "tests/e2e/test_stop_and_start.py",
)
# What takes longer than some ten seconds on an engine, the longest first.
LONGEST: Final = (
    *ONE_BY_ONE,
    "tests/e2e/test_schemathesis.py",
    "tests/service/api_gateway/",
    "tests/e2e/test_outbound.py",
    "tests/service/flow_manager/test_activeflows.py",
    "tests/service/call_manager/test_dialer_wire.py",
    "tests/e2e/",
    "tests/conformance/",
    "tests/referee/",
    "tests/service/call_manager/",
    "tests/service/",
    "tests/sip/",
    "tests/architecture/",
)


class ByFileAndEngine(LoadScopeScheduling):
    """Gives a worker a file's tests on one engine at a time, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        # It would begin with the files of the most tests, which are not the longest.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)


def share_of(nodeid: str) -> str:
    """Return the name of the share that a test belongs to."""
    path, _, _ = nodeid.partition("::")
    return nodeid if path in ONE_BY_ONE else f"{path} {_engine(nodeid)}"


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return the tests by engine, and the longest of each engine first."""
    return sorted(items, key=_turn)


def _turn(item: pytest.Item) -> tuple[int, int]:
    path, _, _ = item.nodeid.partition("::")
    starts = (turn for turn, start in enumerate(LONGEST) if path.startswith(start))
    engine = _engine(item.nodeid)
    # What knows no engine is mostly short, so it fills the end.
    phase = ENGINES.index(engine) if engine else len(ENGINES)
    return phase, next(starts, len(LONGEST))


def _engine(nodeid: str) -> str:
    # As pytest writes it: `file::test[sqlite-further-parameters]`.
    words = re.split(r"[\[\]-]", nodeid.partition("::")[2])
    return next((engine for engine in ENGINES if engine in words), "")
