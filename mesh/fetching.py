"""Fetches what a URL names for somebody who may mean harm by it (SSRF; RELIABILITY.md 2.3).

A host is resolved once, every address that it has is judged, and the connection goes to one of
those that were judged: a name that resolves differently a moment later leads nowhere (rebinding).
Redirects are not followed, and no proxy is asked.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from ipaddress import ip_address
from typing import Final

import httpx

from mesh.addresses import Address, may_be_reached
from mesh.hosts import host_of, is_private, on_the_wire, port_of

URL_CHARACTERS_MAX: Final = 2048
"""The longest URL."""

ADDRESSES_MAX: Final = 3
"""How many of a host's addresses are tried."""

_PORTS: Final = {"http": 80, "https": 443}
_PIECE_BYTES: Final = 64 * 1024
# Threads of their own: a name server that does not answer holds one longer than any deadline.
_RESOLVING: Final = ThreadPoolExecutor(4, thread_name_prefix="resolving")

Resolve = Callable[[str], Awaitable[Sequence[Address]]]
"""Returns a host name's addresses; raises OSError when it has none."""


class FetchFailed(Exception):
    """Nothing was fetched; the message is a sentence that tells no address and no internals."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked, as far as can be told from the text."""

    url: httpx.URL
    authority: str
    """Host and port as the server is told (RFC 9110 section 7.2)."""
    host: str
    """As it goes on the wire, without brackets."""
    port: int


def target(url: str, *, private_hosts: bool) -> Target:
    """Return what a URL names. Raises FetchFailed for one that is never asked.

    It is http or https, without credentials, on port 80 or 443, and of a public host;
    `private_hosts` allows any port and any host.
    """
    if len(url) > URL_CHARACTERS_MAX:
        raise FetchFailed(f"The URL is longer than {URL_CHARACTERS_MAX} characters.")
    scheme, separator, rest = url.partition("://")
    usual = _PORTS.get(scheme.lower())
    if not separator or usual is None:
        raise FetchFailed("The URL begins with neither http:// nor https://.")
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    if "@" in authority:
        raise FetchFailed("The URL has a user name or a password.")
    host = host_of(authority)
    if host is None:
        raise FetchFailed("The URL names no host.")
    port = port_of(authority) or usual
    if not private_hosts and port not in _PORTS.values():
        raise FetchFailed(f"Port {port} is not asked; only 80 and 443 are.")
    if not private_hosts and is_private(host):
        raise FetchFailed(f"The host {host} is not on the public Internet.")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise FetchFailed("This is no URL.") from None
    return Target(parsed, on_the_wire(authority), host, port)


async def resolved(host: str) -> Sequence[Address]:
    """Return the addresses that the machine's resolver knows of a host, each once."""
    asked = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVING, asked)
    return list(dict.fromkeys(ip_address(address[0]) for *_, address in found))


class Fetcher:
    """Fetches URLs; `private_hosts` (lab mode) lets them be on this machine and its networks.

    `tls` is what certificates are checked by; None: by the public authorities.
    """

    def __init__(
        self,
        *,
        private_hosts: bool,
        resolve: Resolve = resolved,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._private_hosts = private_hosts
        self._resolve = resolve
        self._tls = tls

    async def get(self, url: str, *, bytes_max: int, deadline_s: float) -> bytes:
        """Return the body of the answer 200 to a GET. Raises FetchFailed."""
        asked = target(url, private_hosts=self._private_hosts)
        try:
            async with asyncio.timeout(deadline_s):
                addresses = await self._addresses(asked)
                tls = self._tls
                if tls is None:
                    tls = await asyncio.to_thread(_public_authorities)
                return await _from_any(asked, addresses, tls, bytes_max)
        except TimeoutError:
            raise FetchFailed(f"The server did not answer within {deadline_s:g} s.") from None

    async def _addresses(self, asked: Target) -> Sequence[Address]:
        try:
            found = await self._resolve(asked.host)
        except (OSError, UnicodeError):
            raise FetchFailed(f"The host {asked.host} could not be resolved.") from None
        if not found:
            raise FetchFailed(f"The host {asked.host} has no address.")
        # One that is forbidden beside others that are not is no mistake of a well-meaning owner.
        if not all(may_be_reached(one, private=self._private_hosts) for one in found):
            raise FetchFailed(f"The host {asked.host} is not on the public Internet.")
        return found[:ADDRESSES_MAX]


async def _from_any(
    asked: Target, addresses: Sequence[Address], tls: ssl.SSLContext, bytes_max: int
) -> bytes:
    """Ask the first address that takes the connection."""
    refusal = FetchFailed("The server could not be reached.")
    for address in addresses:
        try:
            return await _from(asked, address, tls, bytes_max)
        except httpx.ConnectError as error:
            if _is_of_certificate(error):
                refusal = FetchFailed("The server's certificate is not valid for the host.")
        except httpx.HTTPError:
            raise FetchFailed("The server's answer broke off, or was no HTTP.") from None
    raise refusal


async def _from(asked: Target, address: Address, tls: ssl.SSLContext, bytes_max: int) -> bytes:
    # A kept connection would be taken for another host's with the same address.
    transport = httpx.AsyncHTTPTransport(
        verify=tls, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
    )
    request = httpx.Request(
        "GET",
        asked.url.copy_with(host=str(address), port=asked.port, fragment=None),
        headers={
            "host": asked.authority,
            "user-agent": "voipbin-mesh",
            # What is compressed could be larger than any limit.
            "accept-encoding": "identity",
        },
        extensions={"sni_hostname": asked.host},
    )
    async with transport:
        response = await transport.handle_async_request(request)
        try:
            _check_answer(response)
            return await _body(response, bytes_max)
        finally:
            await response.aclose()


def _check_answer(response: httpx.Response) -> None:
    if response.is_redirect:
        raise FetchFailed(
            f"The server answered {response.status_code}; redirects are not followed."
        )
    if response.status_code != httpx.codes.OK:
        raise FetchFailed(f"The server answered {response.status_code}.")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchFailed("The server's answer is compressed.")


async def _body(response: httpx.Response, bytes_max: int) -> bytes:
    body = bytearray()
    async for piece in response.aiter_raw(_PIECE_BYTES):
        body += piece
        if len(body) > bytes_max:
            raise FetchFailed(f"The server's answer is larger than {bytes_max} bytes.")
    return bytes(body)


def _is_of_certificate(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


@cache
def _public_authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
