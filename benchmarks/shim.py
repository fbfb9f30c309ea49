"""GET through the REST shim, as a ratio to asking the service directly over gRPC."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import grpc
from voipbin.route.v1.provider_service_pb2 import ProviderGetRequest
from voipbin.route.v1.provider_service_pb2_grpc import ProviderServiceStub

from benchmarks.http_client import HttpClient
from benchmarks.measuring import Load, closed_loop
from benchmarks.subject import Subject

ROUNDS = 3


async def measure(subject: Subject, clients: int, seconds: float) -> None:
    """Print both rates and their ratio, from interleaved rounds; medians."""
    direct, shim = [], []
    for _ in range(ROUNDS):
        direct.append(await _direct(subject, clients, seconds))
        shim.append(await _shim(subject, clients, seconds))
    ratios = [b.per_second / a.per_second for a, b in zip(direct, shim, strict=True)]
    print(f"GET one provider, {clients} client(s), median of {ROUNDS} interleaved rounds")
    _line("gRPC, directly", direct)
    _line("REST, through the shim", shim)
    print(f"  shim / direct           {statistics.median(ratios):8.2f}")


def _line(name: str, loads: list[Load]) -> None:
    rate = statistics.median(load.per_second for load in loads)
    p50 = statistics.median(load.percentile_ms(50) for load in loads)
    p99 = statistics.median(load.percentile_ms(99) for load in loads)
    print(f"  {name:<22} {rate:8.0f} /s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms")


async def _direct(subject: Subject, clients: int, seconds: float) -> Load:
    ready = subject.mesh.ready
    headers = (("authorization", f"Bearer {ready['peer_token']}"),)
    async with grpc.aio.insecure_channel(ready["grpc"]["route_manager"]) as channel:
        stub = ProviderServiceStub(channel)

        async def ask() -> None:
            request = ProviderGetRequest(id=subject.provider["id"])
            await stub.ProviderGet(request, timeout=10.0, metadata=headers)

        return await closed_loop([ask] * clients, seconds)


async def _shim(subject: Subject, clients: int, seconds: float) -> Load:
    ready = subject.mesh.ready
    path = f"/v1.0/providers/{subject.provider['id']}"
    async with AsyncExitStack() as stack:
        asks = []
        for _ in range(clients):
            client = await stack.enter_async_context(
                HttpClient(ready["http"], ready["admin"]["token"])
            )
            asks.append(_get(client, path))
        return await closed_loop(asks, seconds)


def _get(client: HttpClient, path: str) -> Callable[[], Awaitable[None]]:
    async def ask() -> None:
        answer = await client.ask("GET", path)
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {answer.body!r}")

    return ask
