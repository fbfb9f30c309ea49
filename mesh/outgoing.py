"""One outgoing RPC: its deadline, headers, span, metric, and its error in our own type."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import grpc
from opentelemetry.trace import Span

from mesh.errors import DeadlineExceeded
from mesh.remote import RemoteError
from mesh.telemetry import metrics, spans
from mesh.telemetry.rpc import finish

Header = tuple[str, str | bytes]


class Asker(Protocol):
    """Knows how long an RPC may take and what goes along with it."""

    @property
    def address(self) -> str:
        """Return whom the RPC goes to."""
        ...

    def timeout_s(self, asked_s: float | None) -> float:
        """Return the RPC's deadline in seconds, or raise when none is left."""
        ...

    def headers(self) -> list[Header]:
        """Return the headers to send."""
        ...


class UnaryCall:
    """An RPC with one response."""

    def __init__(self, asker: Asker, method: str, inner: Any) -> None:
        self._asker = asker
        self._method = method
        self._inner = inner

    async def __call__(
        self,
        request: Any,
        timeout: float | None = None,  # noqa: ASYNC109  (the generated stubs' own parameter)
        metadata: Any = None,
        **options: Any,
    ) -> Any:
        """Ask and return the response; raises RemoteError or DeadlineExceeded.

        `timeout` can only shorten the client's budget. `metadata` adds headers.
        """
        with _asking(self._asker, self._method) as span, spans.use(span):
            return await self._inner(
                request,
                timeout=self._asker.timeout_s(timeout),
                metadata=(*self._asker.headers(), *(metadata or ())),
                **options,
            )


class StreamingCall:
    """An RPC with a stream of responses."""

    def __init__(self, asker: Asker, method: str, inner: Any) -> None:
        self._asker = asker
        self._method = method
        self._inner = inner

    async def __call__(
        self,
        request: Any,
        timeout: float | None = None,  # noqa: ASYNC109  (the generated stubs' own parameter)
        metadata: Any = None,
        **options: Any,
    ) -> AsyncIterator[Any]:
        """Ask and iterate over the responses; raises RemoteError or DeadlineExceeded.

        Whoever may stop reading early wraps the iterator in `contextlib.aclosing`.
        """
        with _asking(self._asker, self._method) as span:
            # Not the current span while we yield: it would be the reader's, too.
            with spans.use(span):
                responses = self._inner(
                    request,
                    timeout=self._asker.timeout_s(timeout),
                    metadata=(*self._asker.headers(), *(metadata or ())),
                    **options,
                )
            try:
                async for response in responses:
                    yield response
            finally:
                # Whoever stops reading early has no use for the rest.
                responses.cancel()


@contextmanager
def _asking(asker: Asker, method: str) -> Iterator[Span]:
    name = method.removeprefix("/")
    span = spans.open_span(name, spans.CLIENT, _attributes(name, asker.address))
    start, code = time.monotonic(), "OK"
    try:
        yield span
    except grpc.aio.AioRpcError as error:
        code = error.code().name
        raise RemoteError.of(name, error) from error
    except (asyncio.CancelledError, GeneratorExit):
        code = "CANCELLED"
        raise
    except DeadlineExceeded:
        code = "DEADLINE_EXCEEDED"
        raise
    except BaseException:
        code = "UNKNOWN"
        raise
    finally:
        finish(span, code, failed=code != "OK")
        metrics.CLIENT.observe(name, code, time.monotonic() - start)


def _attributes(name: str, address: str) -> spans.Attributes:
    host, _, port = address.rpartition(":")
    attributes: dict[str, str | bool | int | float] = {
        "rpc.system.name": "grpc",
        "rpc.method": name,
        "server.address": host,
    }
    if port.isdigit():
        attributes["server.port"] = int(port)
    return attributes
