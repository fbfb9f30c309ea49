"""POST /v1.0/providercalls: how many a second, how long each takes, what a call costs in CPU."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.http_client import HttpClient
from benchmarks.measuring import closed_loop, cpu_between, cpu_s
from benchmarks.subject import Subject

ANSWERED_AT_ONCE = "+12025550110"
"""The simulated carrier answers this number at once; the call is then hung up by us."""

ALL_ENDED_S_MAX = 120.0


async def measure(subject: Subject, clients: int, seconds: float) -> None:
    """Print the rate, the latencies, how the calls ended, and the CPU per call by process."""
    body = json.dumps(
        {
            "provider_id": subject.provider["id"],
            "source": {"type": "tel", "target": "+12025550100"},
            "destinations": [{"type": "tel", "target": ANSWERED_AT_ONCE}],
        }
    ).encode()
    placed: list[str] = []
    refused: Counter[str] = Counter()
    ready = subject.mesh.ready
    before = cpu_s(subject.pids)
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        asks = []
        for _ in range(clients):
            client = await stack.enter_async_context(
                HttpClient(ready["http"], ready["admin"]["token"])
            )
            asks.append(_post(client, body, placed, refused))
        load = await closed_loop(asks, seconds)
    # Few questions until here: what is asked to find out is paid by the processes measured.
    await _over(subject, placed[-clients:])
    wall = time.monotonic() - started
    spent = cpu_between(before, cpu_s(subject.pids))
    ends = await _ends(subject, placed)
    print(f"POST one provider call, {clients} client(s), {seconds:.0f} s")
    print(
        f"  {len(placed) / load.seconds:8.1f} calls/s   p50 {load.percentile_ms(50):6.1f} ms"
        f"   p99 {load.percentile_ms(99):6.1f} ms   refused {dict(refused)}"
    )
    print(f"  all ended after {wall:.1f} s: {dict(ends)}")
    per_call = {name: 1000 * used / max(1, len(placed)) for name, used in spent.items()}
    listed = "  ".join(f"{name} {cost:.1f}" for name, cost in per_call.items())
    print(f"  CPU ms per call: {sum(per_call.values()):.1f}  ({listed})")


def _post(
    client: HttpClient, body: bytes, placed: list[str], refused: Counter[str]
) -> Callable[[], Awaitable[None]]:
    async def ask() -> None:
        answer = await client.ask("POST", "/v1.0/providercalls", body)
        document: Any = json.loads(answer.body)
        if answer.status == 200:
            placed.extend(document["call_ids"])
        else:
            refused[document["error"]["reason"]] += 1

    return ask


async def _over(subject: Subject, placed: list[str]) -> None:
    """Wait until the calls are over, asking four times a second."""
    deadline = time.monotonic() + ALL_ENDED_S_MAX
    for call_id in placed:
        while (await subject.mesh.call(call_id))["status"] != "hangup":
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.25)


async def _ends(subject: Subject, placed: list[str]) -> Counter[str]:
    """Wait until all calls are over; return how many ended for which reason."""
    deadline = time.monotonic() + ALL_ENDED_S_MAX
    waiting, ends = list(placed), Counter[str]()
    while waiting:
        call = await subject.mesh.call(waiting[-1])
        if call["status"] == "hangup":
            ends[call["hangup_reason"]] += 1
            waiting.pop()
        elif time.monotonic() > deadline:
            ends["not over"] += len(waiting)
            break
        else:
            await asyncio.sleep(0.05)
    return ends
