"""Health checks and events between the contract and the domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from voipbin.call.v1.call_attempt_pb2 import DnsRecord, TlsPeer
from voipbin.route.v1 import provider_health_pb2, provider_health_service_pb2

from mesh.outbox import StoredEvent
from route_manager.convert import timestamp
from route_manager.health.domain import HealthCheck
from route_manager.provider.convert import HEALTH_OUT

M = TypeVar("M", bound=Message)


def check_to_proto(check: HealthCheck) -> provider_health_pb2.ProviderHealthCheck:
    """Show a check."""
    answer = check.answer
    return provider_health_pb2.ProviderHealthCheck(
        id=str(check.id),
        provider_id=str(check.provider_id),
        healthy=check.healthy,
        health_status=HEALTH_OUT[check.status],
        requested=check.requested,
        sip_code=answer.code,
        sip_reason=answer.reason_phrase,
        latency_ms=answer.latency_ms,
        transport=answer.transport,
        remote_address=answer.remote_address,
        dns=[_read(record, DnsRecord()) for record in answer.dns],
        tls=None if answer.tls is None else _read(answer.tls, TlsPeer()),
        detail=check.detail,
        tm_create=timestamp(check.tm_create),
    )


def _read(plain: Mapping[str, Any], into: M) -> M:
    # What a later version stored may say more than this one knows.
    return ParseDict(dict(plain), into, ignore_unknown_fields=True)


def event_to_proto(event: StoredEvent) -> provider_health_service_pb2.ProviderEvent:
    """Show an event of a provider's."""
    shown = provider_health_service_pb2.ProviderEvent(event_type=event.event_type)
    shown.timestamp.FromDatetime(event.tm_create)
    if event.data is not None:
        shown.data.ParseFromString(event.data)
    return shown
