"""What a leg says: silence, or a tone while one plays; packet by packet (RFC 3550, RFC 3551)."""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Iterator
from typing import Final

from call_manager.media.g711 import table
from call_manager.media.reception import HEADER
from call_manager.media.rtcp_session import Sent
from call_manager.media.tones import FRAME_SAMPLES, payloads, tone

_VERSION: Final = 2 << 6
_MARKER: Final = 0x80
_PLACE: Final = struct.Struct("!HI")
_PLACE_AT: Final = 2


class Voice:
    """Makes one packet per tick; the buffers it gives out are its own and used again."""

    def __init__(self) -> None:
        self.sent = Sent()
        self.codec = ""
        """The encoding name; empty before the first description of the audio."""
        self.payload_type = 0
        self.ssrc = secrets.randbits(32)
        self.timestamp = secrets.randbits(32)
        self._sequence = self.sent.first_sequence = secrets.randbits(16)
        self._talkspurt = True
        self._before_ns = 0
        self._quiet = bytearray()
        self._loud = bytearray()
        self._playing: Iterator[bytes] | None = None
        self._played: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        self._silenced = False

    def speak(self, codec: str, payload_type: int) -> None:
        """Say everything in `codec` from now on; raises `ValueError` for one that is no G.711."""
        silence = bytes([table(codec)[0]]) * FRAME_SAMPLES
        header = HEADER.pack(_VERSION, payload_type, 0, 0, self.ssrc)
        self.codec, self.payload_type = codec, payload_type
        self._quiet, self._loud = bytearray(header + silence), bytearray(header + silence)

    def begin_talkspurt(self) -> None:
        """Mark the next packet as the first after a pause (RFC 3551 section 4.1)."""
        self._talkspurt = True

    async def beep(self, frequency_hz: float, duration_s: float) -> None:
        """Play one tone after those before it; returns when its last packet has left."""
        tone(frequency_hz, duration_s)  # The limits hold before the first description, too.
        async with self._turn:
            if self._silenced or not self.codec:
                return
            self._played = asyncio.get_running_loop().create_future()
            self._playing = payloads(self.codec, frequency_hz, duration_s)
            try:
                await self._played
            finally:
                self._playing = self._played = None

    def silence(self) -> None:
        """End the tone that plays, and play none any more."""
        self._silenced = True
        self._finish_tone()

    def packet(self, at_ns: int) -> bytearray:
        """Return the packet that leaves at this tick; `take_back` follows if it cannot."""
        packet = self._quiet
        if self._playing is not None:
            payload = next(self._playing, None)
            if payload is None:
                self._finish_tone()
            else:
                packet = self._loud
                packet[HEADER.size :] = payload
        sequence, timestamp, sent = self._sequence, self.timestamp, self.sent
        _PLACE.pack_into(packet, _PLACE_AT, sequence, timestamp)
        self._sequence = (sequence + 1) & 0xFFFF
        self.timestamp = (timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        packet[1] = self.payload_type
        if self._talkspurt:
            packet[1] |= _MARKER
            self._talkspurt = False
            sent.first_ns = sent.first_ns or at_ns
        sent.packets += 1
        self._before_ns, sent.last_ns = sent.last_ns, at_ns
        return packet

    def take_back(self) -> None:
        """Forget that this tick's packet left; its time is over all the same."""
        sent = self.sent
        sent.packets -= 1
        sent.last_ns = self._before_ns
        self._sequence = (self._sequence - 1) & 0xFFFF
        if not sent.packets:
            self._talkspurt, sent.first_ns = True, 0

    def pass_over(self) -> None:
        """Let a tick go by without a packet; a tone goes on for nobody."""
        if self._playing is not None and next(self._playing, None) is None:
            self._finish_tone()
        self.advance()

    def advance(self, ticks: int = 1) -> None:
        """Let time go on."""
        self.timestamp = (self.timestamp + ticks * FRAME_SAMPLES) & 0xFFFFFFFF

    def _finish_tone(self) -> None:
        self._playing = None
        if self._played is not None and not self._played.done():
            self._played.set_result(None)
