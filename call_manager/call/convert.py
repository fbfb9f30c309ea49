"""Between the contract and the domain; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.timestamp_pb2 import Timestamp
from voipbin.call.v1 import address_pb2, call_pb2, call_service_pb2
from voipbin.flow.v1.action_pb2 import Action
from voipbin.route.v1 import provider_pb2

from call_manager.billing.domain import dollars
from call_manager.call.attempt import Attempt
from call_manager.call.attempt_convert import attempt_to_proto
from call_manager.call.dialing import DialConfig, NumberFormat
from call_manager.call.domain import (
    Address,
    AddressType,
    Anonymous,
    Call,
    CallFilter,
    CallStatus,
    Outcome,
)
from call_manager.channel import Transport
from call_manager.errors import AnonymousInvalid
from call_manager.wire import optional_id
from mesh.errors import InvalidArgument
from mesh.metadata import plain_to_value
from mesh.verdict import storable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S: Final = 86_400
_MICROSECOND_NS: Final = 1_000
_TYPE_PREFIX: Final = "ADDRESS_TYPE_"
_ANONYMOUS: Final[Mapping[int, Anonymous]] = {
    address_pb2.ANONYMOUS_UNSPECIFIED: Anonymous.AUTO,
    address_pb2.ANONYMOUS_YES: Anonymous.YES,
    address_pb2.ANONYMOUS_NO: Anonymous.NO,
    address_pb2.ANONYMOUS_AUTO: Anonymous.AUTO,
}
_ANONYMOUS_VALUES: Final = {
    kind: address_pb2.Anonymous.Value(f"ANONYMOUS_{kind.name}") for kind in Anonymous
}
_ADDRESS_TYPES: Final = {
    kind: address_pb2.AddressType.Value(_TYPE_PREFIX + kind.name) for kind in AddressType
}
_STATUSES: Final = {
    status: call_pb2.CallStatus.Value(f"CALL_STATUS_{status.name}") for status in CallStatus
}
_TRANSPORTS: Final[Mapping[int, Transport]] = {
    provider_pb2.PROVIDER_TRANSPORT_UNSPECIFIED: Transport.UDP,
    provider_pb2.PROVIDER_TRANSPORT_UDP: Transport.UDP,
    provider_pb2.PROVIDER_TRANSPORT_TCP: Transport.TCP,
    provider_pb2.PROVIDER_TRANSPORT_TLS: Transport.TLS,
    provider_pb2.PROVIDER_TRANSPORT_AUTO: Transport.AUTO,
}
_NUMBER_FORMATS: Final[Mapping[int, NumberFormat]] = {
    provider_pb2.PROVIDER_NUMBER_FORMAT_UNSPECIFIED: NumberFormat.E164,
    provider_pb2.PROVIDER_NUMBER_FORMAT_E164: NumberFormat.E164,
    provider_pb2.PROVIDER_NUMBER_FORMAT_DIGITS: NumberFormat.DIGITS,
}


def call_filter(request: call_service_pb2.CallListRequest) -> CallFilter:
    """Return which calls a list asks for; raises InvalidArgument for what is no time."""
    status = call_pb2.CallStatus.Name(request.status).removeprefix("CALL_STATUS_")
    return CallFilter(
        customer_id=UUID(request.customer_id),
        status=None if status == "UNSPECIFIED" else CallStatus[status],
        provider_id=optional_id(request.provider_id),
        created_after=moment("created_after", request.created_after)
        if request.HasField("created_after")
        else None,
        created_before=moment("created_before", request.created_before)
        if request.HasField("created_before")
        else None,
    )


def moment(field: str, sent: Timestamp) -> datetime:
    """Return a time that was sent; raises InvalidArgument for what is none."""
    try:
        return sent.ToDatetime(tzinfo=UTC)
    except ValueError as error:
        # protobuf carries any number of seconds; RFC 3339 ends with the year 9999.
        raise InvalidArgument(f"`{field}` must lie in the years 1 to 9999.", field=field) from error


def address(sent: address_pb2.Address) -> Address:
    """Return an address; its type is one the contract defines.

    A U+0000 shows as U+FFFD, for no database of ours may hold it.
    """
    kind = address_pb2.AddressType.Name(sent.type).removeprefix(_TYPE_PREFIX)
    return Address(
        type=AddressType.UNSPECIFIED if kind == "UNSPECIFIED" else AddressType[kind],
        target=storable(sent.target),
        target_name=storable(sent.target_name),
        name=storable(sent.name),
        detail=storable(sent.detail),
    )


def address_to_proto(found: Address) -> address_pb2.Address:
    """Return an address for the wire."""
    return address_pb2.Address(
        type=_ADDRESS_TYPES[found.type],
        target=found.target,
        target_name=found.target_name,
        name=found.name,
        detail=found.detail,
    )


def anonymous(sent: int) -> Anonymous:
    """Return whether to hide the caller. Raises AnonymousInvalid for a value nobody defined."""
    if sent not in _ANONYMOUS:
        raise AnonymousInvalid
    return _ANONYMOUS[sent]


def call_to_proto(call: Call, attempts: Sequence[Attempt] = ()) -> call_pb2.Call:
    """Return a call for the wire; what it has not is left unset."""
    shown = call_pb2.Call(
        id=str(call.id),
        customer_id=str(call.customer_id),
        flow_id=_id(call.flow_id),
        activeflow_id=_id(call.activeflow_id),
        type=call_pb2.CALL_TYPE_FLOW,
        source=address_to_proto(call.source),
        destination=address_to_proto(call.destination),
        recording_id=_id(call.recording_id),
        recording_ids=[str(one) for one in call.recording_ids],
        groupcall_id=_id(call.groupcall_id),
        status=_STATUSES[call.status],
        metadata={name: plain_to_value(value) for name, value in call.metadata.items()},
        direction=call_pb2.CALL_DIRECTION_OUTGOING,
        provider_id=_id(call.provider_id),
        sip_code=call.sip_code,
        sip_reason=call.sip_reason,
        hangup_detail=call.hangup_detail,
        anonymous=_ANONYMOUS_VALUES[call.anonymous],
        attempts=[attempt_to_proto(attempt) for attempt in attempts],
        error_reason=call.error_reason,
        early_execution=call.early_execution,
        duration_max=call.duration_max_s,
        reserved=dollars(call.reserved),
        cost=dollars(call.cost),
        tm_progressing=_time(call.tm_progressing),
        tm_ringing=_time(call.tm_ringing),
        tm_hangup=_time(call.tm_hangup),
        tm_create=_time(call.tm_create),
        tm_update=_time(call.tm_update),
        tm_delete=_time(call.tm_delete),
    )
    if call.hangup_by is not None:
        shown.hangup_by = call_pb2.HangupBy.Value(f"HANGUP_BY_{call.hangup_by.name}")
    if call.hangup_reason is not None:
        name = f"HANGUP_REASON_{call.hangup_reason.name}"
        shown.hangup_reason = call_pb2.HangupReason.Value(name)
    if call.current_action is not None:
        shown.action.CopyFrom(action(call.current_action))
    return shown


def outcome_to_proto(outcome: Outcome) -> call_service_pb2.DestinationOutcome:
    """Return what became of a destination, for the wire."""
    return call_service_pb2.DestinationOutcome(
        call_id=str(outcome.call_id),
        admitted=outcome.admitted,
        reason=outcome.reason,
        message=outcome.message,
    )


def action_to_plain(running: Action) -> dict[str, Any]:
    """Return an action as JSON, for a call's `current_action`."""
    return MessageToDict(running, preserving_proto_field_name=True)


