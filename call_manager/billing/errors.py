"""Why money and caps refuse a call; each refusal says what it met and when it is lifted."""

from __future__ import annotations

from grpc import StatusCode

from call_manager.billing.domain import dollars
from call_manager.errors import Refusal


class DialingDisabled(Refusal):
    """The platform's kill switch is off: nobody calls anybody."""

    code, reason = StatusCode.PERMISSION_DENIED, "DIALING_DISABLED"

    def __init__(self, why: str) -> None:
        super().__init__(switched_off(why), why=why)


def switched_off(why: str) -> str:
    """Say that nothing is dialled, and why."""
    return f"Dialling is switched off: {why or 'no reason was given'}"


class InsufficientBalance(Refusal):
    """What is available does not pay for the shortest call (HTTP 402)."""

    code, reason = StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_BALANCE"

    def __init__(self, index: int, available: int, needed: int) -> None:
        super().__init__(
            f"Destination {index} costs {dollars(needed)} US dollars at least, and"
            f" {dollars(available)} are available.",
            index=str(index),
            available=dollars(available),
            needed=dollars(needed),
        )


class BillingAccountNotActive(Refusal):
    """The customer's billing account is frozen or deleted."""

    code, reason = StatusCode.PERMISSION_DENIED, "BILLING_ACCOUNT_NOT_ACTIVE"

    def __init__(self, status: str) -> None:
        super().__init__("The customer's billing account is not active.", status=status)


class RateMissing(Refusal):
    """No carrier that serves the destination has a rate for it."""

    code, reason = StatusCode.PERMISSION_DENIED, "RATE_MISSING"

    def __init__(self, index: int, number: str) -> None:
        super().__init__(
            f"Destination {index} has no rate at any carrier that serves it.",
            index=str(index),
            number=number,
        )


class DailySpendReached(Refusal):
    """What may be spent on a day of UTC does not leave enough for the shortest call."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "DAILY_SPEND_REACHED"

    def __init__(self, index: int, cap: int, used: int, retry_after_s: float) -> None:
        super().__init__(
            f"Destination {index} exceeds the {dollars(cap)} US dollars that may be spent on a"
            f" day; {dollars(used)} are spent or reserved.",
            retry_after_s=retry_after_s,
            index=str(index),
            cap=dollars(cap),
            used=dollars(used),
        )


class CallsAtOnceReached(Refusal):
    """The customer has as many calls as it may have at once."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "CALLS_AT_ONCE_REACHED"

    def __init__(self, index: int, cap: int) -> None:
        super().__init__(
            f"Destination {index} is one more than the {cap} calls the customer may have at once.",
            index=str(index),
            cap=str(cap),
            used=str(cap),
        )


class CallRateReached(Refusal):
    """The customer creates calls faster than it may."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "CALL_RATE_REACHED"

    def __init__(self, index: int, cap: int, retry_after_s: float) -> None:
        super().__init__(
            f"Destination {index} is one more than the {cap} calls the customer may make in a"
            " second.",
            retry_after_s=retry_after_s,
            index=str(index),
            cap=str(cap),
        )


class NumberCalledTooOften(Refusal):
    """The customer called the number as often as it may on a day of UTC."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "NUMBER_CALLED_TOO_OFTEN"

    def __init__(self, index: int, cap: int, number: str, retry_after_s: float) -> None:
        super().__init__(
            f"Destination {index} was called {cap} times today, which is as often as the customer"
            " may.",
            retry_after_s=retry_after_s,
            index=str(index),
            cap=str(cap),
            used=str(cap),
            number=number,
        )


class ProviderFull(Refusal):
    """Every carrier that serves the destination has as many calls as it takes at once."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "PROVIDER_FULL"

    def __init__(self, index: int, provider_id: str, cap: int) -> None:
        super().__init__(
            f"No carrier has room for destination {index}; the first takes {cap} calls at once.",
            index=str(index),
            provider_id=provider_id,
            cap=str(cap),
            used=str(cap),
        )


class ProviderRateReached(Refusal):
    """Every carrier that serves the destination has as many calls a second as it takes."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "PROVIDER_RATE_REACHED"

    def __init__(self, index: int, provider_id: str, cap: int, retry_after_s: float) -> None:
        super().__init__(
            f"No carrier takes destination {index} now; the first takes {cap} calls a second.",
            retry_after_s=retry_after_s,
            index=str(index),
            provider_id=provider_id,
            cap=str(cap),
        )
