"""The HTTP side of a request: an ASGI scope read, a body received, an answer sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from api_gateway.transcoder.errors import (
    BodyTooLarge,
    InvalidJsonBody,
    UnsupportedMediaType,
    shortened,
)
from mesh import ambient

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

JSON_TYPE: Final = "application/json"


class ClientGone(Exception):
    """The client went away before its request was complete; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    content_type: str
    """Empty where there is no body."""
    body: bytes
    headers: Headers = ()


class HttpRequest:
    """A request as ASGI hands it over (ASGI 3.0, HTTP)."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        # `path` is decoded already, so that `%2F` in it can no longer be told from a slash.
        raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
        self.raw_path = raw.decode("latin-1")
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self.scheme: str = scope.get("scheme", "http")
        self.http_version: str = scope.get("http_version", "1.1")
        self.client: str = (scope.get("client") or ("", 0))[0]
        self.server: tuple[str, int | None] = tuple(scope.get("server") or ("", None))
        self.headers = _headers(scope["headers"])
        self.id = _request_id(self.headers)
        self.receive = receive
        self.started = False
        """Whether an answer has begun; no other can follow."""
        self._send = send

    @property
    def content_type(self) -> str:
        """Return the media type that the body is declared as, whatever it says; empty for none."""
        return self.headers.get("content-type", "")

    async def body(self, *, bytes_max: int, deadline_s: float, is_json: bool = True) -> bytes:
        """Receive the body; one that is no JSON may be declared as anything.

        Raises BodyTooLarge, InvalidJsonBody when it does not arrive in time,
        UnsupportedMediaType and ClientGone.
        """
        declared = self.headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > bytes_max:
            raise _too_large(bytes_max)
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(deadline_s):
                more = True
                while more:
                    piece, more = await self._piece()
                    size += len(piece)
                    if size > bytes_max:
                        raise _too_large(bytes_max)
                    pieces.append(piece)
        except TimeoutError:
            raise InvalidJsonBody(f"The body took more than {deadline_s:g} s to arrive.") from None
        body = b"".join(pieces)
        if body:
            _check_content_encoding(self.headers.get("content-encoding", ""))
            if is_json:
                _check_content_type(self.content_type)
        return body

    async def _piece(self) -> tuple[bytes, bool]:
        event = await self.receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        return event.get("body", b""), event.get("more_body", False)

    async def gone(self) -> None:
        """Wait until the client goes away; only after the body was received."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def start(self, status: int, headers: Headers) -> None:
        """Send the status line and the headers."""
        await self.send_event(
            {"type": "http.response.start", "status": status, "headers": list(headers)}
        )

    async def send(self, body: bytes, *, more: bool) -> None:
        """Send a piece of the body."""
        await self.send_event({"type": "http.response.body", "body": body, "more_body": more})

    async def send_event(self, event: MutableMapping[str, Any]) -> None:
        """Send an event as it is (ASGI)."""
        self.started = True
        await self._send(event)


def _too_large(bytes_max: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {bytes_max} bytes.", limit_bytes=str(bytes_max))


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in raw:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1")
        if name in found:
            # RFC 9110 section 5.3; cookies have a separator of their own (RFC 9113 8.2.3).
            found[name] += ("; " if name == "cookie" else ", ") + text
        else:
            found[name] = text
    return found


def _request_id(headers: dict[str, str]) -> str:
    sent = headers.get(ambient.REQUEST_ID_HEADER, "")
    return sent if ambient.acceptable_request_id(sent) else ambient.new_request_id()


def _check_content_encoding(header: str) -> None:
    # What is compressed is never undone here: a small body could become a huge one.
    if header.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType(
            "The body is encoded; only plain bodies are read.", content_encoding=shortened(header)
        )


def _check_content_type(header: str) -> None:
    kind, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = [
        value.strip('" ')
        for name, _, value in (parameter.partition("=") for parameter in parameters)
        if name.strip() == "charset"
    ]
    is_json = kind == JSON_TYPE or (kind.startswith("application/") and kind.endswith("+json"))
    if not is_json or any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise UnsupportedMediaType(
            "The body is not declared as JSON in UTF-8.", content_type=shortened(header)
        )
