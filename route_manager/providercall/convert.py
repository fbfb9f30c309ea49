"""Provider calls between the contract and the domain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from voipbin.call.v1 import address_pb2, groupcall_pb2
from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.route.v1 import provider_call_pb2 as pb
from voipbin.route.v1.provider_call_service_pb2 import (
    ProviderCallCreateRequest,
    ProviderCallListRequest,
)

from mesh.errors import InvalidArgument
from mesh.identity import Caller
from mesh.masking import mask_secret, names_a_secret
from mesh.numbers import e164
from mesh.variables import VariablesMistake, stated_variables
from route_manager.convert import optional_uuid, timestamp, uuid_text
from route_manager.errors import InvalidDestinationNumber, InvalidVariables
from route_manager.key_limits import allowed_providers
from route_manager.provider.convert import NUMBER_FORMATS_OUT, TRANSPORTS_OUT
from route_manager.providercall.domain import (
    NOTHING_KNOWN,
    CustomerFacts,
    Order,
    Outcome,
    ProviderCall,
    RecordFilter,
    Snapshot,
    Status,
    Wish,
)

_STATUS_OUT: Final[Mapping[Status, pb.ProviderCallStatus.ValueType]] = {
    Status.PENDING: pb.PROVIDER_CALL_STATUS_PENDING,
    Status.COMPLETED: pb.PROVIDER_CALL_STATUS_COMPLETED,
    Status.REFUSED: pb.PROVIDER_CALL_STATUS_REFUSED,
    Status.FAILED: pb.PROVIDER_CALL_STATUS_FAILED,
}


def wish_of(request: ProviderCallCreateRequest, identity: Identity | None = None) -> Wish:
    """Read what is asked for, and by whom; without an identity its customer is not known.

    Raises InvalidDestinationNumber for a telephone number that cannot exist, InvalidVariables, and
    InvalidArgument for an answer method of what is no groupcall: nothing is recorded for a request
    that is malformed.
    """
    if request.answer_method and not request.ring_method:
        raise InvalidArgument("An answer_method needs a ring_method.", field="answer_method")
    for index, destination in enumerate(request.destinations):
        if destination.type == address_pb2.ADDRESS_TYPE_TEL and e164(destination.target) is None:
            raise InvalidDestinationNumber(
                f"destinations[{index}].target", "There is no such telephone number (E.164)."
            )
    flow_id = optional_uuid(request.flow_id)
    order = Order(
        provider_id=UUID(request.provider_id),
        flow_id=flow_id,
        has_inline_actions=flow_id is None and len(request.actions) > 0,
        destination_count=len(request.destinations),
        is_group=request.ring_method != groupcall_pb2.RING_METHOD_UNSPECIFIED,
        content=_canonical(request),
    )
    return Wish(
        order=order,
        customer_id=UUID(request.customer_id),
        agent_id=UUID(request.agent_id),
        idempotency_key=request.idempotency_key or None,
        customer=NOTHING_KNOWN if identity is None else _customer(identity),
    )


def _customer(identity: Identity) -> CustomerFacts:
    return CustomerFacts(
        status=identity.customer_status,
        identity_verification=identity.identity_verification,
        rtp_debug=identity.rtp_debug,
    )


def request_of(order: Order) -> ProviderCallCreateRequest:
    """Return the request as it was given, without who asked and without its key."""
    return ProviderCallCreateRequest.FromString(order.content)


def filter_of(request: ProviderCallListRequest, caller: Caller) -> RecordFilter:
    """Read which records a list is to show."""
    return RecordFilter(
        provider_id=optional_uuid(request.provider_id),
        agent_id=optional_uuid(request.agent_id),
        created_after=_moment(request, "created_after"),
        created_before=_moment(request, "created_before"),
        allowed_providers=allowed_providers(caller),
    )


def provider_call_to_proto(record: ProviderCall) -> pb.ProviderCall:
    """Show a record."""
    wish, request = record.wish, request_of(record.wish.order)
    ended = record.verdict if record.status is not Status.PENDING else None
    placed = record.placed
    return pb.ProviderCall(
        id=str(record.id),
        customer_id=str(wish.customer_id),
        provider_id=str(wish.order.provider_id),
        flow_id=uuid_text(record.flow_id),
        source=request.source if request.HasField("source") else None,
        destinations=request.destinations,
        anonymous=request.anonymous,
        call_ids=[] if placed is None else [str(call_id) for call_id in record.call_ids],
        groupcall_ids=[] if placed is None else [str(one) for one in placed.groupcall_ids],
        tm_create=timestamp(record.tm_create),
        tm_update=timestamp(record.tm_update),
        tm_delete=timestamp(record.tm_delete),
        agent_id=str(wish.agent_id),
        status=_STATUS_OUT[record.status],
        error_reason="" if ended is None else ended.reason,
        error_message="" if ended is None else ended.message,
        actions=request.actions if wish.order.has_inline_actions else [],
        outcomes=[] if placed is None else [_outcome(one) for one in placed.outcomes],
        tm_hangup=timestamp(record.tm_hangup),
        provider_snapshot=None if record.snapshot is None else _snapshot(record.snapshot),
    )


def _moment(
    request: ProviderCallListRequest, field: Literal["created_after", "created_before"]
) -> datetime | None:
    if not request.HasField(field):
        return None
    try:
        moment: datetime = getattr(request, field).ToDatetime(tzinfo=UTC)
    except (OverflowError, ValueError):
        raise InvalidArgument("There is no such time.", field=field) from None
    return moment


def _canonical(request: ProviderCallCreateRequest) -> bytes:
    """Serialize what the client said: the same words always make the same octets."""
    said = ProviderCallCreateRequest()
    said.CopyFrom(request)
    for field in ("customer_id", "agent_id", "idempotency_key"):
        said.ClearField(field)
    if said.anonymous == address_pb2.ANONYMOUS_UNSPECIFIED:
        said.anonymous = address_pb2.ANONYMOUS_AUTO
    try:
        stated = stated_variables(request.variables)
    except VariablesMistake as mistake:
        raise InvalidVariables(str(mistake)) from mistake
    said.ClearField("variables")
    said.variables.update(stated)
    said.DiscardUnknownFields()
    return said.SerializeToString(deterministic=True)


def _outcome(outcome: Outcome) -> pb.ProviderCallOutcome:
    return pb.ProviderCallOutcome(
        call_id=str(outcome.call_id),
        admitted=outcome.admitted,
        reason=outcome.reason,
        message=outcome.message,
    )


def _snapshot(snapshot: Snapshot) -> pb.ProviderSnapshot:
    # Records of earlier versions hold values where newer ones hold masks; a mask of a mask is it.
    headers = {
        name: mask_secret(value) if names_a_secret(name) else value
        for name, value in snapshot.tech_headers.items()
    }
    return pb.ProviderSnapshot(
        hostname=snapshot.hostname,
        tech_prefix=snapshot.tech_prefix,
        tech_postfix=snapshot.tech_postfix,
        tech_headers=headers,
        codecs=snapshot.codecs,
        name=snapshot.name,
        sip_username=snapshot.sip_username,
        transport=TRANSPORTS_OUT[snapshot.transport],
        port=snapshot.port,
        outbound_proxy=snapshot.outbound_proxy,
        session_expires=snapshot.session_expires,
        number_format=NUMBER_FORMATS_OUT[snapshot.number_format],
    )
