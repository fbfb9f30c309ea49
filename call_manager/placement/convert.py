"""Placements between the contract and the domain; pure."""

from __future__ import annotations

from copy import deepcopy
from typing import Final
from uuid import UUID

from voipbin.call.v1 import address_pb2, groupcall_pb2
from voipbin.call.v1.call_service_pb2 import CallCreateRequest
from voipbin.call.v1.groupcall_service_pb2 import GroupcallCreateRequest

from call_manager.call import asked
from call_manager.call import convert as calls
from call_manager.call.creation import Group, NewCalls
from call_manager.call.judging import ACTIVE, VERIFIED, CustomerFacts
from call_manager.placement.domain import Placement
from call_manager.wire import optional_id
from mesh.metadata import Metadata

_NOT_SAID: Final = ("customer_id", "idempotency_key")

Request = CallCreateRequest | GroupcallCreateRequest
"""What a placement is asked for with; a groupcall's has all that the other has."""


def content_of(request: Request) -> bytes:
    """Serialize what the client said: the same words always make the same octets.

    Raises InvalidVariables; variables with a reserved name are left out.
    """
    said = deepcopy(request)
    for field in _NOT_SAID:
        said.ClearField(field)
    if said.anonymous == address_pb2.ANONYMOUS_UNSPECIFIED:
        said.anonymous = address_pb2.ANONYMOUS_AUTO
    if isinstance(said, GroupcallCreateRequest):
        # Said in full, so that it is never the same as a request for calls on their own.
        said.ring_method = said.ring_method or groupcall_pb2.RING_METHOD_RING_ALL
    # A named flow wins; what would have been done instead is not looked at.
    said.ClearField("flow_id" if named_flow(request) is None else "actions")
    stated = asked.variables(request.variables)
    said.ClearField("variables")
    said.variables.update(stated)
    said.DiscardUnknownFields()
    return said.SerializeToString(deterministic=True)


def named_flow(request: Request) -> UUID | None:
    """Return the flow that the answered calls are to run, or None when none is named."""
    return optional_id(request.flow_id)


def request_of(placement: Placement) -> Request:
    """Return the request as it was given, without who asked and without its key."""
    if placement.groupcall_id is not None:
        return GroupcallCreateRequest.FromString(placement.content)
    return CallCreateRequest.FromString(placement.content)


def new_calls(placement: Placement) -> NewCalls:
    """Return the calls that a placement asks for."""
    request = request_of(placement)
    # REST clients send an empty object where they mean no source.
    source = calls.address(request.source) if request.source.target else None
    return NewCalls(
        id=placement.id,
        customer_id=placement.customer_id,
        call_ids=placement.call_ids,
        flow_id=named_flow(request) or placement.temporary_flow_id,
        source=source,
        destinations=tuple(calls.address(one) for one in request.destinations),
        anonymous=calls.anonymous(request.anonymous),
        metadata=Metadata(),
        dial_not_after=placement.dial_not_after,
        fingerprint=placement.fingerprint,
        variables=dict(request.variables),
        customer=_customer(placement),
        provider_ids=placement.provider_ids,
        group=_group(placement, request),
        early_execution=request.early_execution,
    )


def _group(placement: Placement, request: Request) -> Group | None:
    if placement.groupcall_id is None or not isinstance(request, GroupcallCreateRequest):
        return None
    return asked.group(placement.groupcall_id, request.ring_method, request.answer_method)


def _customer(placement: Placement) -> CustomerFacts:
    # A customer that is not active has no placement.
    verified = VERIFIED if placement.verified else ""
    return CustomerFacts(ACTIVE, verified, placement.rtp_debug)
