"""What can be asked of a carrier outside every call."""

from __future__ import annotations

from call_manager.channel import Channel, NextHop, ProbeResult
from mesh.errors import ServiceOverloaded


class ProbeService:
    """Sends probes, so many at once and no more."""

    def __init__(self, channel: Channel, *, probes_max: int) -> None:
        self._channel = channel
        self._free = probes_max

    async def send(self, hop: NextHop, *, route: str, timeout_s: float) -> ProbeResult:
        """Ask a carrier with OPTIONS; raises ServiceOverloaded when too many are being asked."""
        if not self._free:
            raise ServiceOverloaded("Too many carriers are being probed.", retry_after_s=1.0)
        self._free -= 1
        try:
            return await self._channel.probe(hop, route=route, timeout_s=timeout_s)
        finally:
            self._free += 1
