"""A real gRPC node with a few servicers, and the transcoder in front of it over ASGI."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from voipbin.call.v1 import audio_file_service_pb2

from api_gateway.door import Deadlines, Door, DoorSettings, ServedService
from api_gateway.transcoder import Transcoder, TranscoderSettings
from mesh.clients import MeshChannel, channel
from tests.unit.api_gateway.transcoder.door import (
    PEER_TOKEN,
    SERVICES,
    KnownTokens,
    Peer,
    running_node,
    servicer,
)


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def authenticator() -> KnownTokens:
    return KnownTokens()


@pytest.fixture
async def node_channel(tmp_path: Path, peer: Peer) -> AsyncIterator[MeshChannel]:
    async with running_node(tmp_path, [servicer(peer, service) for service in SERVICES]) as address:
        # Named, because it is what makes room for a file in a request.
        files = audio_file_service_pb2.DESCRIPTOR
        asked = channel(address, files, token=PEER_TOKEN, budget_s=5.0)
        yield asked
        await asked.close()


@pytest.fixture
def door(node_channel: MeshChannel, authenticator: KnownTokens) -> Door:
    settings = DoorSettings(Deadlines(request_s=2.0, download_s=60.0))
    services = [ServedService(service, node_channel) for service in SERVICES]
    return Door(services, authenticator, settings)


@pytest.fixture
def transcoder(door: Door) -> Transcoder:
    return Transcoder(door, TranscoderSettings(body_deadline_s=0.2))


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
