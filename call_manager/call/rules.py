"""Which destinations may be dialled: one rule after the other, in a stated order.

The order is the contract's (CONTRACT.md section 3.1). Each rule looks at every destination that
is still admitted; the first refusal of all is what a request is told that nothing was left of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from call_manager.call.carriers import Dialroutes, ProviderHosts
from call_manager.call.dialing import bare_number
from call_manager.call.domain import Address, AddressType, Anonymous
from call_manager.call.judging import Asked, Draft, Numbers, Routes, Rule
from call_manager.call.paying import DialingEnabled, balance
from call_manager.call.refusals import NumberTypeNotAllowed
from call_manager.call.sip_address import SipAddress, Undialable, number_in
from call_manager.errors import (
    AnonymousSourceInvalid,
    CustomerNotActive,
    DestinationInvalid,
    DestinationNotAllowed,
    DestinationTypeUnsupported,
    IdentityVerificationRequired,
    SourceNotOwned,
    SourceRequired,
)
from call_manager.outbound_config.domain import Permitted, country_of
from call_manager.outbound_config.number_types import (
    NumberType,
    Prefixes,
    number_types,
    types_at_carrier,
)
from mesh.numbers import e164, is_e164

_OF_THE_WORLD: Final = frozenset({NumberType.SATELLITE, NumberType.GLOBAL})


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
        if number_in(draft.destination) is not None
        else draft
        for draft in drafts
    ]


async def outbound_configuration(_asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
    """Keep to the customer's outbound configuration (CONTRACT.md section 3.1).

    A number must be of a country that may be called, whoever asks, through whichever carrier, and
    also as the user of a SIP address; a SIP address is offered the configuration's codecs.
    """
    return [_permitted(draft.standing.permitted, draft) for draft in drafts]


def _permitted(permitted: Permitted, draft: Draft) -> Draft:
    number = number_in(draft.destination)
    if number is not None:
        # Without + and country code, only the host knows which country `number` is of.
        known = e164(number)
        country = country_of(known) if known is not None else None
        if not (_of_the_world(known, country) or permitted.allows(country)):
            return replace(draft, refusal=DestinationNotAllowed(draft.index, country))
    if draft.destination.type is AddressType.TEL:
        return draft
    return replace(draft, codecs=permitted.codecs)


def _of_the_world(known: str | None, country: str | None) -> bool:
    """Tell whether a number is of no country by its nature.

    No whitelist has it then, and its type says whether it may be called.
    """
    if known is None or country is not None:
        return False
    return not _OF_THE_WORLD.isdisjoint(number_types(known))


class NumberTypes:
    """Keep from numbers of types that are blocked by default (RELIABILITY.md section 2.2).

    Through whichever carrier, and also as the user of a SIP address. `toll_fraud` are the
    prefixes known for toll fraud.
    """

    def __init__(self, toll_fraud: Prefixes) -> None:
        self._toll_fraud = toll_fraud

    async def __call__(self, asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Refuse numbers of a type that the customer's configuration does not allow."""
        forced = bool(asked.forced_providers)
        return [self._typed(draft, to_carrier=forced) for draft in drafts]

    def _typed(self, draft: Draft, *, to_carrier: bool) -> Draft:
        for kind in self._types(draft.destination, to_carrier=to_carrier):
            if not draft.standing.permitted.allows_type(kind):
                return replace(draft, refusal=NumberTypeNotAllowed(draft.index, kind.value))
        return draft

    def _types(self, destination: Address, *, to_carrier: bool) -> tuple[NumberType, ...]:
        number = number_in(destination)
        if number is not None:
            known = e164(number)
            return (NumberType.UNKNOWN,) if known is None else number_types(known, self._toll_fraud)
        # Too short for a number: a name at the host it is for, an emergency call at a carrier.
        return types_at_carrier(SipAddress.parse(destination.target).dialled) if to_carrier else ()


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


def rules(
    routes: Routes,
    numbers: Numbers,
    *,
    private_hosts: bool,
    toll_fraud: Prefixes = frozenset(),
) -> tuple[Rule, ...]:
    """Return every rule in the order of CONTRACT.md section 3.1; a new one is put in its place.

    `private_hosts` lets SIP addresses of loopback and private hosts be dialled: in the lab only.
    `toll_fraud` are prefixes of numbers that are of that type.
    """
    return (
        destination_type,
        DialingEnabled(numbers),
        customer_active,
        identity_verified,
        balance,
        destination_form,
        outbound_configuration,
        NumberTypes(toll_fraud),
        Dialroutes(routes, private_hosts=private_hosts),
        ProviderHosts(routes),
        Source(numbers),
        anonymous,
    )
