"""`voipbin.account.v1.CustomerService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.account.v1 import customer_service_pb2 as pb
from voipbin.account.v1 import customer_service_pb2_grpc
from voipbin.account.v1.customer_pb2 import Customer

from api_gateway.account.customer import convert
from api_gateway.account.customer.domain import CustomerRecord
from api_gateway.account.customer.service import CustomerService
from mesh.clock import Clock
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class CustomerRpc(customer_service_pb2_grpc.CustomerServiceServicer):
    """Serves customers; the contract says who may ask."""

    def __init__(self, customers: CustomerService, clock: Clock) -> None:
        self._customers = customers
        self._clock = clock

    @override
    async def CustomerCreate(
        self, request: pb.CustomerCreateRequest, context: Context
    ) -> pb.CustomerCreateResponse:
        customer = await self._customers.create(convert.draft(request))
        return pb.CustomerCreateResponse(customer=self._shown(customer))

    @override
    async def CustomerGet(
        self, request: pb.CustomerGetRequest, context: Context
    ) -> pb.CustomerGetResponse:
        customer = await self._customers.get(current_caller(), UUID(request.id))
        return pb.CustomerGetResponse(customer=self._shown(customer))

    @override
    async def CustomerList(
        self, request: pb.CustomerListRequest, context: Context
    ) -> pb.CustomerListResponse:
        wanted = PageRequest.parse(request.page_size, request.page_token)
        customers, token = await self._customers.page(wanted)
        shown = [self._shown(customer) for customer in customers]
        result, token = wanted.fit(shown, customers, token)
        return pb.CustomerListResponse(result=result, next_page_token=token)

    @override
    async def CustomerUpdate(
        self, request: pb.CustomerUpdateRequest, context: Context
    ) -> pb.CustomerUpdateResponse:
        changes = convert.changes(request)
        customer = await self._customers.update(current_caller(), UUID(request.id), changes)
        return pb.CustomerUpdateResponse(customer=self._shown(customer))

    @override
    async def CustomerDelete(
        self, request: pb.CustomerDeleteRequest, context: Context
    ) -> pb.CustomerDeleteResponse:
        customer = await self._customers.delete(UUID(request.id))
        return pb.CustomerDeleteResponse(customer=self._shown(customer))

    @override
    async def OwnCustomerGet(
        self, request: pb.OwnCustomerGetRequest, context: Context
    ) -> pb.OwnCustomerGetResponse:
        customer = await self._customers.get(current_caller(), UUID(request.customer_id))
        return pb.OwnCustomerGetResponse(customer=self._shown(customer))

    @override
    async def OwnCustomerUpdate(
        self, request: pb.OwnCustomerUpdateRequest, context: Context
    ) -> pb.OwnCustomerUpdateResponse:
        changes, customer_id = convert.own_changes(request), UUID(request.customer_id)
        customer = await self._customers.update(current_caller(), customer_id, changes)
        return pb.OwnCustomerUpdateResponse(customer=self._shown(customer))

    @override
    async def CustomerUnregister(
        self, request: pb.CustomerUnregisterRequest, context: Context
    ) -> pb.CustomerUnregisterResponse:
        customer = await self._customers.unregister(current_caller(), UUID(request.customer_id))
        return pb.CustomerUnregisterResponse(customer=self._shown(customer))

    @override
    async def CustomerRecover(
        self, request: pb.CustomerRecoverRequest, context: Context
    ) -> pb.CustomerRecoverResponse:
        customer = await self._customers.recover(current_caller(), UUID(request.customer_id))
        return pb.CustomerRecoverResponse(customer=self._shown(customer))

    def _shown(self, customer: CustomerRecord) -> Customer:
        return convert.customer_to_proto(customer, self._clock.now())
