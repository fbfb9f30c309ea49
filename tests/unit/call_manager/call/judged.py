"""A judge of destinations whose neighbours say what a test wants them to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

from call_manager.billing.domain import DEFAULT_CAPS, MICROS, Account, AccountStatus, Plan
from call_manager.billing.repository import Dialing
from call_manager.call import rules
from call_manager.call.domain import Address, AddressType, Anonymous, Dialroute
from call_manager.call.judging import Asked, CustomerFacts, Draft, Standing, apply
from call_manager.errors import Refusal
from call_manager.outbound_config.domain import Permitted
from call_manager.outbound_config.number_types import Prefixes

CUSTOMER = uuid4()
ROUTE = Dialroute(uuid4(), uuid4())
SOURCE = Address(AddressType.TEL, "+15550100001", target_name="Desk")
GOOD = CustomerFacts("active", "verified")
EVERYWHERE = Permitted(everywhere=True)
RICH = Account(
    uuid4(), CUSTOMER, Plan.PREPAID, AccountStatus.ACTIVE, MICROS, 0, DEFAULT_CAPS, 0, 0, "", 0,
    datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


@dataclass
class Carriers:
    """Carriers of the numbers a test names; every number's when it names none."""

    served: Mapping[str, tuple[Dialroute, ...]] | None = None
    hosts: frozenset[str] = frozenset()
    questions: list[Sequence[object]] = field(default_factory=list)
    hosts_asked: list[Sequence[str]] = field(default_factory=list)

    async def forced(
        self, customer_id: UUID, provider_ids: Sequence[UUID]
    ) -> tuple[Dialroute, ...]:
        self.questions.append(tuple(provider_ids))
        return tuple(Dialroute(provider_id, provider_id) for provider_id in provider_ids)

    async def of_numbers(
        self, customer_id: UUID, numbers: Sequence[str]
    ) -> Mapping[str, tuple[Dialroute, ...]]:
        self.questions.append(tuple(numbers))
        return self.served if self.served is not None else dict.fromkeys(numbers, (ROUTE,))

    async def of_providers(self, authorities: Sequence[str]) -> frozenset[str]:
        self.hosts_asked.append(tuple(authorities))
        return frozenset(authorities) & self.hosts


@dataclass
class Owned:
    """The numbers of a customer."""

    numbers: tuple[str, ...] = ()
    default_number: str | None = None
    permits: Permitted = EVERYWHERE
    pays: Account | None = RICH
    switch: Dialing = field(default_factory=Dialing)

    async def owned(self, customer_id: UUID, number: str) -> bool:
        return customer_id == CUSTOMER and number in self.numbers

    async def default(self, customer_id: UUID) -> str | None:
        return self.default_number

    async def standing(self, customer_id: UUID) -> Standing:
        return Standing(self.switch, self.pays, self.permits)


def tel(number: str) -> Address:
    return Address(AddressType.TEL, number)


def sip(target: str) -> Address:
    return Address(AddressType.SIP, target)


async def judge(
    *destinations: Address,
    source: Address | None = SOURCE,
    carriers: Carriers | None = None,
    numbers: Owned | None = None,
    anonymous: Anonymous = Anonymous.AUTO,
    forced: tuple[UUID, ...] = (),
    skip: bool = False,
    customer: CustomerFacts = GOOD,
    keyed: tuple[UUID, ...] = (),
    lab: bool = False,
    toll_fraud: Prefixes = frozenset(),
) -> tuple[tuple[Draft, ...], Refusal | None]:
    drafts = [Draft(index, uuid4(), one, source) for index, one in enumerate(destinations)]
    return await apply(
        rules.rules(
            carriers or Carriers(),
            numbers or Owned((SOURCE.target,)),
            private_hosts=lab,
            toll_fraud=toll_fraud,
        ),
        Asked(CUSTOMER, anonymous, forced, skip, customer, keyed),
        drafts,
    )


def reasons(drafts: Sequence[Draft]) -> list[str]:
    return [draft.refusal.reason if draft.refusal else "" for draft in drafts]
