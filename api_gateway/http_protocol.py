"""HTTP/1.1 connections with the limits that uvicorn leaves open: how much, and how long.

httptools reads whatever comes, and uvicorn's own limit of headers is h11's alone. So without this
one connection fills the memory, and a few hundred that say nothing keep everybody else out.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_BYTES_MAX: Final = 32 * 1024
"""The most bytes of a request's first line and headers; a browser's cookies fit in well."""

HEAD_S: Final = 10.0
"""How long they may take to arrive, in seconds, counted from the connection or the first byte."""

MESSAGE_BYTES_MAX: Final = 6 * 1024 * 1024
"""The most bytes of a whole request: the longest body of JSON in the smallest chunks, or the
longest file in chunks that make sense, and trailers."""

LINGER_S: Final = 2.0
"""How long a request that is answered already may go on, so that its sender reads the answer."""

PIPELINE_MAX: Final = 16
"""How many requests of one connection may wait for their turn."""

_BAD_REQUEST: Final = (400, "This is no HTTP request.")
_HEAD_TOO_LARGE: Final = (431, f"The request line and headers exceed {HEAD_BYTES_MAX} bytes.")
_TOO_MANY: Final = (429, f"More than {PIPELINE_MAX} requests wait on this connection.")


class _Refused(Exception):
    """Ends the parsing; the parser hands it on as an error of its own."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection that ends itself when its peer asks for too much or takes too long."""

    def __init__(self, *args: Any, overloaded: Any = None, **named: Any) -> None:
        super().__init__(*args, **named)
        self._served = self.app
        self._overloaded = overloaded
        self._in_head = True
        self._in_message = False
        self._size = 0
        self._refusal = _BAD_REQUEST
        self._deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._close_after(HEAD_S)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._size += len(data)
        if self.transport.is_closing():
            return
        if not self._in_message:
            self._wait_for_more()
        elif self._in_head and self._size > HEAD_BYTES_MAX:
            self._refusal = _HEAD_TOO_LARGE
            self.send_400_response("")
        elif self._size > MESSAGE_BYTES_MAX:
            self.transport.close()

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._size = 0
        self._close_after(HEAD_S)

    @override
    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._in_head = False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEAD_BYTES_MAX or len(self.pipeline) >= PIPELINE_MAX:
            self._refusal = _HEAD_TOO_LARGE if size > HEAD_BYTES_MAX else _TOO_MANY
            raise _Refused
        self._choose()
        super().on_headers_complete()

    def _choose(self) -> None:
        """Let our own application say that there is no room, in the form of every other error."""
        if self._overloaded is None:
            return
        most = self.config.limit_concurrency
        self.limit_concurrency = None
        full = most is not None and max(len(self.connections), len(self.tasks)) >= most
        self.app = self._overloaded if full else self._served

    @override
    def on_message_complete(self) -> None:
        self._in_message = False
        self._stop_waiting()
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_message and not self._in_head and self.cycle.response_complete:
            # The timer for idle connections would be set back by every byte that still comes.
            self._close_after(LINGER_S)

    @override
    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or too much of one, and close."""
        status, why = self._refusal
        head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
        body = why.encode("ascii")
        length = b"content-length: %d\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + length + body)
        self.transport.close()

    def _wait_for_more(self) -> None:
        """Line ends between requests are allowed, and stop the timer for idle connections."""
        answered = self.cycle is None or self.cycle.response_complete
        if answered and self.timeout_keep_alive_task is None and self._deadline is None:
            self._close_after(HEAD_S)

    def _close_after(self, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
