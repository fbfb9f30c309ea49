"""The transcoder behind its real HTTP server, where connections live and break."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from google.api.httpbody_pb2 import HttpBody

from api_gateway.server import HttpServer
from api_gateway.transcoder import Transcoder
from mesh.errors import InvalidArgument
from tests.unit.api_gateway.transcoder.door import PROVIDER_ID, Peer

PATH = f"/v1.0/providers/{PROVIDER_ID}"
PCAP_PATH = f"/v1.0/timelines/calls/{PROVIDER_ID}/pcap"
ADMIN = {"authorization": "Bearer admin"}


@pytest.fixture
async def address(transcoder: Transcoder) -> AsyncIterator[str]:
    server = HttpServer(transcoder, "127.0.0.1:0", concurrency_max=16, grace_s=1)
    await server.start()
    yield server.address
    await server.stop()


@pytest.fixture
async def client(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{address}", headers=ADMIN) as made:
        yield made


async def raw(address: str, request: bytes, *, seconds: float = 5.0) -> bytes:
    """Send bytes as they are and return everything that comes back until the end."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(seconds):
            writer.write(request)
            return await reader.read()
    finally:
        writer.close()


async def test_a_slash_that_is_encoded_stays_part_of_a_segment(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{PATH}%2Fx")
    assert answer.json()["error"]["reason"] == "INVALID_ID"
    assert (await client.get(f"{PATH}/x")).json()["error"]["reason"] == "ROUTE_NOT_FOUND"


async def test_one_connection_serves_one_request_after_another(client: httpx.AsyncClient) -> None:
    for method, path, status in [
        ("GET", PATH, 200),
        ("HEAD", PATH, 200),
        ("OPTIONS", PATH, 204),
        ("GET", "/nowhere", 404),
        ("POST", "/v1.0/flows", 200),
    ]:
        assert (await client.request(method, path)).status_code == status


async def test_a_refused_request_does_not_wait_for_its_body(address: str) -> None:
    request = (
        b"POST /v1.0/flows HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: 100000\r\n\r\n{"
    )
    answer = await raw(address, request)
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_body_that_is_declared_too_large_is_not_read(address: str) -> None:
    request = (
        b"POST /v1.0/flows HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer admin\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n{"
    )
    assert (await raw(address, request)).startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_stalls_is_given_up(address: str) -> None:
    request = (
        b"POST /v1.0/flows HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer admin\r\nConnection: close\r\nContent-Length: 10\r\n\r\n{"
    )
    assert (await raw(address, request)).startswith(b"HTTP/1.1 400 ")


async def test_two_credentials_in_one_place_are_none(address: str) -> None:
    request = (
        f"GET {PATH} HTTP/1.1\r\nHost: door\r\nAuthorization: Bearer admin\r\n"
        "Authorization: Bearer admin\r\nConnection: close\r\n\r\n"
    )
    assert (await raw(address, request.encode())).startswith(b"HTTP/1.1 401 ")


async def test_a_download_that_fails_on_the_way_is_seen_to_be_cut(
    client: httpx.AsyncClient, peer: Peer
) -> None:
    peer.pieces = [HttpBody(data=b"one"), HttpBody(data=b"two")]
    peer.error, peer.error_after = InvalidArgument("No."), 1
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(PCAP_PATH)
    assert (await client.get(PATH)).status_code == 400


async def test_a_client_that_leaves_ends_the_download(
    client: httpx.AsyncClient, peer: Peer
) -> None:
    peer.pieces = [HttpBody(data=b"x" * 1000)] * 10_000
    peer.wait_s = 0.01
    async with client.stream("GET", PCAP_PATH) as answer:
        assert await anext(answer.aiter_raw())
    async with asyncio.timeout(5):
        await peer.stream_ended.wait()


async def test_nothing_the_client_sends_makes_the_server_fail(address: str) -> None:
    for head in (
        b"GET /v1.0/%00 HTTP/1.1\r\n",
        b"GET /v1.0/calls?\xff HTTP/1.1\r\n",
        b"GET /\xff HTTP/1.1\r\n",
        b"GET //v1.0/calls HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"GET http://door/v1.0/calls HTTP/1.1\r\n",
        b"GET /v1.0/calls HTTP/1.1\r\ncookie: \xff\r\n",
        b"GET /v1.0/calls HTTP/1.1\r\ntraceparent: \xff\r\n",
        b"GET /v1.0/calls HTTP/1.1\r\nx-request-id: \xff\r\n",
        b"POST /auth/login HTTP/1.1\r\nContent-Length: -1\r\n",
        b"POST /auth/login HTTP/1.1\r\nContent-Type: \xff\r\nContent-Length: 1\r\n\r\n1",
    ):
        answer = await raw(address, head + b"Host: door\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 4"), (head, answer)
