"""A scripted UDP phone: the test writes every byte of the carrier's side itself.

For what sipp cannot do: losing one message, answering twice, sending garbage. It reads with a
few regular expressions of its own, so that our message code does not judge itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, cast

WAIT_S: Final = 5.0

SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
)


@dataclass(frozen=True)
class Heard:
    """One datagram that reached the phone."""

    raw: bytes
    source: tuple[str, int]
    at: float
    """The event loop's time."""

    @property
    def text(self) -> str:
        return self.raw.decode("utf-8", "replace")

    @property
    def label(self) -> str:
        """The method, or the status code."""
        words = self.text.split(" ", 2)
        return words[1] if words[0].startswith("SIP/") else words[0]

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.text.split(" ", 2)[1]

    @property
    def body(self) -> str:
        return self.text.partition("\r\n\r\n")[2]

    def all(self, name: str) -> list[str]:
        """The values of a header, its name's case ignored."""
        return re.findall(rf"(?im)^{re.escape(name)}[ ]*: ?([^\r\n]*)", self.text)

    def header(self, name: str) -> str:
        """The one value of a header; fails when there is none or several."""
        (value,) = self.all(name)
        return str(value)

    @property
    def branch(self) -> str:
        found = re.search(r"branch=([^;\r\n]+)", self.header("Via"))
        assert found is not None
        return found[1]


@dataclass(frozen=True)
class Reply:
    """What a scripted response says beyond its code."""

    code: int
    reason: str = "Because"
    to_tag: str | None = "peer"
    headers: tuple[str, ...] = ()
    body: str = ""
    contact: bool = True


class SipPeer(asyncio.DatagramProtocol):
    """One socket; `hear` takes what came in order, `reply` and `request` answer it."""

    protocol = "UDP"
    contact_params = ""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._queue: asyncio.Queue[Heard] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None
        self._branches = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own class is no subclass of its DatagramTransport before Python 3.11.10.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.take(data, addr)

    def take(self, raw: bytes, source: tuple[str, int]) -> None:
        """Put one whole message into the queue."""
        heard = Heard(raw, source, asyncio.get_running_loop().time())
        self.heard.append(heard)
        self._queue.put_nowait(heard)

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    async def hear(self, label: str, *, within_s: float = WAIT_S) -> Heard:
        """Wait for the next message of that method or code; others before it are skipped."""
        async with asyncio.timeout(within_s):
            while True:
                heard = await self._queue.get()
                if heard.label == label:
                    return heard

    async def silence(self, seconds: float) -> list[str]:
        """Wait, and return the labels of what came nevertheless."""
        await asyncio.sleep(seconds)
        return [self._queue.get_nowait().label for _ in range(self._queue.qsize())]

    def count(self, label: str) -> int:
        """How many messages of that method or code came so far."""
        return sum(heard.label == label for heard in self.heard)

    def send(self, raw: str | bytes, to: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(raw if isinstance(raw, bytes) else raw.encode(), to)

    def reply(self, request: Heard, reply: Reply) -> None:
        """Answer a request as a well-behaved phone would, save for what `reply` says."""
        tagged = f";tag={reply.to_tag}" if reply.to_tag is not None else ""
        to_header = request.header("To")
        lines = [
            f"SIP/2.0 {reply.code} {reply.reason}",
            *(f"Via: {value}" for value in request.all("Via")),
            f"From: {request.header('From')}",
            f"To: {to_header if 'tag=' in to_header else to_header + tagged}",
            f"Call-ID: {request.header('Call-ID')}",
            f"CSeq: {request.header('CSeq')}",
            *reply.headers,
        ]
        if reply.contact:
            lines.append(f"Contact: <sip:phone@127.0.0.1:{self.port}{self.contact_params}>")
        self.send(_message(lines, reply.body), request.source)

    def request(
        self, method: str, invite: Heard, *, cseq: int = 1, tag: str = "peer", extra: str = ""
    ) -> None:
        """Send a request inside the dialog of an INVITE; `extra` is header lines and body."""
        self._branches += 1
        here = f"127.0.0.1:{self.port}"
        lines = [
            f"{method} sip:mesh@{invite.source[0]}:{invite.source[1]} SIP/2.0",
            f"Via: SIP/2.0/{self.protocol} {here};branch=z9hG4bKpeer{self._branches}",
            "Max-Forwards: 70",
            f"From: {invite.header('To')};tag={tag}",
            f"To: {invite.header('From')}",
            f"Call-ID: {invite.header('Call-ID')}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:phone@127.0.0.1:{self.port}{self.contact_params}>",
        ]
        headers, _, body = extra.partition("\r\n\r\n")
        self.send(_message([*lines, *filter(None, headers.split("\r\n"))], body), invite.source)

    async def answer(self, *, media_port: int = 9, reply: Reply | None = None) -> Heard:
        """Take one call: INVITE, 200 with SDP, ACK; returns the INVITE."""
        invite = await self.hear("INVITE")
        body = SDP.format(port=media_port)
        self.reply(invite, reply or Reply(200, headers=(CONTENT,), body=body))
        await self.hear("ACK")
        return invite


CONTENT: Final = "Content-Type: application/sdp"


def _message(lines: Iterable[str], body: str) -> str:
    return "\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body])


@asynccontextmanager
async def sip_peer(host: str = "127.0.0.1") -> AsyncIterator[SipPeer]:
    """Open a phone on a free loopback port."""
    transport, peer = await asyncio.get_running_loop().create_datagram_endpoint(
        SipPeer, local_addr=(host, 0)
    )
    try:
        yield peer
    finally:
        transport.close()
