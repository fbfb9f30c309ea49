"""Envoy's gRPC-JSON transcoder reads the same contracts: what it makes of a request, we make.

Where we mean to differ, the case says so. Compared are the message that reaches the service, the
body that comes back, and the status.
"""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import message_factory
from google.protobuf.message import Message

from api_gateway.door import Door, ServedService
from api_gateway.transcoder import Transcoder
from mesh.clients import channel
from mesh.identity import IDENTITY_HEADER, PEER_HEADER
from tests.support.envoy import Upstream, running_envoy
from tests.support.rest_json import shown
from tests.unit.api_gateway.transcoder.door import (
    ADMIN,
    PEER_TOKEN,
    KnownTokens,
    Peer,
    running_node,
    servicer,
)
from tests.unit.api_gateway.transcoder.everything import compiled

FILE = compiled("shelf.proto", (Path(__file__).parent / "shelf.proto").read_text())
SERVICE = FILE.services_by_name["ShelfService"]
BookResponse: Any = message_factory.GetMessageClass(FILE.message_types_by_name["BookResponse"])
# RPCs that show the book alone; the referee cannot, and shows the whole response.
AS_ADMIN = (
    (PEER_HEADER, f"Bearer {PEER_TOKEN}"),
    (IDENTITY_HEADER, base64.b64encode(ADMIN.SerializeToString()).decode().rstrip("=")),
)
BARE = {"BookGet", "BookCreate", "AuthorPut"}


@dataclass(frozen=True)
class Verdict:
    """What came of one request."""

    status: int
    received: Message | None
    """What reached the service; None when nothing did."""
    body: Any


@dataclass(frozen=True)
class Court:
    """The same service behind both transcoders."""

    peer: Peer
    ours: httpx.AsyncClient
    envoys: httpx.AsyncClient

    async def hear(self, client: httpx.AsyncClient, method: str, path: str, body: Any) -> Verdict:
        self.peer.requests.clear()
        headers = {"content-type": "application/json"} if body is not None else {}
        answer = await client.request(method, path, content=body, headers=headers)
        received = self.peer.requests[0] if self.peer.requests else None
        shown = answer.json() if answer.status_code == 200 and answer.content else None
        return Verdict(answer.status_code, received, shown)

    async def both(self, method: str, path: str, body: Any = None) -> tuple[Verdict, Verdict]:
        """Return our verdict and the referee's."""
        return (
            await self.hear(self.ours, method, path, body),
            await self.hear(self.envoys, method, path, body),
        )


@pytest.fixture
async def court(tmp_path: Path, peer: Peer) -> AsyncIterator[Court]:
    answers = {rpc.name: lambda _, request: BookResponse(book=request) for rpc in SERVICE.methods}
    async with (
        running_node(tmp_path, [servicer(peer, SERVICE, answers)]) as address,
        running_envoy(tmp_path, Upstream(address, [SERVICE], AS_ADMIN)) as envoy,
        channel(address, token=PEER_TOKEN) as asked,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(
                Transcoder(Door([ServedService(SERVICE, asked)], KnownTokens()))
            ),
            base_url="http://door",
        ) as ours,
        httpx.AsyncClient(base_url=f"http://{envoy}") as envoys,
    ):
        yield Court(peer, ours, envoys)


