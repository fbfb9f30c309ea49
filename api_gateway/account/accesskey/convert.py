"""Access keys between protobuf and the domain. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from voipbin.account.v1 import access_key_pb2, access_key_service_pb2

from api_gateway.account.accesskey.domain import AccessKey, AccessKeyDraft, Scope
from api_gateway.account.convert import masked, stamps, timestamp
from api_gateway.account.rights import CUSTOMER_ADMIN

_CHANGEABLE: Final = {"name": "name", "detail": "detail"}


def draft(request: access_key_service_pb2.AccessKeyCreateRequest) -> AccessKeyDraft:
    """Read what a creation asks for."""
    return AccessKeyDraft(
        customer_id=UUID(request.customer_id),
        name=request.name,
        detail=request.detail,
        expire_s=request.expire,
        permissions=request.permission or CUSTOMER_ADMIN,
        scope=Scope(
            rpcs=tuple(request.rpcs),
            provider_ids=tuple(str(UUID(one)) for one in request.provider_ids),
            calls_per_day=request.calls_per_day or None,
        ),
    )


def changes(request: access_key_service_pb2.AccessKeyUpdateRequest) -> Mapping[str, Any]:
    """Read what the update mask names; raises InvalidArgument when that cannot be changed."""
    return masked(request, request.update_mask, _CHANGEABLE)


def key_to_proto(key: AccessKey, token: str = "") -> access_key_pb2.AccessKey:
    """Write a key; its token only where it is shown."""
    return access_key_pb2.AccessKey(
        id=str(key.id),
        customer_id=str(key.customer_id),
        name=key.name,
        detail=key.detail,
        token=token,
        token_prefix=key.token_prefix,
        tm_expire=timestamp(key.tm_expire),
        permission=key.permissions,
        rpcs=key.scope.rpcs,
        provider_ids=key.scope.provider_ids,
        calls_per_day=key.scope.calls_per_day or 0,
        **stamps(key),
    )
