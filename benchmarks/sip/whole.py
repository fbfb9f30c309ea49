"""One call_manager as it runs in production: CallsCreate over gRPC to the final row on disk."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from voipbin.call.v1 import address_pb2, call_service_pb2, call_service_pb2_grpc

from benchmarks.measuring import cpu_s
from benchmarks.sip.round import Round
from mesh.clients import MeshChannel, channel
from mesh.clock import new_id
from mesh.identity import LAB_PEER
from mesh.metadata import plain_to_value
from tests.support.running_mesh import RunningMesh, running_mesh

POLL_S: Final = 0.005
"""How often the rows are looked at; by another process, so it costs call_manager nothing."""

FIRST_NUMBER: Final = 2_000_000
"""Every call goes to a number of its own, as in life; whoever remembers some gains no more."""

ALL_ENDED_S_MAX: Final = 60.0

_LIVE: Final = "SELECT count(*) FROM call WHERE dial_state IN ('queued', 'claimed')"
_RIGHT: Final = "SELECT count(*) FROM call WHERE hangup_reason = 'normal' AND hangup_by = 'local'"


class CallManager:
    """A whole mesh whose call_manager is asked directly, as route_manager asks it."""

    def __init__(self, mesh: RunningMesh, provider_id: str, asking: MeshChannel) -> None:
        self._pids = {"call_manager": mesh.pid("call_manager")}
        self._database = mesh.data_dir / "call_manager.db"
        self._provider_id = provider_id
        self._customer_id = mesh.ready["admin"]["customer_id"]
        self._calls = call_service_pb2_grpc.CallServiceStub(asking)
        self._numbers = count(FIRST_NUMBER)

    @property
    def pid(self) -> int:
        """call_manager's process."""
        return self._pids["call_manager"]

    async def place(self, window: int, seconds: float) -> Round:
        """Place calls for `seconds`, `window` at a time, one CallsCreate each.

        Without a flow, an answered call is hung up at once. A call counts as live until its row
        says that it is over.
        """
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as rows:
            right, started, before = _count(rows, _RIGHT), time.monotonic(), cpu_s(self._pids)
            placed = await self._load(rows, window, started + seconds)
            async with asyncio.timeout(ALL_ENDED_S_MAX):
                while _count(rows, _LIVE):  # noqa: ASYNC110 - it is another process
                    await asyncio.sleep(POLL_S)
            wall = time.monotonic() - started
            used = cpu_s(self._pids)["call_manager"] - before["call_manager"]
            return Round(placed, placed - (_count(rows, _RIGHT) - right), wall, used)

    async def _load(self, rows: sqlite3.Connection, window: int, end: float) -> int:
        placed, asked = 0, set[asyncio.Task[None]]()
        while time.monotonic() < end:
            free = max(0, window - _count(rows, _LIVE) - len(asked))
            asked |= {asyncio.create_task(self._create()) for _ in range(free)}
            placed += free
            await asyncio.sleep(POLL_S)
            done = {task for task in asked if task.done()}
            await asyncio.gather(*done)
            asked -= done
        await asyncio.gather(*asked)
        return placed

    async def _create(self) -> None:
        await self._calls.CallsCreate(self._wish())

    def _wish(self) -> call_service_pb2.CallsCreateRequest:
        not_after = Timestamp()
        not_after.FromDatetime(datetime.now(UTC) + timedelta(seconds=60))
        return call_service_pb2.CallsCreateRequest(
            id=str(new_id()),
            call_ids=[str(new_id())],
            customer_id=self._customer_id,
            destinations=[_tel(f"+1202{next(self._numbers)}")],
            source=_tel("+12025550100"),
            metadata={
                "route_provider_ids": plain_to_value([self._provider_id]),
                "skip_source_validation": plain_to_value(True),
            },
            dial_not_after=not_after,
            customer=call_service_pb2.CustomerFacts(
                status="active", identity_verification="verified"
            ),
        )


def _tel(number: str) -> address_pb2.Address:
    return address_pb2.Address(type=address_pb2.ADDRESS_TYPE_TEL, target=number)


def _count(rows: sqlite3.Connection, query: str) -> int:
    (counted,) = rows.execute(query).fetchone()
    return int(counted)


@asynccontextmanager
async def call_manager(folder: Path, carrier_port: int) -> AsyncIterator[CallManager]:
    """Run a mesh in `folder` whose only provider is the carrier at that port of loopback."""
    async with running_mesh(folder / "data") as mesh:
        provider = await mesh.a_provider(f"127.0.0.1:{carrier_port}")
        asking = channel(
            mesh.ready["grpc"]["call_manager"],
            call_service_pb2.DESCRIPTOR,
            token=mesh.peer_token(LAB_PEER),
        )
        async with asking:
            yield CallManager(mesh, provider["id"], asking)
