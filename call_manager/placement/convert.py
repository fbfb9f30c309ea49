"""Placements between the contract and the domain; pure."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from voipbin.call.v1 import address_pb2
from voipbin.call.v1.call_service_pb2 import CallCreateRequest

from call_manager.call import convert
from call_manager.call.creation import NewCalls
from call_manager.call.judging import ACTIVE, VERIFIED, CustomerFacts
from call_manager.errors import InvalidVariables
from call_manager.placement.domain import Placement
from call_manager.wire import optional_id
from mesh.metadata import Metadata
from mesh.variables import VariablesMistake, stated_variables

_NOT_SAID: Final = ("customer_id", "idempotency_key")


def content_of(request: CallCreateRequest) -> bytes:
    """Serialize what the client said: the same words always make the same octets.

    Raises InvalidVariables; variables with a reserved name are left out.
    """
    said = CallCreateRequest()
    said.CopyFrom(request)
    for field in _NOT_SAID:
        said.ClearField(field)
    if said.anonymous == address_pb2.ANONYMOUS_UNSPECIFIED:
        said.anonymous = address_pb2.ANONYMOUS_AUTO
    # A named flow wins; what would have been done instead is not looked at.
    said.ClearField("flow_id" if named_flow(request) is None else "actions")
    try:
        stated = stated_variables(request.variables)
    except VariablesMistake as mistake:
        raise InvalidVariables(str(mistake)) from mistake
    said.ClearField("variables")
    said.variables.update(stated)
    said.DiscardUnknownFields()
    return said.SerializeToString(deterministic=True)


def named_flow(request: CallCreateRequest) -> UUID | None:
    """Return the flow that the answered calls are to run, or None when none is named."""
    return optional_id(request.flow_id)


def request_of(placement: Placement) -> CallCreateRequest:
    """Return the request as it was given, without who asked and without its key."""
    return CallCreateRequest.FromString(placement.content)


def new_calls(placement: Placement) -> NewCalls:
    """Return the calls that a placement asks for."""
    request = request_of(placement)
    # REST clients send an empty object where they mean no source.
    source = convert.address(request.source) if request.source.target else None
    return NewCalls(
        id=placement.id,
        customer_id=placement.customer_id,
        call_ids=placement.call_ids,
        flow_id=named_flow(request) or placement.temporary_flow_id,
        source=source,
        destinations=tuple(convert.address(one) for one in request.destinations),
        anonymous=convert.anonymous(request.anonymous),
        metadata=Metadata(),
        dial_not_after=placement.dial_not_after,
        fingerprint=placement.fingerprint,
        variables=dict(request.variables),
        customer=_customer(placement),
        provider_ids=placement.provider_ids,
    )


def _customer(placement: Placement) -> CustomerFacts:
    # A customer that is not active has no placement.
    verified = VERIFIED if placement.verified else ""
    return CustomerFacts(ACTIVE, verified, placement.rtp_debug)
