"""What a stranger's URL may lead to: nothing of ours, whatever it is written like."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from mesh.addresses import Address
from mesh.fetching import URL_CHARACTERS_MAX, Fetcher, FetchFailed, target
from tests.support.certificates import Authority

LIMITS: dict[str, Any] = {"bytes_max": 1000, "deadline_s": 5.0}
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nsound"

# The 21 encodings of addresses that are not public (RELIABILITY.md section 2.3), and some more.
ENCODINGS = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1"),
    *("017700000001", "0", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254"),
    *("100.64.0.1", "224.0.0.1", "255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]"),
    *("[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]"),
    *("[fc00::1]", "[ff02::1]", "[::ffff:0:127.0.0.1]", "[fe80::1%25eth0]", "localhost"),
    *("localhost.", "a.localhost", "LOCALHOST", "127\u30020\u30020\u30021"),
    *("\uff11\uff12\uff17.\uff10.\uff10.\uff11", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460"),
    *("127.0.0.1.", "%31%32%37.0.0.1", "metadata@127.0.0.1", "example.com\\@127.0.0.1"),
]


@dataclass
class Dns:
    """A resolver that is told what to answer, one answer after the other."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if not answer:
            raise OSError
        return [ip_address(one) for one in answer]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the addresses that connections go to; none is made."""
    went: list[str] = []

    async def connect(_: object, request: httpx.Request) -> httpx.Response:
        went.append(request.url.host)
        raise httpx.ConnectError("no network here")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", connect)
    return went


@pytest.mark.parametrize("host", ENCODINGS)
async def test_no_way_to_write_an_address_of_ours_leads_there(
    connected: list[str], host: str
) -> None:
    # Even if the resolver knew it.
    fetcher = Fetcher(private_hosts=False, resolve=Dns([["127.0.0.1"]]))
    for scheme in ("http", "https"):
        with pytest.raises(FetchFailed):
            await fetcher.get(f"{scheme}://{host}/a.wav", **LIMITS)
    assert connected == []


@pytest.mark.parametrize(
    "inner",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"],
)
async def test_a_name_that_leads_inside_is_refused_whatever_else_it_leads_to(
    connected: list[str], inner: str
) -> None:
    dns = Dns([["93.184.215.14", inner]])
    with pytest.raises(FetchFailed, match=r"The host a\.example\.com is not on the public"):
        await Fetcher(private_hosts=False, resolve=dns).get("http://a.example.com/", **LIMITS)
    assert connected == []


async def test_a_name_is_resolved_once_and_what_was_judged_is_connected_to(
    connected: list[str],
) -> None:
    dns = Dns([["93.184.215.14"], ["127.0.0.1"]])
    with pytest.raises(FetchFailed, match="could not be reached"):
        await Fetcher(private_hosts=False, resolve=dns).get("http://a.example.com/", **LIMITS)
    assert (dns.asked, connected) == (["a.example.com"], ["93.184.215.14"])


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/a", "neither http"),
        ("file:///etc/passwd", "neither http"),
        ("//example.com/a", "neither http"),
        ("example.com", "neither http"),
        ("", "neither http"),
        ("http://user:secret@example.com/", "user name or a password"),
        ("http://", "no host"),
        ("http:///a", "no host"),
        ("http://exa mple.com/", "no host"),
        ("http://example.com:0/", "no host"),
        ("http://example.com:8080/", "Port 8080"),
        ("http://example.com:22/", "Port 22"),
        ("http://example.com/\r\nX: y", "no URL"),
        ("http://example.com/" + "a" * URL_CHARACTERS_MAX, "longer than"),
    ],
)
def test_a_url_that_is_never_asked_says_why(url: str, why: str) -> None:
    with pytest.raises(FetchFailed, match=why) as refused:
        target(url, private_hosts=False)
    assert str(refused.value).endswith(".")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://example.com", "example.com", 80),
        ("HTTPS://Example.com/a?b=c#d", "Example.com", 443),
        ("https://example.com:80/", "example.com", 80),
        ("http://bücher.example/", "xn--bcher-kva.example", 80),
        ("http://[2606:4700::1]:443/", "2606:4700::1", 443),
    ],
)
def test_what_a_url_names_is_known(url: str, host: str, port: int) -> None:
    found = target(url, private_hosts=False)
    assert (found.host, found.port) == (host, port)


@dataclass
class Web:
    """A server on this machine that answers what a test says."""

    answer: bytes = OK
    heads: list[str] = field(default_factory=list)
    port: int = 0
    keep_open: bool = False

    serving: set[asyncio.Task[None]] = field(default_factory=set)

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The client may have read enough before it has read all.
        with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(self.answer)
            await writer.drain()
            if self.keep_open:
                await reader.read()
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


@asynccontextmanager
async def web(tls: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    served = Web()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    async with server:
        yield served
    async with asyncio.timeout(5):
        await asyncio.gather(*served.serving)


async def fetch(served: Web, *, host: str = "sounds.test", scheme: str = "http") -> bytes:
    fetcher = Fetcher(private_hosts=True, resolve=Dns([["127.0.0.1"]]))
    return await fetcher.get(f"{scheme}://{host}:{served.port}/a.wav?b=c#d", **LIMITS)


async def test_in_the_lab_a_file_is_fetched_from_this_machine() -> None:
    async with web() as served:
        assert await fetch(served) == b"sound"
    (head,) = served.heads
    assert head.startswith("GET /a.wav?b=c HTTP/1.1\r\n")
    assert f"host: sounds.test:{served.port}\r\n" in head.lower()
    assert "accept-encoding: identity" in head.lower()


def status(line: str, *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {line}", "content-length: 0", *headers, "", "")).encode()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status("302 Found", "location: http://127.0.0.1/"), "302; redirects are not followed"),
        (status("404 Not Found"), "answered 404"),
        (status("204 No Content"), "answered 204"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n" + b"x" * 2000, "larger than 1000"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000, "larger than 1000"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort", "broke off"),
        (b"SSH-2.0-OpenSSH\r\n", "broke off"),
        (b"", "broke off"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n"
            + gzip.compress(b"0" * 10_000, mtime=0),
            "compressed",
        ),
    ],
)
async def test_an_answer_that_is_no_file_is_told_apart(answer: bytes, why: str) -> None:
    async with web() as served:
        served.answer = answer
        with pytest.raises(FetchFailed, match=why):
            await fetch(served)
    assert len(served.heads) == 1


async def test_a_server_that_never_ends_is_left_at_the_deadline() -> None:
    async with web() as served:
        served.answer, served.keep_open = b"HTTP/1.1 200 OK\r\n\r\nx", True
        fetcher = Fetcher(private_hosts=True, resolve=Dns([["127.0.0.1"]]))
        with pytest.raises(FetchFailed, match=r"did not answer within 0\.2 s"):
            await fetcher.get(f"http://a.test:{served.port}/", bytes_max=1000, deadline_s=0.2)


async def test_a_host_that_nobody_knows_is_told_apart() -> None:
    fetcher = Fetcher(private_hosts=False, resolve=Dns([[]]))
    with pytest.raises(FetchFailed, match=r"a\.example\.com could not be resolved"):
        await fetcher.get("http://a.example.com/", **LIMITS)


async def test_the_machines_own_resolver_is_asked_unless_told_otherwise() -> None:
    async with web() as served:
        fetcher = Fetcher(private_hosts=True)
        assert await fetcher.get(f"http://localhost:{served.port}/", **LIMITS) == b"sound"


async def test_the_next_address_is_tried_when_one_takes_no_connection() -> None:
    async with web() as served:
        fetcher = Fetcher(private_hosts=True, resolve=Dns([["127.0.0.2", "127.0.0.1"]]))
        assert await fetcher.get(f"http://a.test:{served.port}/", **LIMITS) == b"sound"


async def test_certificates_are_checked_for_the_name_that_the_url_says(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with web(authority.issue(x509.DNSName("sounds.test")).server()) as served:
        ours = ssl.create_default_context(cadata=authority.pem)
        trusting = Fetcher(private_hosts=True, resolve=Dns([["127.0.0.1"]]), tls=ours)
        url = f"https://sounds.test:{served.port}/"
        assert await trusting.get(url, **LIMITS) == b"sound"
        for fetcher, host in (
            (trusting, "other.test"),
            (Fetcher(private_hosts=True, resolve=Dns([["127.0.0.1"]])), "sounds.test"),
        ):
            with pytest.raises(FetchFailed, match="certificate is not valid"):
                await fetcher.get(f"https://{host}:{served.port}/", **LIMITS)