def action(stored: Mapping[str, Any]) -> Action:
    """Return the action that `action_to_plain` stored."""
    return ParseDict(dict(stored), Action())


def dial_config(provider: provider_pb2.Provider) -> DialConfig:
    """Return what the dialer needs of a carrier.

    Headers come in the order of their names: the wire's map has none of its own.
    """
    codecs = (codec.strip() for codec in provider.codecs.split(","))
    return DialConfig(
        provider_id=UUID(provider.id),
        hostname=provider.hostname,
        tech_prefix=provider.tech_prefix,
        tech_postfix=provider.tech_postfix,
        tech_headers=tuple(sorted(provider.tech_headers.items())),
        secret_headers=frozenset(name.lower() for name in provider.secret_headers),
        codecs=tuple(codec for codec in codecs if codec),
        username=provider.sip_username,
        password=provider.sip_password,
        transport=_TRANSPORTS[provider.transport],
        port=provider.port,
        outbound_proxy=provider.outbound_proxy,
        tls_ca=provider.tls_ca,
        session_expires_s=provider.session_expires,
        number_format=_NUMBER_FORMATS[provider.number_format],
        failover_codes=tuple(provider.failover_codes),
    )


def _id(found: UUID | None) -> str:
    return str(found) if found is not None else ""


def _time(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    # `FromDatetime` goes by a calendar, at four times the cost.
    since = moment - _EPOCH
    return Timestamp(
        seconds=since.days * _DAY_S + since.seconds, nanos=since.microseconds * _MICROSECOND_NS
    )
