"""Which calls money and caps let through, one after the other; pure.

Each call is judged by what the calls before it left. One that is refused leaves no trace in any
cap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from call_manager.billing import cells
from call_manager.billing.domain import FREE, Account, AccountStatus, Movement, Plan, Rate
from call_manager.billing.errors import (
    BillingAccountNotActive,
    CallRateReached,
    CallsAtOnceReached,
    DailySpendReached,
    InsufficientBalance,
    NumberCalledTooOften,
    ProviderFull,
    ProviderRateReached,
    RateMissing,
)
from call_manager.billing.ledger import Entry
from call_manager.billing.rates import StoredRate, chosen
from call_manager.billing.terms import Limit, Terms
from call_manager.billing.usage import ProviderUsage
from call_manager.call.domain import Address, AddressType, Call, Dialroute, ProviderCaps
from call_manager.call.failover import may_fail_over
from call_manager.call.sip_address import number_in
from call_manager.errors import Refusal
from mesh.numbers import e164


def billed_number(destination: Address) -> str:
    """Return the E.164 number that a carrier is asked to ring; empty when it is none."""
    number = number_in(destination)
    if number is None or destination.type is AddressType.TEL:
        # The rules have written it as E.164 by now.
        return number or ""
    return e164(number) or ""


def tried(call: Call) -> tuple[Dialroute, ...]:
    """Return the carriers a call may go to: the first one only, where nothing fails over."""
    return call.dialroutes if may_fail_over(call) else call.dialroutes[:1]


@dataclass(slots=True)
class Counters:
    """What there is and what is in use of it, held while calls are judged."""

    account: Account
    providers: dict[UUID, ProviderUsage]
    """Of a provider without caps only what is counted here: nobody asks for the rest."""
    numbers: dict[str, int]
    """How often each number was called today."""
    rates: Sequence[StoredRate] = ()
    entries: list[Entry] = field(default_factory=list)
    """What the calls let through are reserved with."""


class Admission:
    """Judges the calls of one creation at one moment; what it lets through it counts."""

    def __init__(self, counters: Counters, now: datetime, longest_call_s: float) -> None:
        """`longest_call_s` is the platform's limit."""
        self._now, self._now_us = now, cells.microseconds(now)
        self._platform_s = max(1, -int(-longest_call_s // 1))
        self.counters = counters
        account = counters.account
        if account.status is not AccountStatus.ACTIVE:
            raise BillingAccountNotActive(account.status.value)

    def admit(self, call: Call) -> Call:
        """Return the call with what it was given; raises Refusal, and nothing is counted then."""
        number = billed_number(call.destination)
        self._check_number(call.position, number)
        next_us = self._check_customer(call.position)
        routes, taken = self._routed(call, number)
        most, longest_s = self._reserved(call, routes)
        self._count(call, number, most, next_us)
        if taken is not None:
            self.counters.providers[taken.provider_id] = taken
        return replace(
            call,
            dialroutes=routes,
            duration_max_s=longest_s,
            slot_provider_id=None if taken is None else taken.provider_id,
            reserved=most,
        )

    def _check_number(self, index: int, number: str) -> None:
        cap = self.counters.account.caps.calls_per_number
        if cap and number and self.counters.numbers.get(number, 0) >= cap:
            raise NumberCalledTooOften(index, cap, number, self._until_tomorrow_s())

    def _check_customer(self, index: int) -> int:
        account = self.counters.account
        caps = account.caps
        if caps.calls_at_once and account.live_calls >= caps.calls_at_once:
            raise CallsAtOnceReached(index, caps.calls_at_once)
        taken = cells.take(caps.calls_per_second, account.next_call_us, self._now_us)
        if taken.retry_after_s:
            raise CallRateReached(index, caps.calls_per_second, taken.retry_after_s)
        return taken.next_us

    def _routed(
        self, call: Call, number: str
    ) -> tuple[tuple[Dialroute, ...], ProviderUsage | None]:
        """Return the carriers that are left, with their terms, and the first one's use."""
        if not call.dialroutes:
            return (), None
        wanted = tried(call)
        rated = [(route, rate) for route in wanted if (rate := self._rate(route, number))]
        if not rated:
            raise RateMissing(call.position, number)
        on_terms = [replace(route, terms=self._terms(rate, route.caps)) for route, rate in rated]
        payable = [route for route in on_terms if route.terms.longest_s]
        if not payable:
            raise self._too_poor(call.position, min(rate.cost(1) for _, rate in rated))
        full: Refusal | None = None
        for at, route in enumerate(payable):
            try:
                taken = self._slot(call.position, route)
            except Refusal as refusal:
                full = full or refusal
                continue
            never_tried = call.dialroutes[len(wanted) :]
            return (*payable[at:], *never_tried), taken
        raise full or RateMissing(call.position, number)

    def _slot(self, index: int, route: Dialroute) -> ProviderUsage:
        used = self.counters.providers.get(route.provider_id)
        usage = ProviderUsage(route.provider_id) if used is None else used
        return slot(index, route, usage, self._now_us)

    def _rate(self, route: Dialroute, number: str) -> Rate | None:
        found = chosen(self.counters.rates, route.provider_id, number)
        if found is not None:
            return found.rate
        # The plan `unlimited` needs no rate.
        return FREE if self.counters.account.plan_type is Plan.UNLIMITED else None

    def _terms(self, rate: Rate, caps: ProviderCaps) -> Terms:
        """Return what a call costs and how long it may last; for 0 s when nothing pays for it."""
        most_s, limit = self._allowed(caps)
        for amount, by in self._amounts():
            paid_s = rate.longest_s(amount, most_s)
            if paid_s < most_s:
                most_s, limit = paid_s, by
        return Terms(rate, most_s, limit)

    def _allowed(self, caps: ProviderCaps) -> tuple[int, Limit]:
        customer_s = self.counters.account.caps.duration_max_s
        limits = [(self._platform_s, Limit.PLATFORM)]
        limits += [(customer_s, Limit.CUSTOMER)] if customer_s else []
        limits += [(caps.duration_max_s, Limit.CARRIER)] if caps.duration_max_s else []
        # Of equal ones the first: the platform's is there before all others.
        return min(limits, key=lambda one: one[0])

    def _amounts(self) -> list[tuple[int, Limit]]:
        """Return what a call may cost, by whatever says so."""
        account = self.counters.account
        found = []
        if account.plan_type is not Plan.UNLIMITED:
            found.append((account.available, Limit.BALANCE))
        if account.caps.daily_spend is not None:
            left = account.caps.daily_spend - account.spent - account.reserved
            found.append((left, Limit.SPEND))
        return found

    def _too_poor(self, index: int, needed: int) -> Refusal:
        account = self.counters.account
        if account.plan_type is not Plan.UNLIMITED and account.available < needed:
            return InsufficientBalance(index, account.available, needed)
        used = account.spent + account.reserved
        cap = account.caps.daily_spend or 0
        return DailySpendReached(index, cap, used, self._until_tomorrow_s())

    def _reserved(self, call: Call, routes: Sequence[Dialroute]) -> tuple[int, int]:
        """Return what a call may cost at most, and how long it may last."""
        if not routes:
            return 0, self._allowed(ProviderCaps())[0]
        terms = [route.terms for route in routes]
        most = max(one.most for one in terms)
        entry = Entry(
            Movement.RESERVE, 0, most, call.id,
            provider_id=routes[0].provider_id, number=billed_number(call.destination),
            rate=max(terms, key=lambda one: one.most).rate,
        )  # fmt: skip
        self.counters.entries.append(entry)
        return most, max(one.longest_s for one in terms)

    def _count(self, call: Call, number: str, most: int, next_us: int) -> None:
        account = self.counters.account
        self.counters.account = replace(
            account,
            reserved=account.reserved + most,
            live_calls=account.live_calls + 1,
            next_call_us=next_us,
        )
        if account.caps.calls_per_number and number:
            self.counters.numbers[number] = self.counters.numbers.get(number, 0) + 1

    def _until_tomorrow_s(self) -> float:
        tomorrow = self._now.astimezone(UTC).date() + timedelta(days=1)
        return (datetime.combine(tomorrow, time(), UTC) - self._now).total_seconds()


def slot(index: int, route: Dialroute, usage: ProviderUsage, now_us: int) -> ProviderUsage:
    """Return a carrier's use with one more call; raises ProviderFull, ProviderRateReached."""
    caps, named = route.caps, str(route.provider_id)
    if caps.calls_at_once and usage.live_calls >= caps.calls_at_once:
        raise ProviderFull(index, named, caps.calls_at_once)
    taken = cells.take(caps.calls_per_second, usage.next_call_us, now_us)
    if taken.retry_after_s:
        raise ProviderRateReached(index, named, caps.calls_per_second, taken.retry_after_s)
    return replace(usage, live_calls=usage.live_calls + 1, next_call_us=taken.next_us)


def rolled(account: Account, now: datetime) -> Account:
    """Return the account with nothing spent yet, when a new day of UTC has begun.

    Who waited for the account over midnight finds tomorrow begun already. A day after that only a
    clock that went back can have left, and nobody is kept out until it comes.
    """
    today = now.astimezone(UTC).date()
    lasting = (today.isoformat(), (today + timedelta(days=1)).isoformat())
    return (
        account if account.spend_day in lasting else replace(account, spend_day=lasting[0], spent=0)
    )


def by_id(usages: Mapping[UUID, ProviderUsage]) -> list[ProviderUsage]:
    """Return providers' use in the order in which they are locked."""
    return [usages[provider_id] for provider_id in sorted(usages)]
