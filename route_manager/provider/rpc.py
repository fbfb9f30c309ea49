"""ProviderService over gRPC: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from grpc.aio import ServicerContext
from typing_extensions import override
from voipbin.route.v1 import provider_service_pb2 as pb
from voipbin.route.v1.provider_service_pb2_grpc import ProviderServiceServicer

from mesh.identity import current_caller
from mesh.pagination import PageRequest
from route_manager.key_limits import allowed_providers, named_provider
from route_manager.provider import convert
from route_manager.provider.service import ProviderService

Context = ServicerContext[Any, Any]


class ProviderRpc(ProviderServiceServicer):
    """Serves `voipbin.route.v1.ProviderService`."""

    def __init__(self, providers: ProviderService) -> None:
        self._providers = providers

    @override
    async def ProviderCreate(
        self, request: pb.ProviderCreateRequest, context: Context
    ) -> pb.ProviderCreateResponse:
        made = await self._providers.create(convert.settings_of(request))
        return pb.ProviderCreateResponse(
            provider=convert.provider_to_proto(made.provider, made.warnings)
        )

    @override
    async def ProviderGet(
        self, request: pb.ProviderGetRequest, context: Context
    ) -> pb.ProviderGetResponse:
        provider = await self._providers.get(named_provider(request.id))
        return pb.ProviderGetResponse(provider=convert.provider_to_proto(provider))

    @override
    async def ProviderList(
        self, request: pb.ProviderListRequest, context: Context
    ) -> pb.ProviderListResponse:
        wanted = PageRequest.parse(request.page_size, request.page_token)
        providers, token = await self._providers.page(wanted, allowed_providers(current_caller()))
        shown = [convert.provider_to_proto(provider) for provider in providers]
        result, token = wanted.fit(shown, providers, token)
        return pb.ProviderListResponse(result=result, next_page_token=token)

    @override
    async def ProviderUpdate(
        self, request: pb.ProviderUpdateRequest, context: Context
    ) -> pb.ProviderUpdateResponse:
        now = await self._providers.update(named_provider(request.id), convert.changes_of(request))
        return pb.ProviderUpdateResponse(
            provider=convert.provider_to_proto(now.provider, now.warnings)
        )

    @override
    async def ProviderDelete(
        self, request: pb.ProviderDeleteRequest, context: Context
    ) -> pb.ProviderDeleteResponse:
        gone = await self._providers.delete(named_provider(request.id), if_unused=request.if_unused)
        return pb.ProviderDeleteResponse(
            provider=convert.provider_to_proto(gone.provider, gone.warnings)
        )

    @override
    async def ProviderLint(
        self, request: pb.ProviderLintRequest, context: Context
    ) -> pb.ProviderLintResponse:
        judged = await self._providers.lint(named_provider(request.id))
        return pb.ProviderLintResponse(
            provider=convert.provider_to_proto(judged.provider, judged.warnings)
        )

    @override
    async def ProviderDialConfigGet(
        self, request: pb.ProviderDialConfigGetRequest, context: Context
    ) -> pb.ProviderDialConfigGetResponse:
        provider = await self._providers.in_service(UUID(request.id))
        return pb.ProviderDialConfigGetResponse(provider=convert.dial_config_to_proto(provider))
