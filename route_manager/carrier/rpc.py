"""ProviderSetupService over gRPC: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from grpc.aio import ServicerContext
from typing_extensions import override
from voipbin.route.v1 import provider_setup_service_pb2 as pb
from voipbin.route.v1.provider_setup_service_pb2_grpc import ProviderSetupServiceServicer

from mesh.identity import current_caller
from mesh.pagination import PageRequest
from route_manager.carrier import convert
from route_manager.carrier.errors import ProviderSetupNotFound
from route_manager.carrier.service import ProviderSetupService
from route_manager.errors import ProviderNotFound
from route_manager.key_limits import allowed_providers, may_use
from route_manager.provider.convert import provider_to_proto

Context = ServicerContext[Any, Any]


class ProviderSetupRpc(ProviderSetupServiceServicer):
    """Serves `voipbin.route.v1.ProviderSetupService`."""

    def __init__(self, setups: ProviderSetupService) -> None:
        self._setups = setups

    @override
    async def ProviderSetup(
        self, request: pb.ProviderSetupRequest, context: Context
    ) -> pb.ProviderSetupResponse:
        provider = await self._setups.setup(
            convert.order_of(request), convert.key_of(request.credentials)
        )
        return pb.ProviderSetupResponse(provider=provider_to_proto(provider))

    @override
    async def ProviderTeardown(
        self, request: pb.ProviderTeardownRequest, context: Context
    ) -> pb.ProviderTeardownResponse:
        provider_id = UUID(request.id)
        if not may_use(current_caller(), provider_id):
            raise ProviderNotFound(provider_id)
        provider = await self._setups.teardown(provider_id, convert.key_of(request.credentials))
        return pb.ProviderTeardownResponse(provider=provider_to_proto(provider))

    @override
    async def ProviderSetupList(
        self, request: pb.ProviderSetupListRequest, context: Context
    ) -> pb.ProviderSetupListResponse:
        wanted = PageRequest.parse(request.page_size, request.page_token)
        setups, token = await self._setups.page(wanted, allowed_providers(current_caller()))
        shown = [convert.setup_to_proto(setup) for setup in setups]
        result, token = wanted.fit(shown, setups, token)
        return pb.ProviderSetupListResponse(result=result, next_page_token=token)

    @override
    async def ProviderSetupTeardown(
        self, request: pb.ProviderSetupTeardownRequest, context: Context
    ) -> pb.ProviderSetupTeardownResponse:
        setup_id = UUID(request.id)
        # A setup that left something has no provider that a limited key could name.
        if allowed_providers(current_caller()) is not None:
            raise ProviderSetupNotFound(setup_id)
        setup = await self._setups.setup_teardown(setup_id, convert.key_of(request.credentials))
        return pb.ProviderSetupTeardownResponse(setup=convert.setup_to_proto(setup))
