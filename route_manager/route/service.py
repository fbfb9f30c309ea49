"""What can be done with routes, and where a call goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog

from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.pagination import PageRequest
from route_manager.errors import ProviderNotFound, RouteNotFound
from route_manager.provider import repository as providers
from route_manager.route import repository
from route_manager.route.domain import (
    Dialroute,
    Route,
    RouteSettings,
    check_target,
    forced_dialroutes,
    merge_dialroutes,
    target_of,
)

log = structlog.get_logger()


class RouteService:
    """The use cases of routes; who may use them is in the contract."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, customer_id: UUID, settings: RouteSettings) -> Route:
        """Store a new route; raises InvalidRouteTarget and ProviderNotFound."""
        check_target(settings.target)
        route = Route(new_id(), customer_id, settings, tm_create=self._clock.now())

        async def work(tx: Transaction) -> None:
            await _demand_provider(tx, settings.provider_id)
            await repository.insert_route(tx, route)

        await self._database.transact(work, name="route_create")
        log.info("route created", route_id=str(route.id), provider_id=str(settings.provider_id))
        return route

    async def get(self, route_id: UUID) -> Route:
        """Return the route, a deleted one, too; raises RouteNotFound."""

        async def work(tx: Transaction) -> Route | None:
            return await repository.route_by_id(tx, route_id)

        route = await self._database.read(work, name="route_get")
        if route is None:
            raise RouteNotFound(route_id)
        return route

    async def page(
        self, request: PageRequest, customer_id: UUID | None
    ) -> tuple[Sequence[Route], str]:
        """Return one page of routes that are not deleted, and the next page's token.

        `customer_id` None means everybody's.
        """

        async def work(tx: Transaction) -> tuple[Sequence[Route], str]:
            return await repository.route_page(tx, request, customer_id)

        return await self._database.read(work, name="route_list")

    async def update(self, route_id: UUID, changes: Mapping[str, Any]) -> Route:
        """Change some settings, by name; without any, nothing is changed.

        Raises RouteNotFound for a deleted route, too, InvalidRouteTarget and ProviderNotFound.
        """
        if "target" in changes:
            check_target(changes["target"])

        async def work(tx: Transaction) -> Route:
            route = await repository.route_by_id(tx, route_id)
            if route is None or route.tm_delete is not None:
                raise RouteNotFound(route_id)
            if not changes:
                return route
            if "provider_id" in changes:
                await _demand_provider(tx, changes["provider_id"])
            settings = replace(route.settings, **changes)
            updated = replace(route, settings=settings, tm_update=self._clock.now())
            if not await repository.update_route(tx, updated):
                raise RouteNotFound(route_id)
            return updated

        route = await self._database.transact(work, name="route_update")
        log.info("route updated", route_id=str(route_id), fields=sorted(changes))
        return route

    async def delete(self, route_id: UUID) -> Route:
        """Mark the route deleted; the first deletion's time stays. Raises RouteNotFound."""
        now = self._clock.now()

        async def work(tx: Transaction) -> Route | None:
            await repository.delete_route(tx, route_id, now)
            return await repository.route_by_id(tx, route_id)

        route = await self._database.transact(work, name="route_delete")
        if route is None:
            raise RouteNotFound(route_id)
        log.info("route deleted", route_id=str(route_id))
        return route

    async def dialroutes(self, customer_id: UUID, number: str) -> Sequence[Dialroute]:
        """Return the providers to try for a number, in order; none when nobody serves it.

        Raises InvalidDestinationNumber.
        """
        target = target_of(number)

        async def work(tx: Transaction) -> Sequence[Route]:
            return await repository.dialroute_candidates(tx, customer_id, target)

        routes = await self._database.read(work, name="dialroute_list")
        return merge_dialroutes(routes, customer_id, target)

    async def forced_dialroutes(
        self, customer_id: UUID, provider_ids: Sequence[UUID]
    ) -> Sequence[Dialroute]:
        """Return a dialroute for each provider named; raises ProviderNotFound for a bad one."""

        async def work(tx: Transaction) -> set[UUID]:
            return await providers.ids_in_service(tx, provider_ids)

        living = await self._database.read(work, name="dialroute_list_forced")
        for provider_id in provider_ids:
            if provider_id not in living:
                raise ProviderNotFound(provider_id)
        return forced_dialroutes(provider_ids, customer_id)


async def _demand_provider(tx: Transaction, provider_id: UUID) -> None:
    if await providers.provider_in_service(tx, provider_id) is None:
        raise ProviderNotFound(provider_id)
