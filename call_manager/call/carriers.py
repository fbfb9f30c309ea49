"""The rules about carriers: which are tried, and that nobody calls through one past them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from call_manager.call.domain import AddressType, Dialroute
from call_manager.call.judging import Asked, Draft, Routes
from call_manager.call.refusals import ProviderHostNotAllowed
from call_manager.call.sip_address import SipAddress
from call_manager.errors import DestinationInvalid, DirectlyDialled, NoDialroute
from mesh.hosts import answers_nobody, is_private


class Dialroutes:
    """Find the carriers to try; a SIP address has some only when they are forced.

    One that has none is dialled at its own host, which must be on the public Internet unless
    `private_hosts` says otherwise; what a name resolves to is judged when it is dialled.
    """

    def __init__(self, routes: Routes, *, private_hosts: bool) -> None:
        self._routes = routes
        self._private_hosts = private_hosts

    async def __call__(self, asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Refuse what no carrier serves; raises when the carriers cannot be asked for."""
        if asked.forced_providers:
            found = await self._routes.forced(asked.customer_id, asked.forced_providers)
            return [_routed(asked, draft, found) for draft in drafts]
        numbers = {
            draft.destination.target
            for draft in drafts
            if draft.destination.type is AddressType.TEL
        }
        by_number = await self._routes.of_numbers(asked.customer_id, sorted(numbers))
        return [
            _routed(asked, draft, by_number.get(draft.destination.target, ()))
            if draft.destination.type is AddressType.TEL
            else self._direct(asked, draft)
            for draft in drafts
        ]

    def _direct(self, asked: Asked, draft: Draft) -> Draft:
        if asked.provider_ids:
            # No carrier that the caller may use has a part in it.
            return replace(draft, refusal=DirectlyDialled(draft.index))
        host = SipAddress.parse(draft.destination.target).host
        if answers_nobody(host) or (is_private(host) and not self._private_hosts):
            return replace(draft, refusal=DestinationInvalid(draft.index, draft.destination.target))
        return draft


class ProviderHosts:
    """Keep customers from calling through a carrier as if it were anybody's host.

    Carriers know us by our address, so that whatever is dialled there is at our expense.
    """

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    async def __call__(self, _asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Refuse SIP addresses at a carrier's own host; raises when that cannot be asked."""
        direct = {
            draft.index: SipAddress.parse(draft.destination.target).authority
            for draft in drafts
            if not draft.dialroutes
        }
        if not direct:
            return drafts
        theirs = await self._routes.of_providers(sorted(set(direct.values())))
        return [
            replace(draft, refusal=ProviderHostNotAllowed(draft.index))
            if direct.get(draft.index) in theirs
            else draft
            for draft in drafts
        ]


def _routed(asked: Asked, draft: Draft, dialroutes: tuple[Dialroute, ...]) -> Draft:
    if asked.provider_ids:
        dialroutes = tuple(one for one in dialroutes if one.provider_id in asked.provider_ids)
    if dialroutes:
        return replace(draft, dialroutes=dialroutes)
    return replace(draft, refusal=NoDialroute(draft.index, draft.destination.target))
