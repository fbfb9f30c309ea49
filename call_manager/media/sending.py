"""What a leg says: silence, or a sound while one plays; packet by packet (RFC 3550, RFC 3551)."""

from __future__ import annotations

import asyncio
import secrets
import struct
from typing import Final

from call_manager.media.events import EventPacket
from call_manager.media.g711 import silence
from call_manager.media.reception import HEADER
from call_manager.media.rtcp_session import Sent
from call_manager.media.sounds import Sound
from call_manager.media.tones import FRAME_SAMPLES

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
        self._event = bytearray()
        self._event_at = 0
        self._events_type: int | None = None
        self._playing: Sound | None = None
        self._played: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        self._silenced = False

    @property
    def speaks(self) -> bool:
        """Whether what is played now leaves, or did so but for a hold."""
        return bool(self.codec) and not self._silenced

    def speak(self, codec: str, payload_type: int, events_type: int | None = None) -> None:
        """Say everything in `codec` from now on; raises `ValueError` for one that is no G.711.

        `events_type` is the peer's payload type for telephone events; None when it takes none.
        """
        quiet = silence(codec) * FRAME_SAMPLES
        header = HEADER.pack(_VERSION, payload_type, 0, 0, self.ssrc)
        self.codec, self.payload_type, self._events_type = codec, payload_type, events_type
        self._quiet, self._loud = bytearray(header + quiet), bytearray(header + quiet)
        self._event = bytearray(header)

    def begin_talkspurt(self) -> None:
        """Mark the next packet as the first after a pause (RFC 3551 section 4.1)."""
        self._talkspurt = True

    async def play(self, sound: Sound) -> None:
        """Play one sound after those before it; returns when its last packet has left.

        Returns at once before the first description, and when the leg ends. Whoever is cancelled
        is heard no more from the next packet on.
        """
        if not self.speaks:
            return
        async with self._turn:
            if not self.speaks:
                return
            self._played = asyncio.get_running_loop().create_future()
            self._playing = sound
            try:
                await self._played
            finally:
                self._playing = self._played = None

    def silence(self) -> None:
        """End the sound that plays, and play none any more."""
        self._silenced = True
        self._finish()

    def packet(self, at_ns: int) -> bytearray:
        """Return the packet that leaves at this tick; `take_back` follows if it cannot."""
        packet, kind, timestamp = self._quiet, self.payload_type, self.timestamp
        if self._playing is not None:
            packet, kind, timestamp = self._of(self._playing)
        sequence, sent = self._sequence, self.sent
        _PLACE.pack_into(packet, _PLACE_AT, sequence, timestamp)
        self._sequence = (sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        packet[1] = kind
        if self._talkspurt:
            packet[1] |= _MARKER
            self._talkspurt = False
            sent.first_ns = sent.first_ns or at_ns
        sent.packets += 1
        self._before_ns, sent.last_ns = sent.last_ns, at_ns
        return packet

    def _of(self, sound: Sound) -> tuple[bytearray, int, int]:
        """Return the packet with what a sound gives, its payload type, and its timestamp."""
        frame = sound.frame(self.codec, events=self._events_type is not None)
        if frame is None:
            self._finish()
        elif not isinstance(frame, EventPacket):
            self._loud[HEADER.size :] = frame
            return self._loud, self.payload_type, self.timestamp
        elif self._events_type is not None:
            if frame.first:
                self._event_at = self.timestamp
            self._event[HEADER.size :] = frame.payload
            self.sent.missing += FRAME_SAMPLES - len(frame.payload)
            kind = self._events_type | (_MARKER if frame.first else 0)
            return self._event, kind, self._event_at
        return self._quiet, self.payload_type, self.timestamp

    def take_back(self, packet: bytearray) -> None:
        """Forget that this tick's packet left; its time is over all the same."""
        sent = self.sent
        sent.packets -= 1
        sent.missing -= FRAME_SAMPLES + HEADER.size - len(packet)
        sent.last_ns = self._before_ns
        self._sequence = (self._sequence - 1) & 0xFFFF
        if not sent.packets:
            self._talkspurt, sent.first_ns = True, 0

    def pass_over(self) -> None:
        """Let a tick go by without a packet; a sound goes on for nobody."""
        if self._playing is not None:
            events = self._events_type is not None
            if self._playing.frame(self.codec, events=events) is None:
                self._finish()
        self.advance()

    def advance(self, ticks: int = 1) -> None:
        """Let time go on."""
        self.timestamp = (self.timestamp + ticks * FRAME_SAMPLES) & 0xFFFFFFFF

    def _finish(self) -> None:
        self._playing = None
        if self._played is not None and not self._played.done():
            self._played.set_result(None)
