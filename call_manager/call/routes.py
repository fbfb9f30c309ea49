"""Asks route_manager which carriers to try."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from voipbin.route.v1 import route_pb2
from voipbin.route.v1.route_service_pb2 import DialrouteListRequest, ProviderHostsMatchRequest
from voipbin.route.v1.route_service_pb2_grpc import RouteServiceStub

from call_manager.call.domain import Dialroute, ProviderCaps
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

    async def of_providers(self, authorities: Sequence[str]) -> frozenset[str]:
        """Return those of the hosts, each with an optional port, that are a carrier's.

        Raises ServiceUnavailable when no answer came.
        """
        with _nothing_happened():
            answer = await self._stub.ProviderHostsMatch(
                ProviderHostsMatchRequest(authorities=authorities)
            )
        return frozenset(answer.authorities)

    async def _ask(self, request: DialrouteListRequest) -> tuple[Dialroute, ...]:
        with _nothing_happened():
            response = await self._stub.DialrouteList(request)
        return tuple(_dialroute(one) for one in response.result)


@contextmanager
def _nothing_happened() -> Iterator[None]:
    """Say that nothing at all has happened where the answer did not come: we only asked."""
    try:
        yield
    except RemoteError as error:
        if error.unknown_end:
            raise ServiceUnavailable(
                "The carriers cannot be asked for now; nothing was created.",
                retry_after_s=1.0,
            ) from error
        raise


def _dialroute(found: route_pb2.Dialroute) -> Dialroute:
    caps = ProviderCaps(found.calls_per_second, found.calls_at_once, found.duration_max)
    return Dialroute(UUID(found.id), UUID(found.provider_id), caps)
