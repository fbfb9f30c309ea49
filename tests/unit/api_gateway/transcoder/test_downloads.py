"""Downloads: streams of chunks, from the front."""

import asyncio
from typing import Any

import httpx
import pytest
from google.api.httpbody_pb2 import HttpBody

from api_gateway.transcoder import Transcoder
from mesh.errors import InvalidArgument
from tests.unit.api_gateway.transcoder.door import (
    ADMIN,
    PROVIDER_ID,
    Peer,
    a_scope,
    reason,
)

PCAP_PATH = f"/v1.0/timelines/calls/{PROVIDER_ID}/pcap"


async def test_a_download_is_streamed_with_a_name_of_its_own(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    kind = "application/vnd.tcpdump.pcap"
    peer.pieces = [HttpBody(content_type=kind, data=b"one"), HttpBody(data=b"two")]
    answer = await admin.get(PCAP_PATH)
    assert answer.status_code == 200
    assert answer.content == b"onetwo"
    assert answer.headers["content-type"] == kind
    name = f'attachment; filename="call-{PROVIDER_ID}.pcap"'
    assert answer.headers["content-disposition"] == name
    assert peer.callers[-1].identity == ADMIN


async def test_a_download_that_is_just_a_file_is_named_by_its_type(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    peer.pieces = [HttpBody(content_type="audio/wav", data=b"one")]
    answer = await admin.get(f"/v1.0/audio_files/{PROVIDER_ID}/file")
    name = f'attachment; filename="audio_file-{PROVIDER_ID}.wav"'
    assert answer.headers["content-disposition"] == name


async def test_a_download_that_fails_at_once_is_an_ordinary_error(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    peer.error = InvalidArgument("No.")
    assert reason(await admin.get(PCAP_PATH)) == (400, "INVALID_ARGUMENT")


async def test_a_download_that_fails_on_the_way_breaks_off(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    peer.pieces = [HttpBody(data=b"one"), HttpBody(data=b"two")]
    peer.error, peer.error_after = InvalidArgument("No."), 1
    with pytest.raises(Exception, match=r"No\."):
        await admin.get(PCAP_PATH)


async def test_head_of_a_download_sends_no_chunk_and_ends_the_rpc(
    admin: httpx.AsyncClient, peer: Peer
) -> None:
    peer.pieces = [HttpBody(content_type="a/b", data=b"x")] * 1000
    peer.wait_s = 0.05
    answer = await admin.head(PCAP_PATH)
    assert (answer.content, answer.headers["content-type"]) == (b"", "a/b")
    async with asyncio.timeout(5):
        await peer.stream_ended.wait()


async def test_a_download_nobody_waits_for_ends(transcoder: Transcoder, peer: Peer) -> None:
    peer.pieces = [HttpBody(data=b"x")] * 1000
    peer.wait_s = 0.01
    sent: list[Any] = []
    events = iter([{"type": "http.request", "body": b""}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(events)

    async def send(event: Any) -> None:
        sent.append(event)

    await transcoder(a_scope("GET", PCAP_PATH), receive, send)
    assert len(sent) < 10
    async with asyncio.timeout(5):
        await peer.stream_ended.wait()
