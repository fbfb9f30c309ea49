"""What stands behind the transcoder in its tests: servicers that remember what they are asked."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from voipbin.account.v1 import auth_service_pb2
from voipbin.call.v1 import (
    audio_file_pb2,
    audio_file_service_pb2,
    call_pb2,
    call_service_pb2,
    timeline_service_pb2,
)
from voipbin.flow.v1 import flow_pb2, flow_service_pb2
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.route.v1 import (
    provider_call_pb2,
    provider_call_service_pb2,
    provider_pb2,
    provider_service_pb2,
)

from api_gateway.account.admitted import Admitted, KeyLimits
from api_gateway.door import Credentials
from api_gateway.errors import AuthenticationRequired, InvalidCredentials
from mesh import ambient, contract
from mesh.errors import MeshError
from mesh.identity import Caller, current_caller
from mesh.node import Node
from mesh.settings import MeshSettings

PEER_TOKEN = "vbp_of_the_door"
ADMIN = Identity(
    agent_id="00000000-0000-4000-8000-0000000000a1",
    customer_id="00000000-0000-4000-8000-0000000000c1",
    permissions=options_pb2.PERMISSION_PROJECT_SUPER_ADMIN,
)
CUSTOMER_ADMIN = Identity(
    agent_id="00000000-0000-4000-8000-0000000000a2",
    customer_id="00000000-0000-4000-8000-0000000000c2",
    permissions=options_pb2.PERMISSION_CUSTOMER_ADMIN,
)
PROVIDER_ID = "0195f3c2-8f3a-7c4e-9a53-0d1c2b3a4f5e"

SERVICES = list(
    contract.services(
        audio_file_service_pb2.DESCRIPTOR,
        auth_service_pb2.DESCRIPTOR,
        call_service_pb2.DESCRIPTOR,
        flow_service_pb2.DESCRIPTOR,
        provider_call_service_pb2.DESCRIPTOR,
        provider_service_pb2.DESCRIPTOR,
        timeline_service_pb2.DESCRIPTOR,
    )
)


@dataclass
class Peer:
    """What the servicers were asked, and what they answer."""

    requests: list[Message] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    deadlines_s: list[float] = field(default_factory=list)
    provider: provider_pb2.Provider = field(
        default_factory=lambda: provider_pb2.Provider(id=PROVIDER_ID, hostname="sip.example.com")
    )
    error: MeshError | None = None
    error_after: int = 0
    """How many pieces go out before the error."""
    pieces: list[HttpBody] = field(default_factory=list)
    wait_s: float = 0.0
    stream_ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def asked(self, request: Message) -> None:
        """Remember a request, and fail where that was asked for."""
        self.requests.append(request)
        self.callers.append(current_caller())
        self.request_ids.append(ambient.request_id() or "")
        self.deadlines_s.append(ambient.remaining_s() or 0.0)
        await asyncio.sleep(self.wait_s)
        if self.error is not None:
            raise self.error

    async def stream(self, request: Message) -> AsyncIterator[Message]:
        """Answer with the pieces, and fail after the first where that was asked for."""
        try:
            if not self.error_after:
                await self.asked(request)
            for sent, piece in enumerate(self.pieces):
                if self.error is not None and sent == self.error_after:
                    raise self.error
                yield timeline_service_pb2.PcapGetResponse(body=piece)
                await asyncio.sleep(self.wait_s)
        finally:
            self.stream_ended.set()

    @property
    def request(self) -> Any:
        """The last request."""
        return self.requests[-1]


Answers = Mapping[str, Callable[[Peer, Any], Message]]

ANSWERS: Answers = {
    "AudioFileCreate": lambda _, request: audio_file_service_pb2.AudioFileCreateResponse(
        audio_file=audio_file_pb2.AudioFile(name=request.name, size=len(request.file.data))
    ),
    "AuthLogin": lambda _, request: auth_service_pb2.AuthLoginResponse(
        username=request.username, token="made"
    ),
    "CallHangup": lambda _, request: call_service_pb2.CallHangupResponse(
        call=call_pb2.Call(id=request.id)
    ),
    "FlowCreate": lambda _, request: flow_service_pb2.FlowCreateResponse(
        flow=flow_pb2.Flow(customer_id=request.customer_id, actions=request.actions)
    ),
    "FlowList": lambda _, __: flow_service_pb2.FlowListResponse(),
    "ProviderCallCreate": lambda _, request: provider_call_service_pb2.ProviderCallCreateResponse(
        provider_call=provider_call_pb2.ProviderCall(provider_id=request.provider_id)
    ),
    "ProviderCreate": lambda peer, _: provider_service_pb2.ProviderCreateResponse(
        provider=peer.provider
    ),
    "ProviderGet": lambda peer, _: provider_service_pb2.ProviderGetResponse(provider=peer.provider),
    "ProviderList": lambda peer, _: provider_service_pb2.ProviderListResponse(
        result=[peer.provider], next_page_token="next"
    ),
    "ProviderUpdate": lambda peer, _: provider_service_pb2.ProviderUpdateResponse(
        provider=peer.provider
    ),
}


def handler(peer: Peer, rpc: MethodDescriptor, answers: Answers) -> Any:
    """Return the gRPC handler of one RPC: the real codec, and the answer from the table."""

    async def serve(request: Any, _context: Any) -> Message:
        await peer.asked(request)
        if rpc.name not in answers:
            raise NotImplementedError
        return answers[rpc.name](peer, request)

    async def stream(request: Any, _context: Any) -> AsyncIterator[Message]:
        async for response in peer.stream(request):
            yield response

    codec: dict[str, Any] = {
        "request_deserializer": message_factory.GetMessageClass(rpc.input_type).FromString,
        "response_serializer": message_factory.GetMessageClass(rpc.output_type).SerializeToString,
    }
    if rpc.server_streaming:
        return grpc.unary_stream_rpc_method_handler(stream, **codec)
    return grpc.unary_unary_rpc_method_handler(serve, **codec)


def servicer(peer: Peer, service: ServiceDescriptor, answers: Answers = ANSWERS) -> Any:
    """Return what a node needs to serve the service."""

    def add(_servicer: object, server: grpc.aio.Server) -> None:
        handlers = {rpc.name: handler(peer, rpc, answers) for rpc in service.methods}
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service.full_name, handlers),)
        )

    return add, peer, service


@asynccontextmanager
async def running_node(folder: Path, servicers: list[Any]) -> AsyncIterator[str]:
    """Run a real node that knows the door's peer token; gives its address."""
    peers = folder / "peers.json"
    digest = hashlib.sha256(PEER_TOKEN.encode()).hexdigest()
    peers.write_text(json.dumps({"api_gateway": digest}))
    settings = MeshSettings(data_dir=folder, peers_file=peers, drain_delay_s=0, drain_grace_s=1)
    node = Node(settings, name="peer", servicers=servicers)
    await node.start()
    try:
        yield node.address
    finally:
        await node.stop()


