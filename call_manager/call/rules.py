"""Which destinations may be dialled: one rule after the other, in a stated order.

The order is the contract's (CONTRACT.md section 3.1). Each rule looks at every destination that
is still admitted; the first refusal of all is what a request is told that nothing was left of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from call_manager.call.dialing import Undialable, bare_number, sip_uri
from call_manager.call.domain import Address, AddressType, Anonymous, Dialroute
from call_manager.errors import (
    AnonymousSourceInvalid,
    DestinationInvalid,
    DestinationNotAllowed,
    DestinationTypeUnsupported,
    IdentityVerificationRequired,
    NoDialroute,
    Refusal,
    SourceNotOwned,
    SourceRequired,
)
from call_manager.outbound_config.domain import Permitted, country_of
from mesh.numbers import e164, is_e164


@dataclass(frozen=True, slots=True)
class Draft:
    """One destination on its way to becoming a call; each rule returns a more finished one."""

    index: int
    call_id: UUID
    destination: Address
    source: Address | None
    dialroutes: tuple[Dialroute, ...] = ()
    codecs: str = ""
    """What is offered to this one SIP address, comma-separated; empty: the platform's own."""
    refusal: Refusal | None = None
    """Why it may not be dialled; no rule looks at it after that."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says about all its destinations."""

    customer_id: UUID
    anonymous: Anonymous
    forced_providers: tuple[UUID, ...]
    skip_source_validation: bool
    verified: bool = True
    """Whether the customer may call telephone numbers."""
    provider_ids: tuple[UUID, ...] = ()
    """The only carriers the caller may use; empty for no such limit."""


class Routes(Protocol):
    """Where the carriers of a destination are asked for."""

    async def forced(
        self, customer_id: UUID, provider_ids: Sequence[UUID]
    ) -> tuple[Dialroute, ...]:
        """Return the dialroutes of these carriers, in order; raises when one does not exist."""
        ...

    async def of_numbers(
        self, customer_id: UUID, numbers: Sequence[str]
    ) -> Mapping[str, tuple[Dialroute, ...]]:
        """Return the dialroutes of each E.164 number; an unserved number has none."""
        ...


class Numbers(Protocol):
    """What a customer may show as a source."""

    async def owned(self, customer_id: UUID, number: str) -> bool:
        """Tell whether the E.164 number is the customer's and may be shown."""
        ...

    async def default(self, customer_id: UUID) -> str | None:
        """Return the number the customer's calls show by default, if it may be shown."""
        ...

    async def permitted(self, customer_id: UUID) -> Permitted:
        """Return what the customer's outbound configuration permits; nothing without one."""
        ...


Rule = Callable[[Asked, Sequence[Draft]], Awaitable[Sequence[Draft]]]
"""One rule over all drafts that are still admitted: returns them in the same order, finished a
little more or refused. It raises only what ends the whole request."""


async def apply(
    rules: Sequence[Rule], asked: Asked, drafts: Sequence[Draft]
) -> tuple[tuple[Draft, ...], Refusal | None]:
    """Run the rules in order; return the drafts, and the first refusal of all if there is one."""
    current, first = {draft.index: draft for draft in drafts}, None
    for rule in rules:
        admitted = [draft for draft in current.values() if draft.refusal is None]
        if not admitted:
            break
        for draft in await rule(asked, admitted):
            current[draft.index] = draft
            first = first or draft.refusal
    return tuple(current.values()), first


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
            sip_uri(destination.target)
            return draft
        except Undialable:
            pass
    return replace(draft, refusal=DestinationInvalid(draft.index, destination.target))


async def identity_verified(asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
    """Keep customers whose identity nobody has verified from telephone numbers."""
    if asked.verified:
        return drafts
    return [
        replace(draft, refusal=IdentityVerificationRequired(draft.index))
        if draft.destination.type is AddressType.TEL
        else draft
        for draft in drafts
    ]


class OutboundConfiguration:
    """Keep to the customer's outbound configuration (CONTRACT.md section 3.1).

    A number must be of a country that may be called, whoever asks and through whichever carrier;
    a SIP address is offered the configuration's codecs.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    async def __call__(self, asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Refuse where the customer may not call; raises when that cannot be looked up."""
        permitted = await self._numbers.permitted(asked.customer_id)
        return [_permitted(permitted, draft) for draft in drafts]


def _permitted(permitted: Permitted, draft: Draft) -> Draft:
    if draft.destination.type is not AddressType.TEL:
        return replace(draft, codecs=permitted.codecs)
    country = country_of(draft.destination.target)
    if permitted.allows(country):
        return draft
    return replace(draft, refusal=DestinationNotAllowed(draft.index, country))


class Dialroutes:
    """Find the carriers to try; a SIP address has some only when they are forced."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

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
            _routed(asked, draft, by_number.get(draft.destination.target, ())) for draft in drafts
        ]


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
    return [_assertable(draft) for draft in drafts]


def _assertable(draft: Draft) -> Draft:
    target = draft.source.target if draft.source is not None else ""
    if is_e164(bare_number(target)):
        return draft
    return replace(draft, refusal=AnonymousSourceInvalid(target))


def rules(routes: Routes, numbers: Numbers) -> tuple[Rule, ...]:
    """Return every rule in the order of CONTRACT.md section 3.1; a new one is put in its place."""
    return (
        destination_type,
        identity_verified,
        destination_form,
        OutboundConfiguration(numbers),
        Dialroutes(routes),
        Source(numbers),
        anonymous,
    )
