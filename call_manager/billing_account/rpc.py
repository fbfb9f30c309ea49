"""`voipbin.call.v1.BillingAccountService` and `BillingService`: convert, call, convert."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.call.v1 import (
    billing_account_pb2,
    billing_account_service_pb2_grpc,
    billing_service_pb2_grpc,
)
from voipbin.call.v1 import billing_account_service_pb2 as pb
from voipbin.call.v1 import billing_service_pb2 as billings_pb

from call_manager.billing.domain import Account, Movement
from call_manager.billing_account import convert
from call_manager.billing_account.service import BillingAccountService
from call_manager.wire import optional_id
from mesh.clock import Clock
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class BillingAccountRpc(billing_account_service_pb2_grpc.BillingAccountServiceServicer):
    """Serves accounts; the contract says who may ask."""

    def __init__(self, accounts: BillingAccountService, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock

    @override
    async def BillingAccountOwnGet(
        self, request: pb.BillingAccountOwnGetRequest, context: Context
    ) -> pb.BillingAccountOwnGetResponse:
        account = await self._accounts.own(current_caller(), UUID(request.customer_id))
        return pb.BillingAccountOwnGetResponse(billing_account=self._shown(account))

    @override
    async def BillingAccountCreate(
        self, request: pb.BillingAccountCreateRequest, context: Context
    ) -> pb.BillingAccountCreateResponse:
        account = await self._accounts.of_customer(UUID(request.customer_id))
        return pb.BillingAccountCreateResponse(billing_account=self._shown(account))

    @override
    async def BillingAccountGet(
        self, request: pb.BillingAccountGetRequest, context: Context
    ) -> pb.BillingAccountGetResponse:
        account = await self._accounts.get(UUID(request.id))
        return pb.BillingAccountGetResponse(billing_account=self._shown(account))

    @override
    async def BillingAccountList(
        self, request: pb.BillingAccountListRequest, context: Context
    ) -> pb.BillingAccountListResponse:
        customer_id = optional_id(request.customer_id)
        page = PageRequest.parse(
            request.page_size, request.page_token, {"customer_id": customer_id}
        )
        found, token = await self._accounts.page(customer_id, page)
        result, token = page.fit([self._shown(account) for account in found], found, token)
        return pb.BillingAccountListResponse(result=result, next_page_token=token)

    @override
    async def BillingAccountUpdate(
        self, request: pb.BillingAccountUpdateRequest, context: Context
    ) -> pb.BillingAccountUpdateResponse:
        account = await self._accounts.update(UUID(request.id), convert.change(request))
        return pb.BillingAccountUpdateResponse(billing_account=self._shown(account))

    @override
    async def BillingAccountBalanceAddForce(
        self, request: pb.BillingAccountBalanceAddForceRequest, context: Context
    ) -> pb.BillingAccountBalanceAddForceResponse:
        wish = convert.transfer(request, Movement.TOP_UP)
        booked = convert.billing_to_proto(await self._accounts.transfer(current_caller(), wish))
        return pb.BillingAccountBalanceAddForceResponse(billing=booked)

    @override
    async def BillingAccountBalanceSubtractForce(
        self, request: pb.BillingAccountBalanceSubtractForceRequest, context: Context
    ) -> pb.BillingAccountBalanceSubtractForceResponse:
        wish = convert.transfer(request, Movement.ADJUSTMENT)
        booked = convert.billing_to_proto(await self._accounts.transfer(current_caller(), wish))
        return pb.BillingAccountBalanceSubtractForceResponse(billing=booked)

    @override
    async def BillingAccountOpen(
        self, request: pb.BillingAccountOpenRequest, context: Context
    ) -> pb.BillingAccountOpenResponse:
        account = await self._accounts.open(UUID(request.customer_id))
        return pb.BillingAccountOpenResponse(billing_account=self._shown(account))

    def _shown(self, account: Account) -> billing_account_pb2.BillingAccount:
        return convert.account_to_proto(account, self._clock.now())


class BillingRpc(billing_service_pb2_grpc.BillingServiceServicer):
    """Serves movements of a customer's own account."""

    def __init__(self, accounts: BillingAccountService) -> None:
        self._accounts = accounts

    @override
    async def BillingGet(
        self, request: billings_pb.BillingGetRequest, context: Context
    ) -> billings_pb.BillingGetResponse:
        found = await self._accounts.billing(current_caller(), UUID(request.id))
        return billings_pb.BillingGetResponse(billing=convert.billing_to_proto(found))

    @override
    async def BillingList(
        self, request: billings_pb.BillingListRequest, context: Context
    ) -> billings_pb.BillingListResponse:
        wanted = convert.billing_filter(request)
        # Only what is asked for: a token of a plain list stays good when lists learn more.
        filters = {name: value for name, value in asdict(wanted).items() if value is not None}
        page = PageRequest.parse(request.page_size, request.page_token, filters)
        found, token = await self._accounts.billings(current_caller(), wanted, page)
        shown = [convert.billing_to_proto(billing) for billing in found]
        result, token = page.fit(shown, found, token)
        return billings_pb.BillingListResponse(result=result, next_page_token=token)
