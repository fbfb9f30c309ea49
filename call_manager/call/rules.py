"""Which destinations may be dialled: one rule after the other, in a stated order.

The order is the contract's (CONTRACT.md section 3.1). Each rule looks at every destination that
is still admitted; the first refusal of all is what a request is told that nothing was left of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from call_manager.call.dialing import bare_number
from call_manager.call.domain import Address, AddressType, Anonymous, Dialroute
from call_manager.call.judging import Asked, Draft, Numbers, Routes, Rule
from call_manager.call.sip_address import SipAddress, Undialable
from call_manager.errors import (
    AnonymousSourceInvalid,
    CustomerNotActive,
    DestinationInvalid,
    DestinationNotAllowed,
    DestinationTypeUnsupported,
    DirectlyDialled,
    IdentityVerificationRequired,
    NoDialroute,
    SourceNotOwned,
    SourceRequired,
)
from call_manager.outbound_config.domain import Permitted, country_of
from mesh.hosts import answers_nobody, is_private
from mesh.numbers import e164, is_e164


async def destination_type(_asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
    """Serve `tel` and `sip` destinations, and no others."""
    served = (AddressType.TEL, AddressType.SIP)
    return [
        draft
        if draft.destination.type in served
        else replace(
            draft,
            refusal=DestinationTypeUnsupported(draft.index, draft.destination.type.value),
        )
        for draft in drafts
    ]


async def destination_form(_asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
    """Turn numbers into E.164, which is all that is passed on; refuse impossible ones."""
    return [_well_formed(draft) for draft in drafts]


def _well_formed(draft: Draft) -> Draft:
    destination = draft.destination
    if destination.type is AddressType.TEL:
        number = e164(destination.target)
        if number is not None:
            return replace(draft, destination=replace(destination, target=number))
    else:
        try:
            SipAddress.parse(destination.target)
            return draft
        except Undialable:
            pass
    return replace(draft, refusal=DestinationInvalid(draft.index, destination.target))


async def customer_active(asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
    """Keep customers whose account is not active from calling; raises CustomerNotActive."""
    if not asked.customer.active:
        raise CustomerNotActive(asked.customer.status)
    return drafts


async def identity_verified(asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
    """Keep customers whose identity nobody has verified from telephone numbers."""
    if asked.customer.verified:
        return drafts
    return [
        replace(draft, refusal=IdentityVerificationRequired(draft.index))
        if _number_in(draft.destination) is not None
        else draft
        for draft in drafts
    ]


def _number_in(destination: Address) -> str | None:
    """Return the telephone number that may ring, or None.

    A SIP address can hold one, and its host can be a carrier that trusts and bills us: who may not
    call a number may not write it as an address either.
    """
    if destination.type is AddressType.TEL:
        return destination.target
    try:
        return SipAddress.parse(destination.target).number
    except Undialable:
        return None


class OutboundConfiguration:
    """Keep to the customer's outbound configuration (CONTRACT.md section 3.1).

    A number must be of a country that may be called, whoever asks, through whichever carrier, and
    also as the user of a SIP address; a SIP address is offered the configuration's codecs.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    async def __call__(self, asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Refuse where the customer may not call; raises when that cannot be looked up."""
        permitted = await self._numbers.permitted(asked.customer_id)
        return [_permitted(permitted, draft) for draft in drafts]


def _permitted(permitted: Permitted, draft: Draft) -> Draft:
    number = _number_in(draft.destination)
    if number is not None:
        # Without + and country code, only the host knows which country `number` is of.
        known = e164(number)
        country = country_of(known) if known is not None else None
        if not permitted.allows(country):
            return replace(draft, refusal=DestinationNotAllowed(draft.index, country))
    if draft.destination.type is AddressType.TEL:
        return draft
    return replace(draft, codecs=permitted.codecs)


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


def _routed(asked: Asked, draft: Draft, dialroutes: tuple[Dialroute, ...]) -> Draft:
    if asked.provider_ids:
        dialroutes = tuple(one for one in dialroutes if one.provider_id in asked.provider_ids)
    if dialroutes:
        return replace(draft, dialroutes=dialroutes)
    return replace(draft, refusal=NoDialroute(draft.index, draft.destination.target))


class Source:
    """Choose who is shown as calling (CONTRACT.md section 3.6).

    Given and not to be checked: as given. Given for a number to call: the customer's own, else
    the customer's default. Given for a SIP address: as given. Not given: the default.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    async def __call__(self, asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Refuse a source that is not the customer's when there is no default."""
        return [await self._sourced(asked, draft) for draft in drafts]

    async def _sourced(self, asked: Asked, draft: Draft) -> Draft:
        given = draft.source
        if given is not None and await self._passes(asked, draft.destination, given):
            return draft
        default = await self._numbers.default(asked.customer_id)
        if default is not None:
            shown = Address(AddressType.TEL, default, target_name=default)
            return replace(draft, source=shown)
        refusal = SourceRequired() if given is None else SourceNotOwned(given.target)
        return replace(draft, refusal=refusal)

    async def _passes(self, asked: Asked, destination: Address, given: Address) -> bool:
        if asked.skip_source_validation or destination.type is not AddressType.TEL:
            return True
        number = e164(given.target) if given.type is AddressType.TEL else None
        return number is not None and await self._numbers.owned(asked.customer_id, number)


async def anonymous(asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
    """A hidden caller is asserted to the carrier by number, so there must be one."""
    if asked.anonymous is not Anonymous.YES:
        return drafts
    # Without a carrier nobody is told who calls.
    return [_assertable(draft) if draft.dialroutes else draft for draft in drafts]


def _assertable(draft: Draft) -> Draft:
    target = draft.source.target if draft.source is not None else ""
    if is_e164(bare_number(target)):
        return draft
    return replace(draft, refusal=AnonymousSourceInvalid(target))


def rules(routes: Routes, numbers: Numbers, *, private_hosts: bool) -> tuple[Rule, ...]:
    """Return every rule in the order of CONTRACT.md section 3.1; a new one is put in its place.

    `private_hosts` lets SIP addresses of loopback and private hosts be dialled: in the lab only.
    """
    return (
        destination_type,
        customer_active,
        identity_verified,
        destination_form,
        OutboundConfiguration(numbers),
        Dialroutes(routes, private_hosts=private_hosts),
        Source(numbers),
        anonymous,
    )
