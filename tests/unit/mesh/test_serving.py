"""A stream whose client is gone ends as cancelled, whenever that is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from mesh.concerns import ErrorConcern
from mesh.serving import MeshInterceptor


class Gone:
    """The context of an RPC whose client goes away while a response is written."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    async def write(self, _response: object) -> None:
        raise grpc.aio.InternalError("Failed execute_batch")


async def test_a_client_that_goes_while_it_is_written_to_is_no_failure_of_ours() -> None:
    closed: list[bool] = []

    async def answers(_request: Any, _context: Any) -> AsyncIterator[bytes]:
        try:
            yield b"a piece"
        finally:
            closed.append(True)

    async def found(_details: Any) -> Any:
        return grpc.unary_stream_rpc_method_handler(answers)

    details: Any = type("Details", (), {"method": "/a.Service/Download"})()
    handler: Any = await MeshInterceptor([ErrorConcern()]).intercept_service(found, details)
    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await handler.unary_stream(None, Gone())
    assert (lines, closed) == ([], [True])
