"""A lossy network between the channel and a carrier that is another process.

The relay stands where the carrier is thought to be, and its port stands in the carrier's Contact,
so that every request goes through it. What is dropped is the test's choice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.sipp import free_udp_port

Address = tuple[str, int]
Loses = Callable[[bytes, bool], bool]
"""Whether a datagram is lost; True as second argument when it goes to the carrier."""


@dataclass
class Relay:
    """What passed and what did not."""

    port: int
    lost: list[bytes] = field(default_factory=list)
    passed: int = 0


class _Side(asyncio.DatagramProtocol):
    def __init__(self, forward: Callable[[bytes, Address], None]) -> None:
        self._forward = forward

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._forward(data, addr)


@asynccontextmanager
async def relay(carrier: int, loses: Loses) -> AsyncIterator[Relay]:
    """Pass datagrams between whoever sends to the relay and the carrier's port."""
    made = Relay(free_udp_port())
    callers: list[Address] = []
    there, here = f":{carrier}".encode(), f":{made.port}".encode()

    def out(data: bytes, source: Address) -> None:
        callers[:] = [source]
        send(far, data.replace(here, there), ("127.0.0.1", carrier), True)

    def back(data: bytes, _source: Address) -> None:
        if callers:
            send(near, data.replace(there, here), callers[0], False)

    def send(side: asyncio.DatagramTransport, data: bytes, target: Address, outwards: bool) -> None:
        if loses(data, outwards):
            made.lost.append(data)
        else:
            made.passed += 1
            side.sendto(data, target)

    loop = asyncio.get_running_loop()
    near, _ = await loop.create_datagram_endpoint(
        lambda: _Side(out), local_addr=("127.0.0.1", made.port)
    )
    far, _ = await loop.create_datagram_endpoint(lambda: _Side(back), local_addr=("127.0.0.1", 0))
    try:
        yield made
    finally:
        near.close()
        far.close()
