"""RouteService over gRPC: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from grpc.aio import ServicerContext
from typing_extensions import override
from voipbin.route.v1 import route_service_pb2 as pb
from voipbin.route.v1.route_service_pb2_grpc import RouteServiceServicer

from mesh.identity import current_caller
from mesh.pagination import PageRequest
from route_manager.route import convert
from route_manager.route.service import RouteService

Context = ServicerContext[Any, Any]


class RouteRpc(RouteServiceServicer):
    """Serves `voipbin.route.v1.RouteService`."""

    def __init__(self, routes: RouteService) -> None:
        self._routes = routes

    @override
    async def RouteCreate(
        self, request: pb.RouteCreateRequest, context: Context
    ) -> pb.RouteCreateResponse:
        customer_id = UUID(request.customer_id)
        settings = convert.settings_of(request)
        route = await self._routes.create(customer_id, settings, current_caller())
        return pb.RouteCreateResponse(route=convert.route_to_proto(route))

    @override
    async def RouteGet(self, request: pb.RouteGetRequest, context: Context) -> pb.RouteGetResponse:
        route = await self._routes.get(UUID(request.id), current_caller())
        return pb.RouteGetResponse(route=convert.route_to_proto(route))

    @override
    async def RouteList(
        self, request: pb.RouteListRequest, context: Context
    ) -> pb.RouteListResponse:
        wanted = convert.filter_of(request, current_caller())
        filters = {"customer_id": wanted.customer_id, "provider_id": wanted.provider_id}
        page = PageRequest.parse(request.page_size, request.page_token, filters)
        routes, token = await self._routes.page(page, wanted)
        shown = [convert.route_to_proto(route) for route in routes]
        result, token = page.fit(shown, routes, token)
        return pb.RouteListResponse(result=result, next_page_token=token)

    @override
    async def RouteUpdate(
        self, request: pb.RouteUpdateRequest, context: Context
    ) -> pb.RouteUpdateResponse:
        changes = convert.changes_of(request)
        route = await self._routes.update(UUID(request.id), changes, current_caller())
        return pb.RouteUpdateResponse(route=convert.route_to_proto(route))

    @override
    async def RouteDelete(
        self, request: pb.RouteDeleteRequest, context: Context
    ) -> pb.RouteDeleteResponse:
        route = await self._routes.delete(UUID(request.id), current_caller())
        return pb.RouteDeleteResponse(route=convert.route_to_proto(route))

    @override
    async def DialrouteList(
        self, request: pb.DialrouteListRequest, context: Context
    ) -> pb.DialrouteListResponse:
        question = convert.question_of(request)
        if question.provider_ids:
            found = await self._routes.forced_dialroutes(question)
        else:
            found = await self._routes.dialroutes(question)
        shown = [convert.dialroute_to_proto(dialroute) for dialroute in found]
        return pb.DialrouteListResponse(result=shown)

    @override
    async def DialrouteExplain(
        self, request: pb.DialrouteExplainRequest, context: Context
    ) -> pb.DialrouteExplainResponse:
        caller = current_caller()
        question = convert.question_to_explain(request, caller)
        return convert.explanation_to_proto(await self._routes.explain(question, caller))

    @override
    async def ProviderHostsMatch(
        self, request: pb.ProviderHostsMatchRequest, context: Context
    ) -> pb.ProviderHostsMatchResponse:
        theirs = await self._routes.provider_hosts(request.authorities)
        return pb.ProviderHostsMatchResponse(authorities=theirs)
