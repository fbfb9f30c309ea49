"""One leg's RTP stream (RFC 3550, RFC 3551): silence, tones, and counting what comes in."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final

from call_manager.media.g711 import encode, table
from call_manager.media.ticker import Ticker
from call_manager.media.tones import FRAME_SAMPLES, tone

Address = tuple[str, int]

_HEADER: Final = struct.Struct("!BBHII")
_VERSION: Final = 2 << 6
_MARKER: Final = 0x80
_PACKET_MAX: Final = 2048
_READS_MAX: Final = 32  # Per wake-up, so that one flooded leg does not starve the others.


class RtpStream:
    """The audio of one leg over a bound, non-blocking UDP socket, which it owns.

    Sends nothing before `start`; afterwards one packet per tick, silence unless a tone plays.
    """

    def __init__(
        self, sock: socket.socket, ticker: Ticker, may_send_to: Callable[[str], bool]
    ) -> None:
        self.packets_sent = 0
        self.packets_received = 0
        self.send_errors = 0
        self._socket = sock
        self._ticker = ticker
        self._may_send_to = may_send_to
        self._remote: Address | None = None
        self._latched = False
        self._codec = ""
        self._payload_type = 0
        self._silence = b""
        self._held = False
        self._first = True
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._ssrc = secrets.randbits(32)
        self._playing: Iterator[list[int]] | None = None
        self._played: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        self._closed = False
        asyncio.get_running_loop().add_reader(sock.fileno(), self._read)

    @property
    def port(self) -> int:
        """The local port, for the SDP offer."""
        return int(self._socket.getsockname()[1])

    def start(self, codec: str, payload_type: int, remote: Address | None, *, held: bool) -> None:
        """Send `codec` to `remote` from the next tick on; called again when they change.

        The peer's first packet may name another port of the same host (symmetric RTP, RFC
        4961). Without a usable remote address the stream waits for it and answers to whoever
        sent it. `held` keeps time but sends nothing.
        """
        if self._closed:
            return
        usable = remote is not None and self._may_send_to(remote[0])
        if remote != self._remote or not usable:
            self._latched = False
        self._remote = remote if usable else None
        self._codec, self._payload_type, self._held = codec, payload_type, held
        self._silence = bytes([table(codec)[0]]) * FRAME_SAMPLES
        self._ticker.add(self._tick)

    async def beep(self, *, frequency_hz: float = 1000.0, duration_s: float = 0.5) -> None:
        """Play one tone after those before it; returns when its last packet has left.

        Returns at once on a leg without audio, and when the leg ends. Raises `ValueError` for
        a frequency outside 20 to 3400 Hz or a duration outside 0 to 30 s.
        """
        frames = tone(frequency_hz, duration_s)
        async with self._turn:
            if self._closed or not self._codec:
                return
            self._played = asyncio.get_running_loop().create_future()
            self._playing = frames
            try:
                await self._played
            finally:
                self._playing = self._played = None

    def close(self) -> None:
        """Stop sending and free the port; harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        self._ticker.discard(self._tick)
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._finish_tone()

    def _tick(self) -> None:
        samples = next(self._playing, None) if self._playing is not None else None
        if samples is None and self._playing is not None:
            self._finish_tone()
        payload = self._silence if samples is None else encode(samples, self._codec)
        if self._remote is not None and not self._held:
            self._send(payload, self._remote)
        self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF

    def _finish_tone(self) -> None:
        self._playing = None
        if self._played is not None and not self._played.done():
            self._played.set_result(None)

    def _send(self, payload: bytes, remote: Address) -> None:
        marker = _MARKER if self._first else 0
        header = _HEADER.pack(
            _VERSION, marker | self._payload_type, self._sequence, self._timestamp, self._ssrc
        )
        try:
            self._socket.sendto(header + payload, remote)
        except OSError:
            # A full buffer or an unreachable peer loses this packet, as the network may.
            self.send_errors += 1
            return
        self._first = False
        self.packets_sent += 1
        self._sequence = (self._sequence + 1) & 0xFFFF

    def _read(self) -> None:
        for _ in range(_READS_MAX):
            try:
                packet, source = self._socket.recvfrom(_PACKET_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue  # A pending ICMP error; the call's signalling decides, not this.
            if len(packet) >= _HEADER.size and packet[0] & 0xC0 == _VERSION:
                self.packets_received += 1
                self._latch((source[0], source[1]))

    def _latch(self, source: Address) -> None:
        """Answer to where the peer's audio comes from, once per description of it.

        Another host than the described one is a stranger who found the port and wants to listen.
        """
        described = self._remote is None or self._remote[0] == source[0]
        if self._codec and not self._latched and described and self._may_send_to(source[0]):
            self._latched = True
            self._remote = source
