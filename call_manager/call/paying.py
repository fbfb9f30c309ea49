"""The rules about who pays: nobody calls while dialling is off, or at an account's loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from call_manager.billing.domain import MICROS, AccountStatus, Plan
from call_manager.billing.errors import (
    BillingAccountNotActive,
    DialingDisabled,
    InsufficientBalance,
)
from call_manager.call.domain import AddressType
from call_manager.call.judging import Asked, Draft, Numbers

AVAILABLE_MIN: Final = MICROS // 100
"""What a prepaid account must have available before anything is asked for: 0.01 US dollars."""


class DialingEnabled:
    """Dial nothing while the platform's kill switch is off.

    How the customer stands is looked up with it, in one go, for the rules after this one.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    async def __call__(self, asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Raise DialingDisabled while it is off, and whatever keeps us from looking."""
        standing = await self._numbers.standing(asked.customer_id)
        if not standing.dialing.enabled:
            raise DialingDisabled(standing.dialing.reason)
        return [replace(draft, standing=standing) for draft in drafts]


async def balance(asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
    """Keep customers from calling whose account does not pay (CONTRACT.md section 3.10).

    Raises BillingAccountNotActive. What a call costs, and whether the account has it, is decided
    when the call is stored.
    """
    return [_payable(asked, draft) for draft in drafts]


def _payable(asked: Asked, draft: Draft) -> Draft:
    account = draft.standing.account
    if account is not None and account.status is not AccountStatus.ACTIVE:
        raise BillingAccountNotActive(account.status.value)
    if account is not None and account.plan_type is Plan.UNLIMITED:
        return draft
    # Who has no account gets one when its first call is stored, with nothing in it.
    available = 0 if account is None else account.available
    costs = asked.forced_providers or draft.destination.type is AddressType.TEL
    if available >= AVAILABLE_MIN or not costs:
        return draft
    return replace(draft, refusal=InsufficientBalance(draft.index, available, AVAILABLE_MIN))
