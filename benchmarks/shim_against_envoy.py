"""REST through the shim, as a ratio to REST through Envoy's gRPC-JSON transcoder.

Envoy stands before two servers: the public gRPC port, so that both check the same credentials
and rights (but it is one process more), and the service itself, where nobody checks a caller.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from voipbin.route.v1 import provider_service_pb2, route_service_pb2

from benchmarks.http_client import HttpClient
from benchmarks.measuring import Load, closed_loop
from benchmarks.subject import Subject
from mesh import contract
from tests.support.envoy import Upstream, running_envoy

ROUNDS = 3
NUMBER = "+12025550123"
EVERYBODY = "00000000-0000-0000-0000-000000000001"

Ask = Callable[[HttpClient], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fronts:
    """Where the same two requests are served, as base URLs."""

    shim: str
    envoy_before_door: str
    envoy_before_service: str

    def named(self) -> dict[str, str]:
        """Return each with what it is printed as."""
        return {
            "the shim": self.shim,
            "Envoy, public gRPC": self.envoy_before_door,
            "Envoy, no door": self.envoy_before_service,
        }


@asynccontextmanager
async def fronts(subject: Subject, folder: Path) -> AsyncIterator[Fronts]:
    """Run both Envoys beside the mesh."""
    ready = subject.mesh.ready
    services = list(
        contract.services(provider_service_pb2.DESCRIPTOR, route_service_pb2.DESCRIPTOR)
    )
    peer = (("authorization", f"Bearer {ready['peer_token']}"),)
    door = Upstream(ready["public_grpc"], services)
    service = Upstream(ready["grpc"]["route_manager"], services, peer)
    async with AsyncExitStack() as stack:
        addresses = []
        for name, upstream in (("door", door), ("service", service)):
            (folder / name).mkdir()
            addresses.append(
                await stack.enter_async_context(running_envoy(folder / name, upstream))
            )
        yield Fronts(ready["http"], *(f"http://{address}" for address in addresses))


async def measure(subject: Subject, served: Fronts, clients: int, seconds: float) -> None:
    """Print the rates of GET and POST and their ratios, from interleaved rounds; medians."""
    body = json.dumps({"destination": NUMBER, "customer_id": EVERYBODY}).encode()
    await _compare(
        f"GET one provider, {clients} client(s)",
        _asking("GET", f"/v1.0/providers/{subject.provider['id']}", b""),
        (subject, served, clients, seconds),
    )
    await _compare(
        f"POST to explain a number's routes, {clients} client(s)",
        _asking("POST", "/v1.0/dialroutes/explain", body),
        (subject, served, clients, seconds),
    )


async def _compare(title: str, ask: Ask, how: tuple[Subject, Fronts, int, float]) -> None:
    subject, served, clients, seconds = how
    token = subject.mesh.ready["admin"]["token"]
    loads: dict[str, list[Load]] = {name: [] for name in served.named()}
    for _ in range(ROUNDS):
        for name, url in served.named().items():
            loads[name].append(await _load(url, token, ask, (clients, seconds)))
    print(f"{title}, median of {ROUNDS} interleaved rounds")
    for name, rounds in loads.items():
        rate = statistics.median(load.per_second for load in rounds)
        p50 = statistics.median(load.percentile_ms(50) for load in rounds)
        p99 = statistics.median(load.percentile_ms(99) for load in rounds)
        print(f"  {name:<22} {rate:8.0f} /s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms")
    shim, *envoys = loads.values()
    for name, rounds in zip(list(loads)[1:], envoys, strict=True):
        ratio = statistics.median(
            ours.per_second / theirs.per_second for ours, theirs in zip(shim, rounds, strict=True)
        )
        print(f"  {'shim / ' + name:<26} {ratio:6.2f}")


async def _load(url: str, token: str, ask: Ask, how: tuple[int, float]) -> Load:
    clients, seconds = how
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(HttpClient(url, token)) for _ in range(clients)]
        return await closed_loop([_bound(ask, client) for client in opened], seconds)


def _bound(ask: Ask, client: HttpClient) -> Callable[[], Awaitable[None]]:
    return lambda: ask(client)


def _asking(method: str, path: str, body: bytes) -> Ask:
    async def ask(client: HttpClient) -> None:
        answer = await client.ask(method, path, body)
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body!r}")

    return ask
