"""Uploads: a request whose body is a file, byte for byte."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import httpx
import pytest
from google.api.httpbody_pb2 import HttpBody
from voipbin.call.v1 import audio_file_service_pb2 as pb

from api_gateway.door import Door
from api_gateway.server import HttpServer
from api_gateway.transcoder import Transcoder
from api_gateway.transcoder.uploads import AT_ONCE_MAX, OF_ONE_MAX, Uploads
from mesh.clients import MESSAGE_BYTES_MAX, request_bytes_max
from mesh.errors import ServiceOverloaded
from tests.unit.api_gateway.transcoder.door import CUSTOMER_ADMIN, Peer, reason
from tests.unit.api_gateway.transcoder.public import Refused, public_grpc

PATH = "/v1.0/audio_files"
MIB = 1024 * 1024
CUSTOMER = {"authorization": "Bearer customer"}
(CREATE,) = (
    rpc
    for rpc in pb.DESCRIPTOR.services_by_name["AudioFileService"].methods
    if rpc.name == "AudioFileCreate"
)


@pytest.fixture
def customer(anonymous: httpx.AsyncClient) -> httpx.AsyncClient:
    anonymous.headers.update(CUSTOMER)
    return anonymous


@pytest.mark.parametrize("kind", ["audio/wav", "application/octet-stream", "application/json", ""])
async def test_a_file_comes_as_it_is_whatever_it_is_declared_as(
    customer: httpx.AsyncClient, peer: Peer, kind: str
) -> None:
    file = b'RIFF\0\xff{"not": json'
    headers = {"content-type": kind} if kind else {}
    answer = await customer.post(f"{PATH}?name=a%20b", content=file, headers=headers)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["size"]) == ("a b", len(file))
    assert peer.request.file == HttpBody(content_type=kind, data=file)
    assert peer.request.customer_id == CUSTOMER_ADMIN.customer_id


async def test_a_file_may_be_larger_than_other_bodies_and_has_a_limit_too(
    customer: httpx.AsyncClient, peer: Peer
) -> None:
    most = bytes(4 * MIB)
    answer = await customer.post(PATH, content=most)
    assert answer.json()["size"] == len(most)
    asked = len(peer.requests)
    answer = await customer.post(PATH, content=most + b"x")
    assert reason(answer) == (413, "BODY_TOO_LARGE")
    assert str(len(most)) in answer.json()["error"]["message"]
    assert len(peer.requests) == asked


async def test_other_bodies_are_no_larger_for_it(customer: httpx.AsyncClient) -> None:
    body = b'{"name": "' + bytes(MIB) + b'"}'
    headers = {"content-type": "application/json"}
    answer = await customer.post("/v1.0/flows", content=body, headers=headers)
    assert reason(answer) == (413, "BODY_TOO_LARGE")


async def test_no_byte_of_a_file_is_read_before_it_is_known_who_sends_it(
    anonymous: httpx.AsyncClient, peer: Peer
) -> None:
    taken = []

    async def file() -> AsyncIterator[bytes]:
        taken.append(True)
        yield b"x"

    answer = await anonymous.post(PATH, content=file())
    assert reason(answer) == (401, "AUTHENTICATION_REQUIRED")
    assert (taken, peer.requests) == ([], [])


async def test_so_many_files_of_one_customer_come_in_at_once_and_no_more(
    customer: httpx.AsyncClient, peer: Peer
) -> None:
    peer.wait_s = 0.3
    answers = await asyncio.gather(*(customer.post(PATH, content=b"x") for _ in range(6)))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert [reason(answer) for answer in refused] == [(429, "SERVICE_OVERLOADED")] * 2
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert len(peer.requests) == OF_ONE_MAX
    assert (await customer.post(PATH, content=b"x")).status_code == 200


def test_what_all_customers_send_at_once_has_a_limit_too() -> None:
    uploads = Uploads()
    with ExitStack() as coming:
        for number in range(AT_ONCE_MAX):
            coming.enter_context(uploads.one(str(number)))
        with pytest.raises(ServiceOverloaded), uploads.one("another"):
            pass
    with uploads.one("another"):
        pass


async def test_a_compressed_file_is_refused(customer: httpx.AsyncClient) -> None:
    answer = await customer.post(PATH, content=b"x", headers={"content-encoding": "gzip"})
    assert reason(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_what_is_no_parameter_is_refused(customer: httpx.AsyncClient) -> None:
    for query in ("file=x", "file.data=x", "customer_id=x", "title=x"):
        answer = await customer.post(f"{PATH}?{query}", content=b"x")
        assert reason(answer) == (400, "INVALID_REQUEST_PARAMETER")


async def test_no_file_at_all_reaches_the_service_as_none(
    customer: httpx.AsyncClient, peer: Peer
) -> None:
    assert (await customer.post(PATH)).json()["size"] == 0
    assert peer.request.file.data == b""


async def test_a_type_that_is_no_text_does_no_harm(customer: httpx.AsyncClient, peer: Peer) -> None:
    headers = [(b"content-type", b"a/b\xff" + b"x" * 1000)]
    assert (await customer.post(PATH, content=b"x", headers=headers)).status_code == 200
    assert peer.request.file.content_type.startswith("a/b?x")
    assert len(peer.request.file.content_type) == 255


async def test_a_file_goes_through_the_real_server_in_pieces(transcoder: Transcoder) -> None:
    async def file() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(64 * 1024)
            await asyncio.sleep(0)

    server = HttpServer(transcoder, "127.0.0.1:0", concurrency_max=4, grace_s=1)
    await server.start()
    try:
        async with httpx.AsyncClient(headers=CUSTOMER, timeout=20) as client:
            answer = await client.post(f"http://{server.address}{PATH}", content=file())
        assert answer.json()["size"] == 4 * MIB
    finally:
        await server.stop()


async def test_over_grpc_a_file_is_a_message_like_any_other(door: Door, peer: Peer) -> None:
    asked = pb.AudioFileCreateRequest(name="n", file=HttpBody(data=b"RIFF"))
    async with public_grpc(door) as client:
        answer = await client.ask(CREATE, asked, token="customer")
        assert answer.audio_file.size == 4
        assert peer.request.file.data == b"RIFF"
        large = pb.AudioFileCreateRequest(file=HttpBody(data=bytes(MESSAGE_BYTES_MAX)))
        with pytest.raises(Refused):
            await client.ask(CREATE, large, token="customer")


def test_only_who_takes_files_takes_large_messages() -> None:
    others = [rpc for rpc in CREATE.containing_service.methods if rpc is not CREATE]
    assert request_bytes_max(others) == MESSAGE_BYTES_MAX
    assert request_bytes_max([CREATE, *others]) > 4 * MIB
