"""What ASGI can do to the transcoder beyond a plain request."""

import asyncio
from typing import Any

import httpx
import pytest

from api_gateway.door import Door
from api_gateway.transcoder import Transcoder
from tests.unit.api_gateway.transcoder.door import PROVIDER_ID, KnownTokens, Peer, a_scope, reason


async def test_a_body_that_never_arrives_is_given_up(transcoder: Transcoder) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(event: Any) -> None:
        sent.append(event)

    await transcoder(a_scope("POST", "/v1.0/flows"), receive, send)
    assert sent[0]["status"] == 400


async def test_a_client_that_left_is_not_answered(transcoder: Transcoder, peer: Peer) -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        raise AssertionError(event)

    await transcoder(a_scope("POST", "/v1.0/flows"), receive, send)
    assert peer.requests == []


async def test_extra_paths_are_served_as_they_are(transcoder: Transcoder) -> None:
    served = Transcoder(Door([], KnownTokens()), extra={"/ping": transcoder})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(served), base_url="http://door"
    ) as client:
        assert reason(await client.get("/ping")) == (404, "ROUTE_NOT_FOUND")


async def test_a_defect_of_an_extra_path_is_told_as_every_other_and_tells_nothing() -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise LookupError("private")

    served = Transcoder(Door([], KnownTokens()), extra={"/docs": broken})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(served), base_url="http://door"
    ) as client:
        answer = await client.get("/docs")
    assert reason(answer) == (500, "INTERNAL")
    assert "private" not in answer.text
    assert answer.headers["x-request-id"] == answer.json()["error"]["request_id"]


async def test_an_extra_path_that_breaks_off_has_no_second_answer() -> None:
    async def broken(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError("in the middle")

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)

    served = Transcoder(Door([], KnownTokens()), extra={"/docs": broken})
    with pytest.raises(LookupError):
        await served(a_scope("GET", "/docs"), receive, send)
    assert [event["type"] for event in sent] == ["http.response.start"]


async def test_a_lifespan_begins_and_ends(transcoder: Transcoder) -> None:
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Any:
        return next(events)

    async def send(event: Any) -> None:
        sent.append(event["type"])

    await transcoder({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_websocket_is_closed(transcoder: Transcoder) -> None:
    sent: list[str] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(event: Any) -> None:
        sent.append(event["type"])

    await transcoder({"type": "websocket", "path": "/"}, receive, send)
    assert sent == ["websocket.close"]


async def test_a_head_request_is_sent_no_byte_of_a_body(transcoder: Transcoder) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(event: Any) -> None:
        sent.append(event)

    await transcoder(a_scope("HEAD", f"/v1.0/providers/{PROVIDER_ID}"), receive, send)
    assert sent[0]["status"] == 200
    assert [event["body"] for event in sent[1:]] == [b""]
