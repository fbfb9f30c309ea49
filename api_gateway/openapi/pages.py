"""The pages of the API description, for everybody: no credential is asked, GET and HEAD only.

They hold nothing that the source does not say, and ask nothing of anybody but this server.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from importlib.resources import files
from typing import Final

import orjson
from google.protobuf.descriptor import ServiceDescriptor
from voipbin.mesh.v1 import options_pb2

from api_gateway.openapi.catalogue import Catalogue
from api_gateway.openapi.comments import read_wording
from api_gateway.openapi.document import document
from api_gateway.openapi.errors_page import errors_html
from api_gateway.openapi.failures import Failures
from api_gateway.transcoder.http import JSON_TYPE, AsgiApp, Headers, Receive, Scope, Send
from api_gateway.transcoder.problem import ERRORS_PAGE
from mesh import contract

_HTML: Final = "text/html; charset=utf-8"
_SCRIPT: Final = "text/javascript; charset=utf-8"
_STYLE: Final = "text/css; charset=utf-8"

_CONTENT_SECURITY_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    b" connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_EVERY_PAGE: Final[Headers] = (
    # Asked for anew each time, and not sent again when it is the same.
    (b"cache-control", b"no-cache"),
    (b"content-security-policy", _CONTENT_SECURITY_POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"access-control-allow-origin", b"*"),
)
_READING: Final = frozenset({"GET", "HEAD"})


def pages(services: Iterable[ServiceDescriptor]) -> dict[str, AsgiApp]:
    """Return the application of each path."""
    served = list(services)
    return {
        "/openapi.json": Page(JSON_TYPE, partial(_description, served)),
        "/protos.zip": Page("application/zip", partial(_resource, "voipbin", "protos.zip")),
        "/docs": Page(_HTML, partial(_own, "static", "docs.html")),
        "/docs/start.js": Page(_SCRIPT, partial(_own, "static", "start.js")),
        "/docs/swagger-ui-bundle.js": Page(
            _SCRIPT, partial(_own, "swagger_ui", "swagger-ui-bundle.js")
        ),
        "/docs/swagger-ui.css": Page(_STYLE, partial(_own, "swagger_ui", "swagger-ui.css")),
        "/docs/favicon.png": Page("image/png", partial(_own, "swagger_ui", "favicon-32x32.png")),
        ERRORS_PAGE: Page(_HTML, partial(_errors, served)),
        f"{ERRORS_PAGE}.css": Page(_STYLE, partial(_own, "static", "errors.css")),
        "/swagger": redirect("/docs"),
        "/redoc": redirect("/docs"),
    }


class Page:
    """One page, made when it is first asked for and kept."""

    def __init__(self, media_type: str, make: Callable[[], bytes]) -> None:
        self._media_type = media_type.encode("ascii")
        self._make = make
        self._made: tuple[bytes, bytes] | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["method"] not in _READING:
            await _send(send, 405, [(b"allow", b"GET, HEAD"), (b"content-length", b"0")])
            return
        body, tag = await self._content()
        headers = [*_EVERY_PAGE, (b"etag", tag)]
        if tag in _tags(scope):
            await _send(send, 304, headers)
            return
        headers += [
            (b"content-type", self._media_type),
            (b"content-length", b"%d" % len(body)),
        ]
        await _send(send, 200, headers, b"" if scope["method"] == "HEAD" else body)

    async def _content(self) -> tuple[bytes, bytes]:
        async with self._making:
            if self._made is None:
                # Reading every contract takes a while in which calls go on.
                body = await asyncio.to_thread(self._make)
                tag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode("ascii")
                self._made = (body, tag)
            return self._made


def redirect(target: str) -> AsgiApp:
    """Return an application that sends its readers elsewhere."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in _READING:
            location = (b"location", target.encode("ascii"))
            await _send(send, 307, [location, (b"content-length", b"0")])
        else:
            await _send(send, 405, [(b"allow", b"GET, HEAD"), (b"content-length", b"0")])

    return answer


async def _send(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    start = {"type": "http.response.start", "status": status, "headers": list(headers)}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _tags(scope: Scope) -> list[bytes]:
    given = [value for name, value in scope["headers"] if name.lower() == b"if-none-match"]
    tags = [tag.strip() for tag in b",".join(given).split(b",")]
    # RFC 9110 section 13.1.2: compared weakly.
    return [tag.removeprefix(b"W/") for tag in tags]


def _own(folder: str, name: str) -> bytes:
    return _resource(__package__ or "", folder, name)


def _resource(package: str, *names: str) -> bytes:
    return files(package).joinpath(*names).read_bytes()


def _description(services: list[ServiceDescriptor]) -> bytes:
    return orjson.dumps(document(services))


def _errors(services: list[ServiceDescriptor]) -> bytes:
    wording = read_wording()
    public = frozenset(
        str(rpc.full_name)
        for service in services
        for rpc in service.methods
        if contract.policy(rpc).exposure == options_pb2.EXPOSURE_PUBLIC
    )
    catalogue = Catalogue(wording, Failures(wording))
    return errors_html(catalogue.all(), public).encode("utf-8")
