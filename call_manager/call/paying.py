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
    """Dial nothing while the platform's kill switch is off."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    async def __call__(self, _asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Raise DialingDisabled while it is off, and whatever keeps us from looking."""
        dialing = await self._numbers.dialing()
        if not dialing.enabled:
            raise DialingDisabled(dialing.reason)
        return drafts


class Balance:
    """Keep customers from calling whose account does not pay (CONTRACT.md section 3.10).

    What a call costs, and whether the account has it, is decided when the call is stored.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    async def __call__(self, asked: Asked, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """Refuse what costs something to an account with nothing; raises when it is not active."""
        account = await self._numbers.account(asked.customer_id)
        if account is not None and account.status is not AccountStatus.ACTIVE:
            raise BillingAccountNotActive(account.status.value)
        if account is not None and account.plan_type is Plan.UNLIMITED:
            return drafts
        # Who has no account gets one when its first call is stored, with nothing in it.
        available = 0 if account is None else account.available
        if available >= AVAILABLE_MIN:
            return drafts
        return [
            replace(draft, refusal=InsufficientBalance(draft.index, available, AVAILABLE_MIN))
            if asked.forced_providers or draft.destination.type is AddressType.TEL
            else draft
            for draft in drafts
        ]
