"""Accounts and movements as customers and super-admins see them, on both engines."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from voipbin.call.v1 import billing_account_pb2 as account_pb
from voipbin.call.v1 import billing_account_service_pb2 as pb
from voipbin.call.v1 import billing_pb2
from voipbin.call.v1 import billing_service_pb2 as billings_pb

from call_manager.billing_account.service import BillingAccountService
from call_manager.outbound_config.errors import LabModeNeeded
from mesh.clock import ZERO_ID, SystemClock, new_id
from mesh.remote import RemoteError
from tests.service.call_manager.calls_world import facts, refusal
from tests.service.call_manager.money_desk import Desk, money_desk
from tests.support.node import a_super_admin, an_identity

AT_ONCE = 8
TOP_UP = billing_pb2.BILLING_TRANSACTION_TYPE_TOP_UP
ADJUSTMENT = billing_pb2.BILLING_TRANSACTION_TYPE_ADJUSTMENT
RESERVE = billing_pb2.BILLING_TRANSACTION_TYPE_RESERVE


@pytest.fixture
async def desk(tmp_path: Path, database_url: str) -> AsyncIterator[Desk]:
    async with money_desk(tmp_path, database_url) as running:
        yield running


async def outcomes(*asked: Coroutine[Any, Any, Any]) -> tuple[list[Any], Counter[str]]:
    """Return what was answered, and how often each reason was given."""
    told = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in told if isinstance(one, BaseException)]
    assert all(isinstance(one, RemoteError) for one in refused), refused
    answered = [one for one in told if not isinstance(one, BaseException)]
    return answered, Counter(one.reason for one in refused if isinstance(one, RemoteError))


async def test_the_first_look_makes_an_account_with_nothing_in_it(desk: Desk) -> None:
    seen, refused = await outcomes(*(desk.account() for _ in range(AT_ONCE)))
    assert not refused
    assert len({one.id for one in seen}) == 1
    account = seen[0]
    assert (account.plan_type, account.status) == (
        account_pb.BILLING_PLAN_TYPE_PREPAID,
        account_pb.BILLING_ACCOUNT_STATUS_ACTIVE,
    )
    amounts = (account.balance, account.reserved, account.available, account.spent_today)
    assert amounts == ("0.000000",) * 4
    assert account.currency == "USD"
    assert account.customer_id == desk.customer
    request = pb.BillingAccountCreateRequest(customer_id=desk.customer)
    again = await desk.ask(desk.accounts.BillingAccountCreate, request)
    assert again.billing_account == account


async def test_a_customer_sees_its_own_money_and_no_other(desk: Desk) -> None:
    added = await desk.add("5")
    stranger = an_identity()
    own = pb.BillingAccountOwnGetRequest(customer_id=desk.customer)
    error = await refusal(desk.ask_as(stranger, desk.accounts.BillingAccountOwnGet, own))
    assert error.reason == "PERMISSION_DENIED"
    request = billings_pb.BillingListRequest(customer_id=desk.customer)
    error = await refusal(desk.ask_as(stranger, desk.billings.BillingList, request))
    assert error.reason == "PERMISSION_DENIED"
    one = billings_pb.BillingGetRequest(id=added.id)
    error = await refusal(desk.ask_as(stranger, desk.billings.BillingGet, one))
    assert facts(error) == ("NOT_FOUND", "BILLING_NOT_FOUND", {"billing_id": added.id})
    seen = await desk.ask_as(desk.admin, desk.billings.BillingGet, one)
    assert seen.billing == added
    account = pb.BillingAccountGetRequest(id=added.account_id)
    error = await refusal(desk.ask_as(desk.admin, desk.accounts.BillingAccountGet, account))
    assert error.reason == "PERMISSION_DENIED"


async def test_money_that_is_added_is_there_and_says_who_added_it(desk: Desk) -> None:
    added = await desk.add("25.00", detail="invoice 7")
    assert (added.transaction_type, added.amount, added.reserved_amount) == (
        TOP_UP,
        "25.000000",
        "0.000000",
    )
    assert (added.balance_after, added.reserved_after) == ("25.000000", "0.000000")
    assert (added.detail, added.agent_id) == ("invoice 7", desk.boss.agent_id)
    assert added.reference_type == billing_pb2.BILLING_REFERENCE_TYPE_REQUEST
    assert (added.price_per_minute, added.increment) == ("0.000000", 0)
    taken = await desk.subtract("0.000001")
    assert (taken.transaction_type, taken.amount) == (ADJUSTMENT, "-0.000001")
    account = await desk.account()
    assert (account.balance, account.available) == ("24.999999", "24.999999")
    assert list((await desk.listed()).result) == [taken, added]
    await desk.sums_are_equal()


async def test_a_repeated_key_moves_money_once_and_is_answered_alike(desk: Desk) -> None:
    same = (desk.add("1.5", detail="d", idempotency_key="k") for _ in range(AT_ONCE))
    told, refused = await outcomes(*same)
    assert not refused
    assert len({one.SerializeToString() for one in told}) == 1
    for change in ({"amount": "1.6", "detail": "d"}, {"amount": "1.5", "detail": "e"}):
        error = await refusal(desk.add(**change, idempotency_key="k"))
        assert (error.code.name, error.reason) == ("INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED")
    assert (await desk.account()).balance == "1.500000"
    # Taking out is another question, and so is what another customer's administrator asks.
    assert (await desk.subtract("1.5", idempotency_key="k")).balance_after == "0.000000"
    desk.boss = a_super_admin()
    assert (await desk.add("1.5", idempotency_key="k")).balance_after == "1.500000"
    # Without a key each is one of its own.
    await desk.add("1")
    await desk.add("1")
    assert (await desk.account()).balance == "3.500000"
    await desk.sums_are_equal()


async def test_no_more_is_taken_out_than_is_there_however_many_ask(desk: Desk) -> None:
    await desk.add("5")
    taken, refused = await outcomes(*(desk.subtract("1") for _ in range(AT_ONCE)))
    assert len(taken) == 5
    assert refused == {"BALANCE_NOT_AVAILABLE": AT_ONCE - 5}
    assert (await desk.account()).balance == "0.000000"
    await desk.sums_are_equal()


@pytest.mark.uncounted
async def test_what_is_reserved_for_calls_is_not_taken_out_unless_unlimited(desk: Desk) -> None:
    await desk.add("2")
    call_id = await desk.reserve(1_500_000)
    account = await desk.account()
    assert (account.balance, account.reserved, account.available) == (
        "2.000000",
        "1.500000",
        "0.500000",
    )
    error = await refusal(desk.subtract("0.500001"))
    assert facts(error) == (
        "FAILED_PRECONDITION",
        "BALANCE_NOT_AVAILABLE",
        {"available": "0.500000", "reserved": "1.500000"},
    )
    (reserved,) = (await desk.listed(reference_id=str(call_id))).result
    assert (reserved.transaction_type, reserved.amount, reserved.reserved_amount) == (
        RESERVE,
        "0.000000",
        "1.500000",
    )
    assert reserved.reference_type == billing_pb2.BILLING_REFERENCE_TYPE_CALL
    await change(desk, plan_type=account_pb.BILLING_PLAN_TYPE_UNLIMITED)
    assert (await desk.subtract("3")).balance_after == "-1.000000"
    await desk.sums_are_equal()


NO_AMOUNTS = (
    "", "0", "0.000000", "-1", "+1", "1e3", "1.", ".5", "1.0000001", "1000000.000001",
    "10000000", "NaN", " 1", "1,5", "\N{ARABIC-INDIC DIGIT ONE}",
)  # fmt: skip


async def test_an_amount_that_is_none_moves_nothing(desk: Desk) -> None:
    account = await desk.account()
    for amount in NO_AMOUNTS:
        for asked in (desk.add(amount), desk.subtract(amount)):
            error = await refusal(asked)
            assert (error.code.name, error.reason) == ("INVALID_ARGUMENT",) * 2, amount
            assert [one.field for one in error.violations] == ["amount"], amount
    assert await desk.account() == account
    assert not (await desk.listed()).result


async def change(desk: Desk, *, mask: tuple[str, ...] = (), **fields: Any) -> Any:
    request = pb.BillingAccountUpdateRequest(
        id=(await desk.account()).id,
        update_mask=FieldMask(paths=[*(mask or fields)]),
        **fields,
    )
    return (await desk.ask(desk.accounts.BillingAccountUpdate, request)).billing_account


async def test_plan_and_status_change_in_parts(desk: Desk) -> None:
    await desk.add("1")
    before = await desk.account()
    frozen = await change(desk, status=account_pb.BILLING_ACCOUNT_STATUS_FROZEN)
    assert (frozen.status, frozen.plan_type) == (
        account_pb.BILLING_ACCOUNT_STATUS_FROZEN,
        before.plan_type,
    )
    assert frozen.balance == "1.000000"
    kept = await change(desk, mask=("plan_type",), plan_type=2, status=1)
    assert (kept.status, kept.plan_type) == (frozen.status, account_pb.BILLING_PLAN_TYPE_UNLIMITED)
    for wrong in ({"mask": ("status",)}, {"mask": ("balance",)}, {"status": 9}):
        error = await refusal(change(desk, **wrong))
        assert error.reason == "INVALID_ARGUMENT", wrong
    assert await desk.account() == kept


async def test_what_is_not_there_is_named(desk: Desk) -> None:
    nobody = str(new_id())
    answer = ("NOT_FOUND", "BILLING_ACCOUNT_NOT_FOUND", {"billing_account_id": nobody})
    update = pb.BillingAccountUpdateRequest(
        id=nobody,
        status=account_pb.BILLING_ACCOUNT_STATUS_ACTIVE,
        update_mask=FieldMask(paths=["status"]),
    )
    for asked in (
        desk.ask(desk.accounts.BillingAccountGet, pb.BillingAccountGetRequest(id=nobody)),
        desk.ask(desk.accounts.BillingAccountUpdate, update),
        desk.ask(desk.accounts.BillingAccountUpdate, pb.BillingAccountUpdateRequest(id=nobody)),
        desk.add("1", id=nobody),
        desk.subtract("1", id=nobody),
    ):
        assert facts(await refusal(asked)) == answer


async def test_movements_are_listed_by_kind_reference_and_time_in_pages(desk: Desk) -> None:
    made = [await desk.add("1", detail=str(n)) for n in range(5)]
    taken = await desk.subtract("1")
    newest = [taken, *made[::-1]]
    page = await desk.listed(page_size=4)
    rest = await desk.listed(page_size=4, page_token=page.next_page_token)
    assert [*page.result, *rest.result] == newest
    assert rest.next_page_token == ""
    assert list((await desk.listed(transaction_type=ADJUSTMENT)).result) == [taken]
    only = await desk.listed(reference_id=made[2].reference_id, transaction_type=TOP_UP)
    assert list(only.result) == [made[2]]
    later = await desk.listed(created_after=made[3].tm_create)
    assert list(later.result) == [taken, made[4], made[3]]
    earlier = await desk.listed(created_before=made[1].tm_create, reference_id=str(ZERO_ID))
    assert list(earlier.result) == [made[0]]
    first = await desk.listed(page_size=1)
    other = {"page_token": first.next_page_token, "transaction_type": TOP_UP}
    assert (await refusal(desk.listed(**other))).reason == "PAGE_TOKEN_INVALID"
    assert (await refusal(desk.listed(page_size=-1))).reason == "PAGE_SIZE_INVALID"


async def test_a_super_admin_lists_every_customers_account(desk: Desk) -> None:
    own, other = await desk.account(), str(new_id())
    request = pb.BillingAccountCreateRequest(customer_id=other)
    made = (await desk.ask(desk.accounts.BillingAccountCreate, request)).billing_account
    everyone = await desk.ask(desk.accounts.BillingAccountList, pb.BillingAccountListRequest())
    assert list(everyone.result) == [made, own]
    of_other = pb.BillingAccountListRequest(customer_id=other)
    found = await desk.ask(desk.accounts.BillingAccountList, of_other)
    assert list(found.result) == [made]


async def test_a_labs_customers_are_given_money_once(desk: Desk) -> None:
    request = pb.BillingAccountOpenRequest(customer_id=desk.customer)
    opened = (await desk.lab.BillingAccountOpen(request)).billing_account
    assert (opened.balance, opened.customer_id) == ("1000.000000", desk.customer)
    await desk.subtract("999")
    await change(desk, status=account_pb.BILLING_ACCOUNT_STATUS_FROZEN)
    again = (await desk.lab.BillingAccountOpen(request)).billing_account
    assert (again.balance, again.status) == (
        "1.000000",
        account_pb.BILLING_ACCOUNT_STATUS_FROZEN,
    )
    await desk.sums_are_equal()
    error = await refusal(desk.ask(desk.accounts.BillingAccountOpen, request))
    assert error.reason == "PEER_NOT_ALLOWED"
    strict = BillingAccountService(desk.database, SystemClock(), lab=False)
    with pytest.raises(LabModeNeeded):
        await strict.open(new_id())
