"""`voipbin.account.v1.AccessKeyService`: convert, call, convert."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.account.v1 import access_key_service_pb2 as pb
from voipbin.account.v1 import access_key_service_pb2_grpc

from api_gateway.account.accesskey import convert
from api_gateway.account.accesskey.service import AccessKeyService
from mesh.identity import current_caller
from mesh.pagination import PageRequest

Context = grpc.aio.ServicerContext[Any, Any]


class AccessKeyRpc(access_key_service_pb2_grpc.AccessKeyServiceServicer):
    """Serves access keys; the contract says who may ask."""

    def __init__(self, access_keys: AccessKeyService) -> None:
        self._keys = access_keys

    @override
    async def AccessKeyCreate(
        self, request: pb.AccessKeyCreateRequest, context: Context
    ) -> pb.AccessKeyCreateResponse:
        minted = await self._keys.create(current_caller(), convert.draft(request))
        return pb.AccessKeyCreateResponse(access_key=convert.key_to_proto(minted.key, minted.token))

    @override
    async def AccessKeyGet(
        self, request: pb.AccessKeyGetRequest, context: Context
    ) -> pb.AccessKeyGetResponse:
        key = await self._keys.get(current_caller(), UUID(request.id))
        return pb.AccessKeyGetResponse(access_key=convert.key_to_proto(key))

    @override
    async def AccessKeyList(
        self, request: pb.AccessKeyListRequest, context: Context
    ) -> pb.AccessKeyListResponse:
        customer_id = UUID(request.customer_id)
        wanted = PageRequest.parse(
            request.page_size, request.page_token, {"customer_id": customer_id}
        )
        keys, token = await self._keys.page(current_caller(), customer_id, wanted)
        # A hundred keys with a hundred RPCs each are larger than a message may be.
        result, token = wanted.fit([convert.key_to_proto(key) for key in keys], keys, token)
        return pb.AccessKeyListResponse(result=result, next_page_token=token)

    @override
    async def AccessKeyUpdate(
        self, request: pb.AccessKeyUpdateRequest, context: Context
    ) -> pb.AccessKeyUpdateResponse:
        changes = convert.changes(request)
        key = await self._keys.update(current_caller(), UUID(request.id), changes)
        return pb.AccessKeyUpdateResponse(access_key=convert.key_to_proto(key))

    @override
    async def AccessKeyDelete(
        self, request: pb.AccessKeyDeleteRequest, context: Context
    ) -> pb.AccessKeyDeleteResponse:
        key = await self._keys.delete(current_caller(), UUID(request.id))
        return pb.AccessKeyDeleteResponse(access_key=convert.key_to_proto(key))