AGENT = Identity(
    agent_id="00000000-0000-4000-8000-0000000000a4",
    customer_id=CUSTOMER_ADMIN.customer_id,
    permissions=options_pb2.PERMISSION_CUSTOMER_AGENT,
)
MANAGER = Identity(
    agent_id="00000000-0000-4000-8000-0000000000a5",
    customer_id=CUSTOMER_ADMIN.customer_id,
    permissions=options_pb2.PERMISSION_CUSTOMER_MANAGER,
)
OTHER_PROVIDER_ID = "0195f3c2-8f3a-7c4e-9a53-0d1c2b3a4f5f"


class KnownTokens:
    """Recognises a few tokens; a test may add more callers, by the token each shows."""

    def __init__(self) -> None:
        self.seen: list[Credentials] = []
        self.spent: list[tuple[str, int]] = []
        self.callers = {
            "admin": Admitted(ADMIN),
            "customer": Admitted(CUSTOMER_ADMIN),
            "manager": Admitted(MANAGER),
            "agent": Admitted(AGENT),
        }

    async def identify(self, credentials: Credentials) -> Admitted:
        self.seen.append(credentials)
        if not credentials.token and not credentials.access_key:
            raise AuthenticationRequired("This needs a credential, and none came.")
        known = self.callers.get(credentials.token or credentials.access_key)
        if known is None:
            raise InvalidCredentials("The token is worth nothing.")
        return known

    def limit(
        self,
        token: str,
        *,
        rpcs: Iterable[str] = (),
        providers: Iterable[str] = (),
        calls: int | None = None,
    ) -> None:
        """Let a super-admin's access key with these limits be shown."""
        limits = KeyLimits(token, frozenset(rpcs), frozenset(providers), calls)
        self.callers[token] = Admitted(ADMIN, key=limits)

    async def spend_calls(self, key: KeyLimits, count: int) -> None:
        self.spent.append((key.id, count))


def reason(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["reason"]


def a_scope(method: str, path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer admin")],
    }
