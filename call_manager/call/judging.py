"""How the destinations of a request are judged: rule by rule, over all that are still admitted.

The rules themselves and their order are in `rules`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from call_manager.billing.domain import Account
from call_manager.billing.repository import Dialing
from call_manager.call.domain import Address, Anonymous, Dialroute
from call_manager.errors import Refusal
from call_manager.outbound_config.domain import NOTHING, Permitted

ACTIVE: Final = "active"
VERIFIED: Final = "verified"


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """What is known of the customer who pays; what is not known counts against it."""

    status: str = ""
    identity_verification: str = ""
    rtp_debug: bool = False
    """Whether it has its calls' RTP captured."""

    @property
    def active(self) -> bool:
        """Tell whether the customer may place calls."""
        return self.status == ACTIVE

    @property
    def verified(self) -> bool:
        """Tell whether the customer may call telephone numbers."""
        return self.identity_verification == VERIFIED


NOTHING_KNOWN: Final = CustomerFacts()


@dataclass(frozen=True, slots=True)
class Standing:
    """What this service's own tables say of a customer and of all who call, at one moment."""

    dialing: Dialing = field(default_factory=Dialing)
    account: Account | None = None
    """The account that pays for the customer's calls; None when it never had one."""
    permitted: Permitted = NOTHING
    """What the customer's outbound configuration permits; nothing without one."""


NOTHING_STANDS: Final = Standing()


@dataclass(frozen=True, slots=True)
class Draft:
    """One destination on its way to becoming a call; each rule returns a more finished one."""

    index: int
    call_id: UUID
    destination: Address
    source: Address | None
    dialroutes: tuple[Dialroute, ...] = ()
    """The carriers to try; a SIP address without any is dialled at its own host."""
    codecs: str = ""
    """What is offered to this one SIP address, comma-separated; empty: the platform's own."""
    standing: Standing = NOTHING_STANDS
    """How the customer stands, once it was looked up: the same for all of a request."""
    refusal: Refusal | None = None
    """Why it may not be dialled; no rule looks at it after that."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says about all its destinations."""

    customer_id: UUID
    anonymous: Anonymous
    forced_providers: tuple[UUID, ...]
    skip_source_validation: bool
    customer: CustomerFacts = NOTHING_KNOWN
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

    async def of_providers(self, authorities: Sequence[str]) -> Collection[str]:
        """Return those of the hosts, each with an optional port, that are a carrier's own."""
        ...


class Numbers(Protocol):
    """What this service's own tables say of a customer: whom it may call, as whom, who pays."""

    async def owned(self, customer_id: UUID, number: str) -> bool:
        """Tell whether the E.164 number is the customer's and may be shown."""
        ...

    async def default(self, customer_id: UUID) -> str | None:
        """Return the number the customer's calls show by default, if it may be shown."""
        ...

    async def standing(self, customer_id: UUID) -> Standing:
        """Return whether anything is dialled, who pays, and what the customer may call."""
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
