"""A carrier's audio, written and read by hand: RTP and RTCP on two sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

SSRC = 0x5EED5EED
_SENDER_REPORT = 200
_RECEIVER_REPORT = 201


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, heard: list[tuple[bytes, tuple[str, int]]], news: asyncio.Event) -> None:
        self._heard, self._news = heard, news

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._heard.append((data, addr))
        self._news.set()


@dataclass
class RtpPeer:
    """What came, and how to answer it."""

    port: int
    rtp: asyncio.DatagramTransport
    rtcp: asyncio.DatagramTransport
    news: asyncio.Event
    audio: list[tuple[bytes, tuple[str, int]]] = field(default_factory=list)
    control: list[tuple[bytes, tuple[str, int]]] = field(default_factory=list)

    async def hears(self, packets: int, *, within_s: float = 10.0) -> None:
        """Wait until so many RTP packets came."""
        await self._until(lambda: len(self.audio) >= packets, within_s)

    async def reported(self, packets: int = 1, *, within_s: float = 10.0) -> None:
        """Wait until so many RTCP packets came."""
        await self._until(lambda: len(self.control) >= packets, within_s)

    async def goodbye(self, *, within_s: float = 10.0) -> bytes:
        """Wait for the packet that ends with a BYE (RFC 3550 section 6.6), and return it."""
        await self._until(lambda: bool(self.control) and _ends(self.control[-1][0]), within_s)
        return self.control[-1][0]

    async def _until(self, done: Callable[[], bool], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not done():
                self.news.clear()
                await self.news.wait()

    def say(self, sequences: Iterable[int], *, payload_type: int = 0, ssrc: int = SSRC) -> None:
        """Send packets of silence with these numbers, at once."""
        there = self.audio[-1][1]
        for sequence in sequences:
            header = struct.pack("!BBHII", 0x80, payload_type, sequence, sequence * 160, ssrc)
            self.rtp.sendto(header + b"\xff" * 160, there)

    async def talk(self, sequences: Iterable[int]) -> None:
        """Send packets of silence at their pace."""
        for sequence in sequences:
            self.say([sequence])
            await asyncio.sleep(0.02)

    def report(self, *, lost: int = 0, highest: int | None = None, ago_s: float = 0.0) -> None:
        """Send a receiver's report on our audio; without `highest` it says nothing of it."""
        blocks = b""
        if highest is not None:
            middle, delay = self._last_report(ago_s)
            ours = struct.unpack_from("!I", self.audio[-1][0], 8)[0]
            blocks = struct.pack("!IIIIII", ours, lost & 0xFFFFFF, highest, 16, middle, delay)
        body = struct.pack("!I", SSRC) + blocks
        head = struct.pack("!BBH", 0x80 | bool(blocks), _RECEIVER_REPORT, len(body) // 4)
        host, port = self.audio[-1][1]
        self.rtcp.sendto(head + body, (host, port + 1))

    def _last_report(self, ago_s: float) -> tuple[int, int]:
        """The middle of the last sender's report's time, and how long ago it came."""
        for packet, _ in reversed(self.control):
            if packet[1] == _SENDER_REPORT:
                return struct.unpack_from("!Q", packet, 8)[0] >> 16 & 0xFFFFFFFF, int(
                    ago_s * 65_536
                )
        return 0, 0


def _ends(packet: bytes) -> bool:
    return struct.unpack("!BBH", packet[-8:-4]) == (0x81, 203, 1)


@asynccontextmanager
async def rtp_peer() -> AsyncIterator[RtpPeer]:
    """Open an even loopback port and the one above it."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    rtp_socket, rtcp_socket = _pair()
    audio: list[tuple[bytes, tuple[str, int]]] = []
    control: list[tuple[bytes, tuple[str, int]]] = []
    rtp, _ = await loop.create_datagram_endpoint(lambda: _Ear(audio, news), sock=rtp_socket)
    rtcp, _ = await loop.create_datagram_endpoint(lambda: _Ear(control, news), sock=rtcp_socket)
    port = int(rtp_socket.getsockname()[1])
    try:
        yield RtpPeer(port, rtp, rtcp, news, audio, control)
    finally:
        rtp.close()
        rtcp.close()


def _pair() -> tuple[socket.socket, socket.socket]:
    for port in range(40_000, 48_000, 2):
        pair = (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        )
        try:
            for offset, sock in enumerate(pair):
                sock.bind(("127.0.0.1", port + offset))
        except OSError:
            for sock in pair:
                sock.close()
            continue
        return pair
    raise RuntimeError("no free pair of UDP ports")
