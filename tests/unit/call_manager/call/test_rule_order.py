"""The rules stand in the contract's order: who breaks two of them is told the first."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from call_manager.billing.domain import AccountStatus, Plan
from call_manager.billing.repository import Dialing
from call_manager.call.domain import Address, AddressType, Anonymous
from call_manager.call.judging import CustomerFacts
from call_manager.errors import Refusal
from call_manager.outbound_config.domain import Permitted
from mesh.errors import MeshError
from tests.unit.call_manager.call.judged import (
    RICH,
    SOURCE,
    Carriers,
    Owned,
    judge,
    reasons,
    sip,
    tel,
)

AN_AGENT = Address(AddressType.AGENT, "a")
ORDINARY, PREMIUM, IMPOSSIBLE = tel("+12025550123"), tel("+19005550199"), tel("+1")
AT_A_CARRIER = sip("bob@carrier.example")
OFF = Dialing(enabled=False, reason="Somebody is calling Cuba.")
POOR = replace(RICH, balance=9_999)
FROZEN = replace(RICH, status=AccountStatus.FROZEN)
US = Permitted(frozenset({"us"}))
SERVES = Carriers(hosts=frozenset({"carrier.example"}))
NAMED = Address(AddressType.TEL, "bob")


def owned(**fields: Any) -> Owned:
    fields.setdefault("numbers", (SOURCE.target,))
    fields.setdefault("permits", US)
    return Owned(**fields)


async def told(*destinations: Address, **asked: Any) -> str:
    """Return the reason that a request is refused with; empty when something is admitted."""
    asked.setdefault("numbers", owned())
    try:
        drafts, first = await judge(*destinations, **asked)
    except MeshError as refusal:
        return refusal.reason
    assert first is None or all(reasons(drafts))
    return first.reason if first is not None else ""


PAIRS = [
    # Each breaks two rules that stand beside each other.
    (
        "DESTINATION_TYPE_UNSUPPORTED",
        Address(AddressType.AGENT, "a"),
        {"numbers": owned(switch=OFF)},
    ),
    (
        "DIALING_DISABLED",
        ORDINARY,
        {"numbers": owned(switch=OFF), "customer": CustomerFacts("frozen", "verified")},
    ),
    ("CUSTOMER_NOT_ACTIVE", ORDINARY, {"customer": CustomerFacts("frozen", "none")}),
    (
        "IDENTITY_VERIFICATION_REQUIRED",
        ORDINARY,
        {"customer": CustomerFacts("active", "none"), "numbers": owned(pays=POOR)},
    ),
    ("INSUFFICIENT_BALANCE", IMPOSSIBLE, {"numbers": owned(pays=POOR)}),
    ("BILLING_ACCOUNT_NOT_ACTIVE", IMPOSSIBLE, {"numbers": owned(pays=FROZEN)}),
    ("DESTINATION_INVALID", IMPOSSIBLE, {"numbers": owned(permits=Permitted())}),
    ("DESTINATION_NOT_ALLOWED", PREMIUM, {"numbers": owned(permits=Permitted())}),
    ("NUMBER_TYPE_NOT_ALLOWED", PREMIUM, {"carriers": Carriers(served={})}),
    ("NO_DIALROUTE", ORDINARY, {"carriers": Carriers(served={}), "source": None}),
    ("KEY_SCOPE_EXCEEDED", AT_A_CARRIER, {"carriers": SERVES, "keyed": (uuid4(),)}),
    ("PROVIDER_HOST_NOT_ALLOWED", AT_A_CARRIER, {"carriers": SERVES, "source": None}),
    (
        "SOURCE_NOT_OWNED",
        ORDINARY,
        {"source": NAMED, "numbers": owned(numbers=()), "anonymous": Anonymous.YES},
    ),
    (
        "ANONYMOUS_SOURCE_INVALID",
        ORDINARY,
        {"source": NAMED, "skip": True, "anonymous": Anonymous.YES},
    ),
]


@pytest.mark.parametrize(("reason", "destination", "asked"), PAIRS, ids=[one[0] for one in PAIRS])
async def test_who_breaks_two_neighbouring_rules_is_told_the_first(
    reason: str, destination: Address, asked: dict[str, Any]
) -> None:
    assert await told(destination, **asked) == reason


async def test_who_breaks_none_is_admitted() -> None:
    assert await told(ORDINARY) == ""


async def test_the_rule_decides_and_not_the_place_among_the_destinations() -> None:
    # The second destination breaks the earlier rule.
    assert await told(PREMIUM, tel("+442071838750")) == "DESTINATION_NOT_ALLOWED"
    drafts, first = await judge(PREMIUM, ORDINARY, tel("+442071838750"), numbers=owned())
    assert reasons(drafts) == ["NUMBER_TYPE_NOT_ALLOWED", "", "DESTINATION_NOT_ALLOWED"]
    assert first is not None
    assert first.reason == "DESTINATION_NOT_ALLOWED"


async def test_the_kill_switch_says_why_and_ends_the_whole_request() -> None:
    with pytest.raises(Refusal) as caught:
        await judge(ORDINARY, sip("bob@office.example"), numbers=owned(switch=OFF))
    assert caught.value.reason == "DIALING_DISABLED"
    assert "Somebody is calling Cuba." in caught.value.message


async def test_a_cent_is_enough_to_be_looked_at_and_an_unlimited_plan_needs_none() -> None:
    for pays, reason in (
        (None, "INSUFFICIENT_BALANCE"),
        (POOR, "INSUFFICIENT_BALANCE"),
        (replace(POOR, balance=10_000), ""),
        (replace(RICH, reserved=RICH.balance), "INSUFFICIENT_BALANCE"),
        (replace(POOR, balance=-1, plan_type=Plan.UNLIMITED), ""),
        (replace(FROZEN, plan_type=Plan.UNLIMITED), "BILLING_ACCOUNT_NOT_ACTIVE"),
    ):
        assert await told(ORDINARY, numbers=owned(pays=pays)) == reason


async def test_what_costs_nothing_needs_no_balance_but_an_account_that_is_active() -> None:
    bob = sip("bob@office.example")
    assert await told(bob, numbers=owned(pays=POOR)) == ""
    assert await told(bob, numbers=owned(pays=FROZEN)) == "BILLING_ACCOUNT_NOT_ACTIVE"
    # Through a carrier it does cost something.
    assert await told(bob, numbers=owned(pays=POOR), forced=(uuid4(),)) == "INSUFFICIENT_BALANCE"


async def test_carriers_are_asked_for_their_hosts_only_for_whom_none_is_chosen() -> None:
    carriers = Carriers(hosts=frozenset({"carrier.example"}))
    await judge(ORDINARY, carriers=carriers)
    await judge(sip("bob@carrier.example"), carriers=carriers, forced=(uuid4(),))
    assert carriers.hosts_asked == []
    both = sip("bob@carrier.example"), sip("eve@OFFICE.example:5070"), sip("amy@carrier.example")
    drafts, _ = await judge(*both, carriers=carriers)
    assert reasons(drafts) == ["PROVIDER_HOST_NOT_ALLOWED", "", "PROVIDER_HOST_NOT_ALLOWED"]
    assert carriers.hosts_asked == [("OFFICE.example:5070", "carrier.example")]
