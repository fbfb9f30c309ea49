"""Requests and replies of the carrier's API in tests, one per connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any

    @property
    def name(self) -> str:
        """`POST /fqdns`: the method, and the path without an id."""
        return f"{self.method} /{self.path.strip('/').split('/')[0]}"


@dataclass(frozen=True)
class Reply:
    """What to answer: a status and a body, which is JSON unless it is octets."""

    status: int
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


async def read_request(reader: asyncio.StreamReader) -> Asked:
    """Read one request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    url = urlsplit(target)
    return Asked(
        method=method,
        path=url.path.removeprefix("/v2"),
        query=dict(parse_qsl(url.query)),
        headers=headers,
        body=json.loads(content) if content else None,
    )


def written(reply: Reply) -> bytes:
    """Return a reply as it goes on the wire."""
    content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        "connection": "close",
        **reply.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} Status\r\n{lines}\r\n".encode() + content