AGREED: list[tuple[str, str, bytes | None]] = [
    # Paths.
    ("GET", "/v1.0/shelves/1/books/2", None),
    ("GET", "/v1.0/shelves/a%20b/books/c", None),
    ("GET", "/v1.0/shelves/a%2Fb/books/%C3%A9", None),
    ("GET", "/v1.0/shelves/a+b/books/2", None),
    ("GET", "/v1.0/files/a/b/c", None),
    ("GET", "/v1.0/files/a", None),
    ("GET", "/v1.0/files/a%2Fb/c%20d", None),
    ("GET", "/v1.0/books/x/pages/7", None),
    ("GET", "/v1.0/books/x%2Fy/pages/-7", None),
    ("POST", "/v1.0/books/x:close", None),
    ("POST", "/v1.0/books/x:y:close", None),
    # Queries.
    ("GET", "/v1.0/books", None),
    ("GET", "/v1.0/books?name=a%20b&pages=3&open=true&price=1.5&copies=4", None),
    ("GET", "/v1.0/books?tags=a&tags=b&tags=", None),
    ("GET", "/v1.0/books?author.name=a&author.age=3", None),
    ("GET", "/v1.0/books?name=a%2Bb", None),
    ("GET", "/v1.0/books?name=%C3%A9", None),
    ("GET", "/v1.0/books?open=false", None),
    ("GET", "/v1.0/books?price=-1e3", None),
    ("GET", "/v1.0/shelves/1/books/2?pages=3", None),
    ("POST", "/v1.0/books/x:close?open=true", None),
    # Bodies.
    ("POST", "/v1.0/books", b"{}"),
    ("POST", "/v1.0/books", b""),
    ("POST", "/v1.0/books", b'{"name":"a","pages":1,"tags":["x","y"],"open":true,"price":1.5}'),
    ("POST", "/v1.0/books", b'{"author":{"name":"a","age":2},"readers":[{"name":"b"},{}]}'),
    ("POST", "/v1.0/books", b'{"at":"2026-08-01T10:00:30.123456Z","data":"YQ=="}'),
    ("POST", "/v1.0/books", b'{"at":"2026-08-01T10:00:30+02:00"}'),
    ("POST", "/v1.0/books", b'{"notes":{"a":"b"},"extra":{"x":[1,null,{"y":true}],"z":"w"}}'),
    ("POST", "/v1.0/books", b'{"name":null,"author":null,"tags":null}'),
    ("POST", "/v1.0/books", b'{"name":"\\u00e9\\ud83d\\ude00"}'),
    ("POST", "/v1.0/books", b'{"pages":5.0}'),
    ("POST", "/v1.0/authors/ann/books", b'{"name":"a"}'),
    ("PUT", "/v1.0/books/x/author", b'{"name":"a","age":2}'),
    ("PUT", "/v1.0/books/x/author", b"{}"),
    ("PUT", "/v1.0/books/x/author?pages=3", b'{"name":"a"}'),
    # Refusals.
    ("GET", "/v1.0/nothing", None),
    ("GET", "/v1.0/shelves/1/books", None),
    ("GET", "/v1.0/books?colour=red", None),
    ("GET", "/v1.0/books?author.colour=red", None),
    ("GET", "/v1.0/books?pages=x", None),
    ("GET", "/v1.0/books?pages=2147483648", None),
    ("GET", "/v1.0/books?copies=-1", None),
    ("GET", "/v1.0/books?open=maybe", None),
    ("GET", "/v1.0/books/x/pages/y", None),
    ("GET", "/v1.0/books?pages=1.0", None),
    ("GET", "/v1.0/books?open=", None),
    ("GET", "/v1.0/books?pages=", None),
    ("GET", "/v1.0/books?notes.a=b", None),
    ("POST", "/v1.0/books", b"{}{}"),
    ("POST", "/v1.0/books", b'{"price":1e999}'),
    ("POST", "/v1.0/books", b'{"name":"\\ud800"}'),
    ("POST", "/v1.0/books", b'{"name":"\xff"}'),
    ("POST", "/v1.0/books", b"{"),
    ("POST", "/v1.0/books", b"[]"),
    ("POST", "/v1.0/books", b'{"pages":"x"}'),
    ("POST", "/v1.0/books", b'{"pages":1.5}'),
    ("POST", "/v1.0/books", b'{"pages":2147483648}'),
    ("POST", "/v1.0/books", b'{"name":1}'),
    ("POST", "/v1.0/books", b'{"author":[]}'),
    ("POST", "/v1.0/books", b'{"tags":{}}'),
    ("POST", "/v1.0/books", b'{"at":"yesterday"}'),
]

