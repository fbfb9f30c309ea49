"""What a CallsCreate asks for, read from the contract; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from uuid import UUID

from google.protobuf.json_format import MessageToDict
from voipbin.call.v1 import call_service_pb2, groupcall_pb2

from call_manager.call.convert import address, anonymous, moment
from call_manager.call.creation import Group, NewCalls
from call_manager.call.domain import Address
from call_manager.call.judging import CustomerFacts
from call_manager.errors import InvalidVariables
from call_manager.metadata import CALL_METADATA
from call_manager.wire import optional_id
from mesh.errors import InvalidArgument
from mesh.variables import VariablesMistake, stated_variables


def new_calls(request: call_service_pb2.CallsCreateRequest, peer: str) -> NewCalls:
    """Return what a CallsCreate asks for.

    Raises the metadata registry's errors, AnonymousInvalid, and InvalidArgument when the calls'
    ids do not match the destinations or `dial_not_after` is no time.
    """
    metadata = CALL_METADATA.parse(request.metadata, peer)
    if len(request.call_ids) != len(request.destinations):
        raise InvalidArgument("There must be one call id for each destination.", field="call_ids")
    return NewCalls(
        id=UUID(request.id),
        customer_id=UUID(request.customer_id),
        call_ids=tuple(UUID(text) for text in request.call_ids),
        flow_id=UUID(request.flow_id) if request.flow_id else None,
        source=_source(request),
        destinations=tuple(address(one) for one in request.destinations),
        anonymous=anonymous(request.anonymous),
        metadata=metadata,
        dial_not_after=moment("dial_not_after", request.dial_not_after),
        fingerprint=fingerprint(request),
        customer=CustomerFacts(
            status=request.customer.status,
            identity_verification=request.customer.identity_verification,
            rtp_debug=request.customer.rtp_debug,
        ),
        variables=variables(request.variables),
        group=_group(request),
        early_execution=request.early_execution,
    )


def variables(stated: Mapping[str, str]) -> dict[str, str]:
    """Return what the client may set of what it gave. Raises InvalidVariables."""
    try:
        return stated_variables(stated)
    except VariablesMistake as mistake:
        raise InvalidVariables(str(mistake)) from mistake


def fingerprint(request: call_service_pb2.CallsCreateRequest) -> str:
    """Return what two requests share exactly when they ask for the same calls.

    `dial_not_after` is left out: it limits when, not what; and so is what is known of the customer.
    """
    asked = call_service_pb2.CallsCreateRequest()
    asked.CopyFrom(request)
    asked.ClearField("dial_not_after")
    asked.ClearField("customer")
    text = json.dumps(MessageToDict(asked), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _group(request: call_service_pb2.CallsCreateRequest) -> Group | None:
    groupcall_id = optional_id(request.groupcall_id)
    if groupcall_id is not None:
        return group(groupcall_id, request.ring_method, request.answer_method)
    for field in ("ring_method", "answer_method"):
        if getattr(request, field):
            raise InvalidArgument(f"A {field} needs a groupcall_id.", field=field)
    return None


def group(groupcall_id: UUID, ring_method: int, answer_method: int) -> Group:
    """Return what makes calls a groupcall; all at once where no order is named."""
    return Group(
        groupcall_id,
        linear=ring_method == groupcall_pb2.RING_METHOD_LINEAR,
        hangup_others=answer_method == groupcall_pb2.ANSWER_METHOD_HANGUP_OTHERS,
    )


def _source(request: call_service_pb2.CallsCreateRequest) -> Address | None:
    # REST clients send an empty object where they mean none.
    return address(request.source) if request.source.target else None
