"""What can be done with routes, and where a call goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from mesh.clock import Clock, new_id
from mesh.database import Database, Transaction
from mesh.errors import PermissionDenied
from mesh.identity import Caller
from mesh.pagination import PageRequest
from route_manager.errors import ProviderNotFound, RouteNotFound
from route_manager.key_limits import allowed_providers, may_use
from route_manager.provider import repository as providers
from route_manager.provider.domain import OwnHost, own_host
from route_manager.route import repository
from route_manager.route.dialroute import (
    EXPLAINED_MAX,
    Candidate,
    Considered,
    Dialroute,
    Explanation,
    InService,
    Question,
    consider,
    consider_forced,
    tried,
)
from route_manager.route.domain import (
    Route,
    RouteFilter,
    RouteSettings,
    check_target,
    targets_of,
)

log = structlog.get_logger()


class RouteService:
    """The use cases of routes; who may use them is in the contract."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, customer_id: UUID, settings: RouteSettings, caller: Caller) -> Route:
        """Store a new route; raises InvalidRouteTarget and ProviderNotFound."""
        check_target(settings.target)
        _demand_allowed(caller, settings.provider_id)
        route = Route(new_id(), customer_id, settings, tm_create=self._clock.now())

        async def work(tx: Transaction) -> None:
            await _demand_provider(tx, settings.provider_id)
            await repository.insert_route(tx, route)

        await self._database.transact(work, name="route_create")
        log.info("route created", route_id=str(route.id), provider_id=str(settings.provider_id))
        return route

    async def get(self, route_id: UUID, caller: Caller) -> Route:
        """Return the route, a deleted one, too; raises RouteNotFound."""

        async def work(tx: Transaction) -> Route:
            return await _seen(tx, route_id, caller)

        return await self._database.read(work, name="route_get")

    async def page(self, request: PageRequest, wanted: RouteFilter) -> tuple[Sequence[Route], str]:
        """Return one page of routes that are not deleted, and the next page's token."""

        async def work(tx: Transaction) -> tuple[Sequence[Route], str]:
            return await repository.route_page(tx, request, wanted)

        return await self._database.read(work, name="route_list")

    async def update(self, route_id: UUID, changes: Mapping[str, Any], caller: Caller) -> Route:
        """Change some settings, by name; without any, nothing is changed.

        Raises RouteNotFound for a deleted route, too, InvalidRouteTarget and ProviderNotFound.
        """
        if "target" in changes:
            check_target(changes["target"])
        now = self._clock.now()

        async def work(tx: Transaction) -> Route:
            route = await _seen(tx, route_id, caller)
            if route.tm_delete is not None:
                raise RouteNotFound(route_id)
            if not changes:
                return route
            if "provider_id" in changes:
                _demand_allowed(caller, changes["provider_id"])
                await _demand_provider(tx, changes["provider_id"])
            updated = await repository.update_route(tx, route_id, changes, now)
            if updated is None:
                raise RouteNotFound(route_id)
            return updated

        route = await self._database.transact(work, name="route_update")
        log.info("route updated", route_id=str(route_id), fields=sorted(changes))
        return route

    async def delete(self, route_id: UUID, caller: Caller) -> Route:
        """Mark the route deleted; the first deletion's time stays. Raises RouteNotFound."""
        now = self._clock.now()

        async def work(tx: Transaction) -> Route:
            await _seen(tx, route_id, caller)
            await repository.delete_route(tx, route_id, now)
            return await _seen(tx, route_id, caller)

        route = await self._database.transact(work, name="route_delete")
        log.info("route deleted", route_id=str(route_id))
        return route

    async def dialroutes(self, question: Question) -> Sequence[Dialroute]:
        """Return the providers to try for a number, in order; none when nobody serves it.

        Raises InvalidDestinationNumber.
        """
        targets = targets_of(question.number)

        async def work(tx: Transaction) -> Sequence[Candidate]:
            return await repository.candidates_to_try(tx, question.customer_id, targets)

        found = await self._database.read(work, name="dialroute_list")
        return tried(consider(found, question.customer_id, targets))

    async def forced_dialroutes(self, question: Question) -> Sequence[Dialroute]:
        """Return a dialroute for each provider named; raises ProviderNotFound for a bad one."""
        return tried(await self._forced(question))

    async def explain(self, question: Question, caller: Caller) -> Explanation:
        """Tell what was considered for a number and why; nothing is dialled.

        Raises InvalidDestinationNumber, ProviderNotFound for a bad forced provider, and
        PermissionDenied when the caller's key may see some providers only and names none.
        """
        targets = targets_of(question.number)
        if question.provider_ids:
            for provider_id in question.provider_ids:
                _demand_allowed(caller, provider_id)
            considered, truncated = await self._forced(question), False
        elif allowed_providers(caller) is not None:
            raise PermissionDenied("This access key has to name the providers it asks about.")
        else:
            considered, truncated = await self._considered(question, targets)
        # The last is `all`, and the shortest before it is the calling code alone.
        return Explanation(question, targets[-2], targets, considered, truncated)

    async def provider_hosts(self, authorities: Sequence[str]) -> Sequence[str]:
        """Return those of the hosts, each with an optional port, where a provider is."""
        read = {authority: own_host(authority) for authority in authorities}
        asked = {text: one for text, one in read.items() if one is not None}

        async def work(tx: Transaction) -> Collection[OwnHost]:
            return await providers.hosts_in_service(tx, {one.host for one in asked.values()})

        theirs = await self._database.read(work, name="provider_hosts_match")
        return [text for text, one in asked.items() if any(their.is_at(one) for their in theirs)]

    async def _considered(
        self, question: Question, targets: Sequence[str]
    ) -> tuple[Sequence[Considered], bool]:
        async def work(tx: Transaction) -> tuple[Sequence[Candidate], Sequence[Candidate]]:
            customer_id = question.customer_id
            first = await repository.candidates_to_explain(
                tx, customer_id, targets, EXPLAINED_MAX + 1
            )
            return first, await repository.candidates_to_try(tx, customer_id, targets)

        first, to_try = await self._database.read(work, name="dialroute_explain")
        # With those that a call would find: whether a route is passed by depends on who is left,
        # who may come after all that are told.
        found = {one.route.id: one for one in (*first, *to_try)}
        considered = consider(found.values(), question.customer_id, targets)
        return considered[:EXPLAINED_MAX], len(first) > EXPLAINED_MAX

    async def _forced(self, question: Question) -> Sequence[Considered]:
        async def work(tx: Transaction) -> Mapping[UUID, InService]:
            return await repository.in_service(tx, question.provider_ids)

        found = await self._database.read(work, name="dialroute_list_forced")
        for provider_id in question.provider_ids:
            if provider_id not in found:
                raise ProviderNotFound(provider_id)
        return consider_forced(
            {provider_id: found[provider_id] for provider_id in question.provider_ids},
            question.customer_id,
        )


async def _seen(tx: Transaction, route_id: UUID, caller: Caller) -> Route:
    """Return a route, a deleted one, too; raises RouteNotFound, also where a key hides it."""
    route = await repository.route_by_id(tx, route_id)
    if route is None or not may_use(caller, route.settings.provider_id):
        raise RouteNotFound(route_id)
    return route


async def _demand_provider(tx: Transaction, provider_id: UUID) -> None:
    if not await providers.is_in_service(tx, provider_id):
        raise ProviderNotFound(provider_id)


def _demand_allowed(caller: Caller, provider_id: UUID) -> None:
    if not may_use(caller, provider_id):
        raise ProviderNotFound(provider_id)
