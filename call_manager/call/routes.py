"""Asks route_manager which carriers to try."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

from voipbin.route.v1.route_service_pb2 import DialrouteListRequest
from voipbin.route.v1.route_service_pb2_grpc import RouteServiceStub

from call_manager.call.domain import Dialroute
from mesh.errors import ServiceUnavailable
from mesh.remote import RemoteError


class RemoteRoutes:
    """Fulfils `rules.Routes`. A refusal of route_manager's passes through as it is."""

    def __init__(self, stub: RouteServiceStub) -> None:
        self._stub = stub

    async def forced(
        self, customer_id: UUID, provider_ids: Sequence[UUID]
    ) -> tuple[Dialroute, ...]:
        """Return the dialroutes of these carriers, in order.

        Raises RemoteError (PROVIDER_NOT_FOUND) when one does not exist or is deleted, and
        ServiceUnavailable when no answer came.
        """
        wanted = [str(provider_id) for provider_id in provider_ids]
        return await self._ask(
            DialrouteListRequest(customer_id=str(customer_id), provider_ids=wanted)
        )

    async def of_numbers(
        self, customer_id: UUID, numbers: Sequence[str]
    ) -> Mapping[str, tuple[Dialroute, ...]]:
        """Return the dialroutes of each number, all asked at once; they are ten at most.

        Raises RemoteError, and ServiceUnavailable when no answer came.
        """
        found = await asyncio.gather(
            *(
                self._ask(DialrouteListRequest(customer_id=str(customer_id), destination=number))
                for number in numbers
            )
        )
        return dict(zip(numbers, found, strict=True))

    async def _ask(self, request: DialrouteListRequest) -> tuple[Dialroute, ...]:
        try:
            response = await self._stub.DialrouteList(request)
        except RemoteError as error:
            if error.unknown_end:
                # Asking changes nothing there, so nothing at all has happened yet.
                raise ServiceUnavailable(
                    "The carriers cannot be asked for now; nothing was created.",
                    retry_after_s=1.0,
                ) from error
            raise
        return tuple(Dialroute(UUID(one.id), UUID(one.provider_id)) for one in response.result)
