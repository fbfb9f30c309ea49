"""The concerns of every RPC: errors, deadline, validation. Telemetry and identity have their own.

The order is fixed by `mesh.node`: telemetry, errors, deadline, identity, validation, handler.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import grpc
import protovalidate
import structlog

from mesh import ambient
from mesh.errors import (
    DeadlineExceeded,
    FieldViolation,
    Internal,
    InvalidArgument,
    MeshError,
    RichStatus,
    Unimplemented,
)
from mesh.serving import Rpc

log = structlog.get_logger()


class ErrorConcern:
    """Turns what a handler raises into the status the caller sees: the one place that aborts."""

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Run the RPC; a MeshError tells its own status, anything else is private."""
        try:
            yield
        except MeshError as error:
            status = error.to_status()
            # What the caller is not told must stand here, also when it was a peer's answer.
            if status.code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
                log.exception("internal error", rpc=rpc.name, reason=error.reason)
            await _abort(rpc, status)
        except NotImplementedError:
            # Generated servicers raise this for an RPC that nobody wrote.
            log.exception("unimplemented", rpc=rpc.name)
            unimplemented = Unimplemented(f"{rpc.name} is not implemented.")
            await _abort(rpc, unimplemented.to_status())
        except grpc.aio.AbortError:
            raise
        except Exception:
            log.exception("unexpected failure", rpc=rpc.name)
            await _abort(rpc, Internal("internal error").to_status())


async def _abort(rpc: Rpc, status: RichStatus) -> NoReturn:
    # The aio server takes any object with these three attributes; grpc.Status is its protocol.
    await rpc.context.abort(status.code, status.details, status.trailing_metadata)


class DeadlineConcern:
    """Publishes the request's deadline to what it awaits, and ends a request without one."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Run the RPC under the client's deadline, or `longest_s` where that is shorter.

        A response stream may outlast `longest_s`: a download or a live view ends when the
        client's own deadline does.
        """
        left = rpc.context.time_remaining()
        if rpc.streams_response:
            ambient.set_deadline(None if left is None else time.monotonic() + left)
            yield
            return
        limit = self._longest_s if left is None else min(left, self._longest_s)
        ambient.set_deadline(time.monotonic() + limit)
        timer = asyncio.timeout(limit)
        try:
            async with timer:
                yield
        except TimeoutError:
            if not timer.expired():
                raise
            raise DeadlineExceeded(f"{rpc.name} took longer than its deadline.") from None


class ValidationConcern:
    """Checks the request against the `buf.validate` rules of its contract."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Run the RPC when its request is well formed; otherwise raise InvalidArgument."""
        if rpc.method is not None and rpc.request is not None:
            violations = self._violations(rpc)
            if violations:
                first = violations[0]
                summary = (
                    f"{first.field}: {first.description}" if first.field else (first.description)
                )
                raise InvalidArgument(f"The request is invalid: {summary}", violations=violations)
        yield

    def _violations(self, rpc: Rpc) -> list[FieldViolation]:
        found = self._validator.collect_violations(rpc.request)
        return [
            FieldViolation(field_path(violation.proto.field), violation.proto.message)
            for violation in found
        ]


def field_path(path: Any) -> str:
    """Return a violation's path as text, for example `destinations[0].target`."""
    parts = [f".{element.field_name}{_subscript(element)}" for element in path.elements]
    return "".join(parts).removeprefix(".")


def _subscript(element: Any) -> str:
    # The violations are messages of protovalidate's own runtime: a oneof is one attribute.
    chosen = element.subscript
    return "" if chosen is None else f"[{chosen.value!r}]"
