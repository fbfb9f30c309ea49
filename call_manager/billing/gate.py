"""Lets calls through, or refuses them, in the transaction that creates them.

Whoever creates calls holds the customer's account until they are stored, so that parallel requests
never overshoot a cap or a balance; and of carriers, what is in use of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from call_manager.billing import metrics, repository, usage
from call_manager.billing.admission import Admission, Counters, billed_number, by_id, rolled, tried
from call_manager.billing.domain import Account
from call_manager.billing.errors import DialingDisabled
from call_manager.billing.usage import ProviderUsage
from call_manager.call.creation import Settled, refused, refused_outcome
from call_manager.call.domain import Call, CallStatus, Dialroute
from call_manager.errors import Refusal
from mesh.clock import Clock
from mesh.database import Transaction


@dataclass(frozen=True, slots=True)
class Gate:
    """Where calls pass that the rules have admitted."""

    clock: Clock
    longest_call_s: float
    """How long the platform lets an answered call last."""

    async def admit(self, tx: Transaction, made: Settled) -> Settled:
        """Return the calls as they are stored: reserved for, or refused and over.

        Raises DialingDisabled, BillingAccountNotActive, and the first refusal when no call is let
        through.
        """
        wanted = [call for call in made.calls if call.status is not CallStatus.HANGUP]
        switch = await repository.dialing(tx)
        if not switch.enabled:
            raise DialingDisabled(switch.reason)
        now = self.clock.now()
        held = await repository.held_account(tx, wanted[0].customer_id, now)
        counters = await _counters(tx, held, wanted, now)
        numbers, providers = dict(counters.numbers), dict(counters.providers)
        judged, first = _judged(Admission(counters, now, self.longest_call_s), made, now)
        if first is not None and all(call.status is CallStatus.HANGUP for call in judged.calls):
            # What a rule refused comes first: it would still be refused for more money.
            raise made.first or first
        await _keep(tx, held, counters, now)
        await _keep_providers(tx, providers, counters.providers)
        await usage.keep_calls_to(tx, held.customer_id, now.date(), numbers, counters.numbers)
        return judged


def _judged(admission: Admission, made: Settled, now: datetime) -> tuple[Settled, Refusal | None]:
    calls, outcomes, first = list(made.calls), list(made.outcomes), None
    for at, call in enumerate(made.calls):
        if call.status is CallStatus.HANGUP:
            continue
        try:
            calls[at] = admission.admit(call)
        except Refusal as refusal:
            first = first or refusal
            calls[at] = refused(call, refusal, now)
            outcomes[at] = refused_outcome(call.id, refusal)
    return Settled(False, tuple(calls), tuple(outcomes)), first


async def _counters(
    tx: Transaction, held: Account, wanted: Sequence[Call], now: datetime
) -> Counters:
    account = rolled(held, now)
    numbers = {number for call in wanted if (number := billed_number(call.destination))}
    routes = [route for call in wanted for route in tried(call)]
    rated = {billed_number(call.destination) for call in wanted if call.dialroutes}
    counted = numbers if account.caps.calls_per_number else ()
    return Counters(
        account,
        await usage.held_providers(tx, _to_hold(routes)),
        await usage.calls_to(tx, held.customer_id, now.date(), counted),
        await repository.rates_for(tx, {one.provider_id for one in routes}, rated),
    )


def _to_hold(routes: Sequence[Dialroute]) -> set[UUID]:
    """Return the carriers whose use decides, and those that come before them in the order of locks.

    The use of the others is only added to, at the end.
    """
    last = max((one.provider_id for one in routes if one.caps.counted), default=None)
    return set() if last is None else {one.provider_id for one in routes if one.provider_id <= last}


async def _keep(tx: Transaction, held: Account, after: Counters, now: datetime) -> None:
    # The entries are what moves the money; all else is as it was counted.
    used = replace(after.account, balance=held.balance, reserved=held.reserved)
    await repository.add_movements(tx, held, after.entries, used, now)


async def _keep_providers(
    tx: Transaction, before: Mapping[UUID, ProviderUsage], after: Mapping[UUID, ProviderUsage]
) -> None:
    for used in by_id(after):
        held = before.get(used.provider_id)
        if held is None:
            await usage.add_calls(tx, used.provider_id, used.live_calls)
        elif used != held:
            await usage.keep_provider(tx, used)


def count(made: Settled, created: Settled) -> None:
    """Tell the metrics which calls were refused here; they are committed now."""
    for before, after in zip(made.outcomes, created.outcomes, strict=False):
        if before.admitted and not after.admitted:
            metrics.REFUSED.labels(after.reason).inc()


@contextmanager
def counting() -> Iterator[None]:
    """Tell the metrics why a creation is refused as a whole."""
    try:
        yield
    except Refusal as refusal:
        metrics.REFUSED.labels(refusal.reason).inc()
        raise
