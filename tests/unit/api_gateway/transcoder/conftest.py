"""A real gRPC node with a few servicers, and the transcoder in front of it over ASGI."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from api_gateway.transcoder import ServedService, Transcoder, TranscoderSettings
from mesh.clients import MeshChannel, channel
from mesh.node import Node
from mesh.settings import MeshSettings
from tests.unit.api_gateway.transcoder.door import (
    PEER_TOKEN,
    SERVICES,
    KnownTokens,
    Peer,
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
    peers = tmp_path / "peers.json"
    digest = hashlib.sha256(PEER_TOKEN.encode()).hexdigest()
    peers.write_text(json.dumps({"api_gateway": digest}))
    settings = MeshSettings(data_dir=tmp_path, peers_file=peers, drain_delay_s=0, drain_grace_s=1)
    node = Node(settings, name="peer", servicers=[servicer(peer, service) for service in SERVICES])
    await node.start()
    asked = channel(node.address, token=PEER_TOKEN, budget_s=5.0)
    yield asked
    await asked.close()
    await node.stop()


@pytest.fixture
def transcoder(node_channel: MeshChannel, authenticator: KnownTokens) -> Transcoder:
    settings = TranscoderSettings(request_deadline_s=2.0, body_deadline_s=0.2)
    return Transcoder(
        [ServedService(service, node_channel) for service in SERVICES], authenticator, settings
    )


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
