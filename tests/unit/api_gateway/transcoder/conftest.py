"""A real gRPC node with a few servicers, and the transcoder in front of it over ASGI."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message
from typing_extensions import override
from voipbin.account.v1 import auth_service_pb2, auth_service_pb2_grpc
from voipbin.call.v1 import (
    call_pb2,
    call_service_pb2,
    call_service_pb2_grpc,
    timeline_service_pb2,
    timeline_service_pb2_grpc,
)
from voipbin.flow.v1 import flow_pb2, flow_service_pb2, flow_service_pb2_grpc
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.route.v1 import (
    provider_call_pb2,
    provider_call_service_pb2,
    provider_call_service_pb2_grpc,
    provider_pb2,
    provider_service_pb2,
    provider_service_pb2_grpc,
)

from api_gateway.errors import AuthenticationRequired, InvalidCredentials
from api_gateway.transcoder import Credentials, ServedService, Transcoder, TranscoderSettings
from mesh import ambient, contract
from mesh.clients import MeshChannel, channel
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

SERVED = (
    auth_service_pb2,
    call_service_pb2,
    flow_service_pb2,
    provider_call_service_pb2,
    provider_service_pb2,
    timeline_service_pb2,
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
    """How many requests are answered before the error."""
    pieces: list[HttpBody] = field(default_factory=list)
    wait_s: float = 0.0
    closed_early: asyncio.Event = field(default_factory=asyncio.Event)

    async def asked(self, request: Message) -> None:
        """Remember a request, and fail where that was asked for."""
        self.requests.append(request)
        self.callers.append(current_caller())
        self.request_ids.append(ambient.request_id() or "")
        self.deadlines_s.append(ambient.remaining_s() or 0.0)
        await asyncio.sleep(self.wait_s)
        if self.error is not None and len(self.requests) > self.error_after:
            raise self.error

    @property
    def request(self) -> Any:
        """The last request."""
        return self.requests[-1]


class Providers(provider_service_pb2_grpc.ProviderServiceServicer):
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @override
    async def ProviderCreate(self, request: Any, context: Any) -> Any:
        await self._peer.asked(request)
        return provider_service_pb2.ProviderCreateResponse(provider=self._peer.provider)

    @override
    async def ProviderGet(self, request: Any, context: Any) -> Any:
        await self._peer.asked(request)
        return provider_service_pb2.ProviderGetResponse(provider=self._peer.provider)

    @override
    async def ProviderUpdate(self, request: Any, context: Any) -> Any:
        await self._peer.asked(request)
        return provider_service_pb2.ProviderUpdateResponse(provider=self._peer.provider)

    @override
    async def ProviderList(self, request: Any, context: Any) -> Any:
        await self._peer.asked(request)
        return provider_service_pb2.ProviderListResponse(
            result=[self._peer.provider], next_page_token="next"
        )


class ProviderCalls(provider_call_service_pb2_grpc.ProviderCallServiceServicer):
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @override
    async def ProviderCallCreate(self, request: Any, context: Any) -> Any:
        await self._peer.asked(request)
        record = provider_call_pb2.ProviderCall(provider_id=request.provider_id)
        return provider_call_service_pb2.ProviderCallCreateResponse(provider_call=record)


class Flows(flow_service_pb2_grpc.FlowServiceServicer):
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @override
    async def FlowCreate(self, request: Any, context: Any) -> Any:
        await self._peer.asked(request)
        flow = flow_pb2.Flow(customer_id=request.customer_id, actions=request.actions)
        return flow_service_pb2.FlowCreateResponse(flow=flow)

    @override
    async def FlowList(self, request: Any, context: Any) -> Any:
        await self._peer.asked(request)
        return flow_service_pb2.FlowListResponse()


class Calls(call_service_pb2_grpc.CallServiceServicer):
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @override
    async def CallHangup(self, request: Any, context: Any) -> Any:
        await self._peer.asked(request)
        return call_service_pb2.CallHangupResponse(call=call_pb2.Call(id=request.id))


class Timelines(timeline_service_pb2_grpc.TimelineServiceServicer):
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @override
    async def PcapGet(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            if not self._peer.error_after:
                await self._peer.asked(request)
            for sent, piece in enumerate(self._peer.pieces):
                if self._peer.error is not None and sent == self._peer.error_after:
                    raise self._peer.error
                yield timeline_service_pb2.PcapGetResponse(body=piece)
                await asyncio.sleep(self._peer.wait_s)
        finally:
            self._peer.closed_early.set()


class Auth(auth_service_pb2_grpc.AuthServiceServicer):
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @override
    async def AuthLogin(self, request: Any, context: Any) -> Any:
        await self._peer.asked(request)
        return auth_service_pb2.AuthLoginResponse(username=request.username, token="made")


class KnownTokens:
    """Recognises two tokens."""

    def __init__(self) -> None:
        self.seen: list[Credentials] = []

    async def identify(self, credentials: Credentials) -> Identity:
        self.seen.append(credentials)
        if not credentials.token and not credentials.access_key:
            raise AuthenticationRequired("This needs a credential, and none came.")
        known = {"admin": ADMIN, "customer": CUSTOMER_ADMIN}.get(credentials.token)
        if known is None:
            raise InvalidCredentials("The token is worth nothing.")
        return known


def servicers(peer: Peer) -> list[Any]:
    """Return what the node serves."""
    return [
        (
            provider_service_pb2_grpc.add_ProviderServiceServicer_to_server,
            Providers(peer),
            provider_service_pb2.DESCRIPTOR,
        ),
        (
            provider_call_service_pb2_grpc.add_ProviderCallServiceServicer_to_server,
            ProviderCalls(peer),
            provider_call_service_pb2.DESCRIPTOR,
        ),
        (
            flow_service_pb2_grpc.add_FlowServiceServicer_to_server,
            Flows(peer),
            flow_service_pb2.DESCRIPTOR,
        ),
        (
            call_service_pb2_grpc.add_CallServiceServicer_to_server,
            Calls(peer),
            call_service_pb2.DESCRIPTOR,
        ),
        (
            timeline_service_pb2_grpc.add_TimelineServiceServicer_to_server,
            Timelines(peer),
            timeline_service_pb2.DESCRIPTOR,
        ),
        (
            auth_service_pb2_grpc.add_AuthServiceServicer_to_server,
            Auth(peer),
            auth_service_pb2.DESCRIPTOR,
        ),
    ]


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def authenticator() -> KnownTokens:
    return KnownTokens()


@pytest.fixture
async def node_channel(tmp_path: Path, peer: Peer) -> AsyncIterator[MeshChannel]:
    peers = tmp_path / "peers.json"
    digest = hashlib.sha256(PEER_TOKEN.encode()).hexdigest()
    peers.write_text(json.dumps({"api_gateway": digest}))
    settings = MeshSettings(data_dir=tmp_path, peers_file=peers, drain_delay_s=0, drain_grace_s=1)
    node = Node(settings, name="peer", servicers=servicers(peer))
    await node.start()
    asked = channel(node.address, token=PEER_TOKEN, budget_s=5.0)
    yield asked
    await asked.close()
    await node.stop()


def served(asked: grpc.aio.Channel) -> list[ServedService]:
    files = [module.DESCRIPTOR for module in SERVED]
    return [ServedService(service, asked) for service in contract.services(*files)]


@pytest.fixture
def transcoder(node_channel: MeshChannel, authenticator: KnownTokens) -> Transcoder:
    settings = TranscoderSettings(request_deadline_s=2.0, body_deadline_s=0.2)
    return Transcoder(served(node_channel), authenticator, settings)


@pytest.fixture
async def anonymous(transcoder: Transcoder) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(transcoder)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        yield client


@pytest.fixture
def admin(anonymous: httpx.AsyncClient) -> Iterator[httpx.AsyncClient]:
    anonymous.headers["authorization"] = "Bearer admin"
    yield anonymous
    del anonymous.headers["authorization"]
