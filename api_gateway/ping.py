"""`GET /ping`: whether the door is open, without asking who wants to know."""

from __future__ import annotations

from typing import Final

from api_gateway.transcoder import AsgiApp
from api_gateway.transcoder.http import Receive, Scope, Send

_PONG: Final = b'{"message":"pong"}'


def ping() -> AsgiApp:
    """Return the application; it answers GET and HEAD, and 405 to anything else."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        allowed = scope["method"] in {"GET", "HEAD"}
        body = _PONG if allowed else b""
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"cache-control", b"no-store"),
            *([] if allowed else [(b"allow", b"GET, HEAD")]),
        ]
        status = 200 if allowed else 405
        await send({"type": "http.response.start", "status": status, "headers": headers})
        shown = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": shown})

    return answer
