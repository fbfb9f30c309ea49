"""The public RPCs, each with everything that holds for it however it is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from api_gateway.account.admitted import Admitted
from api_gateway.door.credentials import Authenticator
from api_gateway.door.keys import KeyRules, key_rules
from api_gateway.door.references import Reference, references
from api_gateway.door.requests import IdentityFields, RequestValidator
from mesh import contract
from mesh.contract import ContractError
from mesh.errors import PermissionDenied
from mesh.identity import PUBLIC_DOOR, Caller

SIGNING_IN: Final = "/auth/"
"""The paths at which an address may ask only now and then."""


@dataclass(frozen=True, slots=True)
class ServedService:
    """A service whose public RPCs are served, and the channel to it."""

    descriptor: ServiceDescriptor
    channel: grpc.aio.Channel


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long requests may take, in seconds."""

    request_s: float = 10.0
    """A request with one answer, its references included."""
    download_s: float = 60.0
    """A download, to its last byte."""


@dataclass(frozen=True, slots=True)
class PublicRpc:
    """One RPC that the public may ask; what holds for it over REST holds over gRPC."""

    method: MethodDescriptor
    policy: options_pb2.MethodPolicy
    deadline_s: float
    signs_in: bool
    """Whether it is served below `/auth/`."""
    make: type[Message]
    ask: Any
    """Asks the service; a coroutine, or where the RPC streams an async generator."""
    identity: IdentityFields
    validator: RequestValidator
    references: Sequence[Reference]
    keys: KeyRules

    @property
    def name(self) -> str:
        """Return the full name, `package.Service/Method`."""
        return contract.rpc_path(self.method)[1:]

    def authorize(self, admitted: Admitted) -> None:
        """Raise PermissionDenied or KeyScopeExceeded unless the caller may ask this at all."""
        _authorize(self.policy, admitted.identity)
        if admitted.key is not None:
            self.keys.check_rpc(admitted.key)

    async def check(
        self, message: Message, admitted: Admitted | None, authenticator: Authenticator
    ) -> None:
        """Check what a well-formed request names, from the cheapest rule to what asks others.

        Raises KeyScopeExceeded, what a referred resource's RPC raises, and KEY_CALLS_EXHAUSTED.
        Calls of a key's day are counted last, when nothing but the service can still refuse.
        """
        key = admitted.key if admitted is not None else None
        if key is not None:
            self.keys.check_request(key, message)
        for reference in self.references:
            await reference.check(message)
        if key is not None and key.calls_per_day is not None:
            calls = self.keys.calls_of(message)
            if calls:
                await authenticator.spend_calls(key, calls)


def _authorize(policy: options_pb2.MethodPolicy, identity: Identity) -> None:
    caller = Caller(PUBLIC_DOOR, identity)
    if not any(caller.has(permission) for permission in policy.permissions):
        raise PermissionDenied("The caller holds none of the permissions needed here.")


def public_rpcs(services: Sequence[ServedService], deadlines: Deadlines) -> list[PublicRpc]:
    """Compile the public RPCs of the services; one that cannot be served raises ContractError."""
    return list(_Compiler(services, deadlines).rpcs())


class _Compiler:
    def __init__(self, services: Sequence[ServedService], deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._validator = RequestValidator()
        self._channels = {one.descriptor.full_name: one.channel for one in services}
        self._rpcs: Mapping[str, MethodDescriptor] = {
            contract.rpc_path(rpc)[1:]: rpc for one in services for rpc in one.descriptor.methods
        }

    def rpcs(self) -> Iterator[PublicRpc]:
        for rpc in self._rpcs.values():
            if contract.policy(rpc).exposure == options_pb2.EXPOSURE_PUBLIC:
                yield self._rpc(rpc)

    def _rpc(self, rpc: MethodDescriptor) -> PublicRpc:
        if rpc.client_streaming:
            raise ContractError(f"{rpc.full_name}: the public door cannot stream requests")
        policy = contract.policy(rpc)
        identity = IdentityFields(rpc.input_type)
        if policy.anonymous and identity:
            raise ContractError(f"{rpc.full_name}: an anonymous caller has no identity")
        self._validator.prepare(rpc.input_type)
        streams = rpc.server_streaming
        return PublicRpc(
            method=rpc,
            policy=policy,
            deadline_s=self._deadlines.download_s if streams else self._deadlines.request_s,
            signs_in=_signs_in(rpc),
            make=message_factory.GetMessageClass(rpc.input_type),
            ask=self._stream(rpc) if streams else self._ask(rpc),
            identity=identity,
            validator=self._validator,
            references=references(rpc.input_type, self._rpcs, self._ask),
            keys=key_rules(contract.rpc_path(rpc)[1:], rpc.input_type),
        )

    def _ask(self, rpc: MethodDescriptor) -> Callable[[Message], Awaitable[Any]]:
        channel = self._channels[rpc.containing_service.full_name]
        asked: Callable[[Message], Awaitable[Any]] = channel.unary_unary(
            contract.rpc_path(rpc), **_codec(rpc)
        )
        return asked

    def _stream(self, rpc: MethodDescriptor) -> Any:
        channel = self._channels[rpc.containing_service.full_name]
        # A mesh channel's streams are generators, which grpc's own types cannot say.
        return channel.unary_stream(contract.rpc_path(rpc), **_codec(rpc))


def _signs_in(rpc: MethodDescriptor) -> bool:
    rule = contract.http_rule(rpc)
    if rule is None:
        return False
    path: str = getattr(rule, rule.WhichOneof("pattern") or "get")
    return path.startswith(SIGNING_IN)


def _codec(rpc: MethodDescriptor) -> dict[str, Any]:
    return {
        "request_serializer": message_factory.GetMessageClass(rpc.input_type).SerializeToString,
        "response_deserializer": message_factory.GetMessageClass(rpc.output_type).FromString,
    }