# What we mean to do otherwise: our status, and the referee's.
DIFFERENT: list[tuple[str, str, bytes | None, int, int]] = [
    # An empty segment names nothing.
    ("GET", "/v1.0/books/", None, 404, 200),
    ("GET", "/v1.0/shelves//books/2", None, 404, 200),
    # The short prefix is ours, and so are the methods that every path has.
    ("GET", "/v1/books", None, 200, 404),
    ("HEAD", "/v1.0/books", None, 200, 404),
    ("OPTIONS", "/v1.0/books", None, 204, 404),
    ("PATCH", "/v1.0/books", None, 405, 404),
    # Bytes that are no text are the client's mistake, not the service's.
    ("GET", "/v1.0/books/x%FF/pages/7", None, 404, 500),
    ("GET", "/v1.0/books?name=%FF", None, 400, 500),
    ("GET", "/v1.0/books/x%00/pages/7", None, 400, 200),
    ("POST", "/v1.0/books", b'{"name":"a\\u0000b"}', 400, 200),
    # Nothing is dropped silently, said twice, or said in a place where it is not asked for.
    ("GET", "/v1.0/books?name=a&name=b", None, 400, 200),
    ("GET", "/v1.0/books/x/pages/7?name=y", None, 400, 200),
    ("POST", "/v1.0/books?pages=3", b"{}", 400, 200),
    ("POST", "/v1.0/books", b'{"colour":1}', 400, 200),
    ("POST", "/v1.0/books", b'{"name":"a","name":"b"}', 400, 200),
    ("POST", "/v1.0/books/x:close", b'{"open":true}', 400, 200),
    ("POST", "/v1.0/authors/ann/books", b'{"author":{"name":"bob"}}', 400, 200),
    ("PUT", "/v1.0/books/x/author?author.age=3", b"{}", 400, 200),
    # JSON is JSON, and a type is itself.
    ("GET", "/v1.0/books?open=1", None, 400, 200),
    ("POST", "/v1.0/books", b'{"pages":"5"}', 400, 200),
    ("POST", "/v1.0/books", b'{"open":"true"}', 400, 200),
    ("POST", "/v1.0/books", b'{"price":"NaN"}', 400, 200),
    ("POST", "/v1.0/books", b'{"data":"YQ"}', 400, 200),
    ("POST", "/v1.0/books", b'{"tags":[null]}', 400, 200),
    ("POST", "/v1.0/books", b"{'name':'a',}", 400, 200),
    # Credentials in the query are taken out before anything else sees it.
    ("GET", "/v1.0/books?token=t&accesskey=k", None, 200, 400),
]


def in_our_form(rpc: str, body: Any) -> Any:
    """Return the referee's body under our rules for JSON, and under nothing else."""
    if body is None:
        return None
    response = BookResponse.DESCRIPTOR
    ours = shown(response, body)
    return ours["book"] if rpc in BARE else ours


def rpc_of(method: str, path: str) -> str:
    """Return the RPC that a request of the tables means."""
    if path.startswith("/v1.0/shelves"):
        return "BookGet"
    return {"PUT": "AuthorPut", "GET": "BookList"}.get(
        method, "BookClose" if ":close" in path else "BookCreate"
    )


async def test_the_referee_makes_the_same_of_every_request(court: Court) -> None:
    differences = []
    for method, path, body in AGREED:
        ours, envoys = await court.both(method, path, body)
        expected = replace(envoys, body=in_our_form(rpc_of(method, path), envoys.body))
        if ours != expected:
            differences.append(f"{method} {path} {body!r}:\n  {ours}\n  {expected}")
    assert not differences, "\n".join(differences)


async def test_we_differ_where_we_mean_to_and_only_as_we_mean_to(court: Court) -> None:
    found = []
    for method, path, body, _, _ in DIFFERENT:
        ours, envoys = await court.both(method, path, body)
        found.append((method, path, body, ours.status, envoys.status))
    assert found == DIFFERENT
