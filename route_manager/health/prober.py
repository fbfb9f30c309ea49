"""Asks providers by way of call_manager, which has the wire."""

from __future__ import annotations

from typing import Any, Final

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from grpc.aio import Channel
from voipbin.call.v1 import probe_service_pb2 as pb
from voipbin.call.v1.probe_service_pb2_grpc import ProbeServiceStub

from mesh.remote import RemoteError
from route_manager.health.domain import Answer, Target
from route_manager.provider.domain import next_hop

ANSWER_RESERVE_S: Final = 2.0
"""What call_manager gets beyond the time that a carrier has, to tell that it was silent."""

PHRASE_MAX: Final = 255
"""The longest reason phrase that is kept."""


class Prober:
    """call_manager, as health checks need it."""

    def __init__(self, channel: Channel, timeout_s: float) -> None:
        self._probes = ProbeServiceStub(channel)
        self._timeout_s = timeout_s

    async def ask(self, target: Target) -> Answer:
        """Ask a provider whether it is there.

        Raises MeshError when it could not be asked, which says nothing about it.
        """
        hop = next_hop(target.reached_by)
        if hop is None:
            # Stored by a version with other rules, or beside them.
            return Answer(trouble="Its hostname is no host that anything can be sent to.")
        request = pb.ProbeSendRequest(
            host=hop.host,
            port=hop.port or 0,
            transport=hop.transport.value,
            tls_ca=target.reached_by.tls_ca,
            route=target.route,
            timeout_ms=round(self._timeout_s * 1000),
        )
        try:
            answer = await self._probes.ProbeSend(request)
        except RemoteError as error:
            if error.code is not grpc.StatusCode.INVALID_ARGUMENT:
                raise
            # So it is with every INVITE to it.
            return Answer(trouble=f"It cannot be asked as it is configured: {error.message}")
        return _answer(answer)


def _answer(answer: pb.ProbeSendResponse) -> Answer:
    has_latency = answer.HasField("latency_ms")
    return Answer(
        code=answer.code,
        reason_phrase=_storable(answer.reason)[:PHRASE_MAX],
        latency_ms=round(answer.latency_ms) if has_latency else None,
        transport=answer.transport,
        remote_address=answer.remote_address,
        dns=[_plain(record) for record in answer.dns],
        tls=_plain(answer.tls) if answer.HasField("tls") else None,
        trouble=_storable(answer.detail),
    )


def _plain(message: Message) -> dict[str, Any]:
    plain: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return {
        name: _storable(value) if isinstance(value, str) else value for name, value in plain.items()
    }


def _storable(text: str) -> str:
    # PostgreSQL keeps no NUL in a text, and a carrier may send one.
    return text.replace("\0", "�")
