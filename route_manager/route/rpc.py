"""RouteService over gRPC: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from grpc.aio import ServicerContext
from typing_extensions import override
from voipbin.route.v1 import route_service_pb2 as pb
from voipbin.route.v1.route_service_pb2_grpc import RouteServiceServicer

from mesh.pagination import PageRequest
from route_manager.convert import optional_uuid
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
        route = await self._routes.create(customer_id, convert.settings_of(request))
        return pb.RouteCreateResponse(route=convert.route_to_proto(route))

    @override
    async def RouteGet(self, request: pb.RouteGetRequest, context: Context) -> pb.RouteGetResponse:
        route = await self._routes.get(UUID(request.id))
        return pb.RouteGetResponse(route=convert.route_to_proto(route))

    @override
    async def RouteList(
        self, request: pb.RouteListRequest, context: Context
    ) -> pb.RouteListResponse:
        customer_id = optional_uuid(request.customer_id)
        filters = {"customer_id": customer_id}
        wanted = PageRequest.parse(request.page_size, request.page_token, filters)
        routes, token = await self._routes.page(wanted, customer_id)
        shown = [convert.route_to_proto(route) for route in routes]
        return pb.RouteListResponse(result=shown, next_page_token=token)

    @override
    async def RouteUpdate(
        self, request: pb.RouteUpdateRequest, context: Context
    ) -> pb.RouteUpdateResponse:
        route = await self._routes.update(UUID(request.id), convert.changes_of(request))
        return pb.RouteUpdateResponse(route=convert.route_to_proto(route))

    @override
    async def RouteDelete(
        self, request: pb.RouteDeleteRequest, context: Context
    ) -> pb.RouteDeleteResponse:
        route = await self._routes.delete(UUID(request.id))
        return pb.RouteDeleteResponse(route=convert.route_to_proto(route))

    @override
    async def DialrouteList(
        self, request: pb.DialrouteListRequest, context: Context
    ) -> pb.DialrouteListResponse:
        customer_id = UUID(request.customer_id)
        if request.provider_ids:
            forced = [UUID(provider_id) for provider_id in request.provider_ids]
            found = await self._routes.forced_dialroutes(customer_id, forced)
        else:
            found = await self._routes.dialroutes(customer_id, request.destination)
        shown = [convert.dialroute_to_proto(dialroute) for dialroute in found]
        return pb.DialrouteListResponse(result=shown)
