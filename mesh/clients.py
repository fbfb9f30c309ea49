"""Channels to peers: a deadline on every RPC, the caller and the trace passed along.

`channel(...)` is a `grpc.aio.Channel`, so generated stubs take it as it is. Its RPCs return a
plain coroutine (or an async iterator for a response stream) and raise `RemoteError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

from mesh import ambient, contract
from mesh.errors import DeadlineExceeded
from mesh.identity import IDENTITY_HEADER, PEER_HEADER, current_identity
from mesh.outgoing import StreamingCall, UnaryCall
from mesh.telemetry import spans

MESSAGE_BYTES_MAX: Final = 1024 * 1024
"""The largest message that is sent or received, in bytes, but for a request that is a file."""

_BESIDE_BODY_BYTES: Final = 64 * 1024
"""What a message holds beside a file."""

ANSWER_RESERVE_S: Final = 0.05
"""What an RPC leaves of its request's deadline, so that the answer can still be sent."""

BUDGET_S: Final = 5.0
"""How long an RPC may take when its client says nothing else, in seconds."""

RETRY_ATTEMPTS: Final = 4
"""How often an idempotent RPC is tried in all; gRFC A6 allows five at most."""


@dataclass(frozen=True, slots=True)
class Client:
    """How this process asks one peer."""

    address: str
    """`host:port`, or any gRPC target (`dns:///…`)."""
    token: str | None = field(repr=False)
    """This process's own peer token."""
    budget_s: float = BUDGET_S
    """The longest an RPC to this peer may take, in seconds."""

    def timeout_s(self, asked_s: float | None) -> float:
        """Return an RPC's deadline in seconds: its budget, or less when less is left.

        Raises DeadlineExceeded, and nothing is sent, when the request's deadline is too near.
        """
        budget = self.budget_s if asked_s is None else min(asked_s, self.budget_s)
        left = ambient.remaining_s()
        if left is not None:
            budget = min(budget, left - ANSWER_RESERVE_S)
        if budget <= 0:
            raise DeadlineExceeded("Too little time was left to ask the next service.")
        return budget

    def headers(self) -> list[tuple[str, str | bytes]]:
        """Return what goes along: peer token, caller, request id, trace."""
        headers: list[tuple[str, str | bytes]] = []
        if self.token is not None:
            headers.append((PEER_HEADER, f"Bearer {self.token}"))
        identity = current_identity()
        if identity is not None:
            headers.append((IDENTITY_HEADER, identity.SerializeToString()))
        request_id = ambient.request_id()
        if request_id is not None:
            headers.append((ambient.REQUEST_ID_HEADER, request_id))
        trace = spans.traceparent()
        if trace:
            headers.append((spans.TRACEPARENT_HEADER, trace))
        return headers


class MeshChannel(grpc.aio.Channel):
    """A channel whose every RPC has a deadline, a peer token, a span and typed errors."""

    def __init__(self, inner: grpc.aio.Channel, client: Client) -> None:
        self._inner = inner
        self._client = client

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the RPC's callable; the result of calling it is a coroutine."""
        return UnaryCall(self._client, method, self._inner.unary_unary(method, *args, **kwargs))

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the RPC's callable; the result of calling it is a coroutine."""
        return UnaryCall(self._client, method, self._inner.stream_unary(method, *args, **kwargs))

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the RPC's callable; the result of calling it is an async iterator."""
        inner = self._inner.unary_stream(method, *args, **kwargs)
        return StreamingCall(self._client, method, inner)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the RPC's callable; the result of calling it is an async iterator."""
        inner = self._inner.stream_stream(method, *args, **kwargs)
        return StreamingCall(self._client, method, inner)

    async def start(self) -> None:
        """Do nothing: gRPC connects when the first RPC is asked."""

    async def stop(self) -> None:
        """Close the channel, as an owned part of a node."""
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close the channel; RPCs in progress get `grace` seconds."""
        await self._inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Return the connection's state."""
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the connection's state differs; the waiter sets the deadline."""
        await self._inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the channel is connected; the waiter sets the deadline."""
        await self._inner.channel_ready()

    async def __aenter__(self) -> MeshChannel:
        """Use the channel for the enclosed work."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self.close()


def channel(
    address: str,
    *files: FileDescriptor,
    token: str | None,
    budget_s: float = BUDGET_S,
) -> MeshChannel:
    """Open a channel to a peer.

    `files` are the contracts asked over it (`provider_service_pb2.DESCRIPTOR`): only RPCs whose
    policy says `idempotent` are retried, on UNAVAILABLE. `token` is this process's peer token;
    `budget_s` the longest any RPC may take.
    """
    options: Sequence[tuple[str, Any]] = (
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", request_bytes_max(contract.methods(*files))),
        ("grpc.service_config", json.dumps(service_config(contract.methods(*files)))),
        # A peer's proxy settings are nobody's business: targets are named, not discovered.
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_reconnect_backoff_ms", 2000),
    )
    inner = grpc.aio.insecure_channel(address, options=options)
    return MeshChannel(inner, Client(address, token, budget_s))


def request_bytes_max(methods: Iterable[MethodDescriptor]) -> int:
    """Return the largest request of some RPCs, in bytes: more than usual where one takes a file."""
    files = [contract.policy(method).body_bytes_max for method in methods]
    largest = max(files, default=0)
    return max(MESSAGE_BYTES_MAX, largest + _BESIDE_BODY_BYTES if largest else 0)


def service_config(methods: Iterable[MethodDescriptor]) -> Mapping[str, Any]:
    """Return the gRPC service config: retries for idempotent RPCs, and a budget for them.

    It has no `timeout`: beside a retry policy it makes retries stall until the deadline
    (RELIABILITY.md section 1.4).
    """
    names = [
        {"service": method.containing_service.full_name, "method": method.name}
        for method in methods
        if contract.policy(method).idempotent
    ]
    retry = {
        "maxAttempts": RETRY_ATTEMPTS,
        "initialBackoff": "0.05s",
        "maxBackoff": "0.5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {
        "methodConfig": [{"name": names, "retryPolicy": retry}] if names else [],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
    }
