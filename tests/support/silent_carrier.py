"""A carrier that never answers and counts what reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class SilentCarrier(asyncio.DatagramProtocol):
    """A UDP socket on loopback; keeps every datagram it gets and sends none."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.address = ""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.datagrams.append(data)

    def invites(self) -> set[str]:
        """Return the Call-IDs of the INVITEs that came; a retransmission counts once."""
        found = set()
        for datagram in self.datagrams:
            if datagram.startswith(b"INVITE "):
                lines = datagram.decode("utf-8", "replace").split("\r\n")
                found.add(next(line for line in lines if line.lower().startswith("call-id:")))
        return found


@asynccontextmanager
async def silent_carrier() -> AsyncIterator[SilentCarrier]:
    """Listen on a free port; `address` is what a provider's hostname must be."""
    transport, carrier = await asyncio.get_running_loop().create_datagram_endpoint(
        SilentCarrier, local_addr=("127.0.0.1", 0)
    )
    carrier.address = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    try:
        yield carrier
    finally:
        transport.close()
