"""Turns what an RPC answers into an HTTP answer, and sends it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from api_gateway.transcoder.cookies import cookies_of
from api_gateway.transcoder.http import JSON_TYPE, Answer, Headers, HttpRequest
from api_gateway.transcoder.json_forms import HTTP_BODY, is_http_body
from api_gateway.transcoder.json_write import JsonWriters
from api_gateway.transcoder.routes import Binding
from api_gateway.transcoder.template import Wildcard
from mesh.contract import ContractError

SEND_DEADLINE_S: Final = 30.0
"""How long a client may take to receive an answer that is no download, in seconds."""

_UNTYPED: Final = "application/octet-stream"
_UNSAFE_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]")
_FILE: Final = re.compile(r"\.file$")
_ENDINGS: Final = {"audio/wav": ".wav"}

Respond = Callable[[Any], Answer]
"""Turns an RPC's response message into an answer."""


def json_respond(binding: Binding, writers: JsonWriters) -> Respond:
    """Return what shows the response, or its `response_body` field, as JSON.

    A field with the option `cookie` is also set as a cookie. Raises ContractError when the
    response has no such field or no REST form.
    """
    cookies = cookies_of(binding.rpc.output_type)
    if binding.response_body:
        write = writers.field(_response_field(binding))
    else:
        write = writers.message(binding.rpc.output_type)

    def respond(response: Message) -> Answer:
        headers = [cookie(response) for cookie in cookies]
        return Answer(200, JSON_TYPE, orjson.dumps(write(response)), headers)

    return respond


def _response_field(binding: Binding) -> FieldDescriptor:
    field: FieldDescriptor | None = binding.rpc.output_type.fields_by_name.get(
        binding.response_body
    )
    if field is None:
        raise ContractError(f"{binding.rpc.full_name}: no field {binding.response_body} to show")
    return field


def download_field(binding: Binding) -> str:
    """Return the field that holds a streamed response's chunks.

    Raises ContractError unless the binding shows a field of type google.api.HttpBody: nothing
    else is streamed over REST.
    """
    field = _response_field(binding)
    if not is_http_body(field):
        raise ContractError(f"{binding.rpc.full_name} streams what is no {HTTP_BODY}")
    return str(field.name)


def file_name(binding: Binding, variables: dict[str, str]) -> str:
    """Return what a download is saved as, from the route: `calls/{id}/pcap` is call-<id>.pcap.

    Empty when the path does not end in a collection, an id and a word.
    """
    match binding.template.segments[-3:]:
        case (str(collection), Wildcard.ONE, str(suffix)) if binding.template.variables:
            value = variables[binding.template.variables[-1].field_path]
            singular = collection.removesuffix("s")
            return _UNSAFE_IN_NAMES.sub("_", f"{singular}-{value}.{suffix}")
    return ""


class Sendable(Protocol):
    """An answer that knows how to go out."""

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        ...

    async def send(self, request: HttpRequest, headers: Headers) -> None:
        """Send the answer; `headers` go out beside its own."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer sent in one piece; a HEAD request gets its headers only."""

    answer: Answer

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return self.answer.status

    async def send(self, request: HttpRequest, headers: Headers) -> None:
        """Send the answer; raises TimeoutError when the client does not take it."""
        own = list(self.answer.headers)
        if self.answer.content_type:
            own.append((b"content-type", self.answer.content_type.encode("ascii")))
        if self.answer.status != 204:
            own.append((b"content-length", b"%d" % len(self.answer.body)))
        async with asyncio.timeout(SEND_DEADLINE_S):
            await request.start(self.answer.status, (*own, *headers))
            await request.send(b"" if request.method == "HEAD" else self.answer.body, more=False)


class Download:
    """An answer sent as its chunks come; an error on the way breaks the connection.

    HTTP has no other way to say that a body is not whole once its status went out.
    """

    status = 200

    def __init__(
        self, first: Any, rest: AsyncGenerator[Any, None], name: str, deadline_s: float
    ) -> None:
        self._first = first
        self._rest = rest
        self._name = name
        self._deadline_s = deadline_s

    @classmethod
    async def begin(
        cls, responses: AsyncGenerator[Any, None], field: str, name: str, deadline_s: float
    ) -> Download:
        """Wait for the first chunk, which decides the content type; its error is an answer's."""
        bodies = _bodies(responses, field)
        first = await anext(bodies, None)
        return cls(first, bodies, name, deadline_s)

    async def send(self, request: HttpRequest, headers: Headers) -> None:
        """Stream the chunks until the end, the deadline, or the client's going away.

        Raises TimeoutError at the deadline and MeshError where the RPC fails on the way.
        """
        gone = asyncio.create_task(request.gone())
        try:
            async with asyncio.timeout(self._deadline_s), aclosing(self._rest):
                await request.start(self.status, (*self._headers(), *headers))
                if request.method != "HEAD":
                    await self._send_chunks(request, gone)
                await request.send(b"", more=False)
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone

    async def _send_chunks(self, request: HttpRequest, gone: asyncio.Task[None]) -> None:
        if self._first is None:
            return
        await request.send(self._first.data, more=True)
        async for body in self._rest:
            if gone.done():
                return
            await request.send(body.data, more=True)

    def _headers(self) -> Headers:
        kind = self._first.content_type if self._first is not None else ""
        headers = [(b"content-type", (kind or _UNTYPED).encode("latin-1", "replace"))]
        if self._name:
            name = _typed(self._name, kind)
            disposition = f'attachment; filename="{name}"'
            headers.append((b"content-disposition", disposition.encode("ascii")))
        return headers


def _typed(name: str, kind: str) -> str:
    """Return a file's name with the ending of its type, where the route only says `file`."""
    ending = _ENDINGS.get(kind)
    return name if ending is None else _FILE.sub(ending, name)


async def _bodies(responses: AsyncGenerator[Any, None], field: str) -> AsyncGenerator[Any, None]:
    async with aclosing(responses) as closing:
        async for response in closing:
            yield getattr(response, field)
