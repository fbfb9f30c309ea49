"""Probes between protobuf and what a channel knows (pure)."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from voipbin.call.v1 import call_attempt_pb2
from voipbin.call.v1 import probe_service_pb2 as pb

from call_manager.channel import DnsRecord, NextHop, ProbeResult, TlsPeer, Transport


def next_hop(request: pb.ProbeSendRequest) -> NextHop:
    """Return where a probe goes."""
    return NextHop(
        host=request.host,
        port=request.port or None,
        transport=Transport(request.transport),
        tls_ca=request.tls_ca,
    )


def result_to_proto(result: ProbeResult) -> pb.ProbeSendResponse:
    """Return what a probe met for an answer."""
    shown = pb.ProbeSendResponse(
        code=result.code or 0,
        reason=result.reason_phrase,
        latency_ms=result.latency_ms,
        transport=result.transport.value,
        remote_address=result.remote_address,
        dns=[_dns(record) for record in result.dns],
        tls=None if result.tls_peer is None else _tls(result.tls_peer),
        detail=result.detail,
    )
    shown.at.FromDatetime(result.at)
    return shown


def _dns(record: DnsRecord) -> call_attempt_pb2.DnsRecord:
    return call_attempt_pb2.DnsRecord(
        name=record.name, type=record.kind, ttl=record.ttl_s, value=record.value
    )


def _tls(peer: TlsPeer) -> call_attempt_pb2.TlsPeer:
    expires = Timestamp()
    expires.FromDatetime(peer.not_after)
    return call_attempt_pb2.TlsPeer(
        version=peer.version,
        cipher=peer.cipher,
        subject=peer.subject,
        issuer=peer.issuer,
        not_after=expires,
        fingerprint=peer.fingerprint,
    )
