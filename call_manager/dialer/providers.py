"""Asks route_manager for what an INVITE to a carrier is made of."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from voipbin.route.v1 import provider_service_pb2
from voipbin.route.v1.provider_service_pb2_grpc import ProviderServiceStub

from call_manager.call.convert import dial_config
from call_manager.call.dialing import DialConfig
from mesh.clock import Clock
from mesh.errors import MeshError, ServiceOverloaded
from mesh.remote import RemoteError

_FIRST_DELAY_S: Final = 0.2
_DELAY_S_MAX: Final = 2.0

log = structlog.get_logger()


class ConfigUnavailable(Exception):
    """The carrier cannot be dialled; the text says why in one sentence."""


class Providers:
    """The carriers as route_manager knows them now."""

    def __init__(self, stub: ProviderServiceStub, clock: Clock) -> None:
        self._stub = stub
        self._clock = clock

    async def dial_config(self, provider_id: UUID, not_after: datetime) -> DialConfig:
        """Return how to dial a carrier.

        An answer that did not come is asked for again until `not_after`. Raises
        ConfigUnavailable when route_manager refuses, or that moment has come.
        """
        delay_s = _FIRST_DELAY_S
        request = provider_service_pb2.ProviderDialConfigGetRequest(id=str(provider_id))
        while True:
            try:
                answer = await self._stub.ProviderDialConfigGet(request)
                return dial_config(answer.provider)
            except MeshError as error:
                if not may_ask_again(error):
                    raise ConfigUnavailable(error.message) from error
                log.info("the carrier's configuration did not come", error=error.message)
            left_s = (not_after - self._clock.now()).total_seconds()
            if left_s <= 0:
                raise ConfigUnavailable("The carrier's configuration could not be had in time.")
            await self._clock.sleep(min(delay_s, left_s))
            delay_s = min(delay_s * 2, _DELAY_S_MAX)


def may_ask_again(error: MeshError) -> bool:
    """Tell whether a question that failed may be answered when it is asked once more."""
    if isinstance(error, RemoteError) and error.unknown_end:
        return True
    return error.code is ServiceOverloaded.code
