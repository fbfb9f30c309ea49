"""One call's RTP at the carrier (RFC 3550): what it sends, what it hears, what got lost.

Written apart from the channel's own stream, so that a fault there shows here.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from call_manager.media.g711 import encode, table
from call_manager.media.ticker import TICK_S, Ticker
from call_manager.media.tones import FRAME_SAMPLES, tone
from call_manager.simulator.behaviour import Audio, Digits
from call_manager.simulator.dtmf import DigitReader, EventPacket, Keypad
from call_manager.simulator.hearing import Hearing, Tone
from call_manager.simulator.reports import Heard, Reports, Said
from call_manager.simulator.sdp import Remote
from call_manager.simulator.tape import Tape
from call_manager.sip.sdp import ENCODABLE

_HEADER: Final = struct.Struct("!BBHII")
_VERSION: Final = 2 << 6
_MARKER: Final = 0x80
_PACKET_MAX: Final = 2048
_READS_MAX: Final = 32  # Per wake-up, so that one flooded call does not starve the others.
_WRAP: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Ears:
    """Who is told what a voice hears."""

    on_digit: Callable[[str], None]
    on_tone: Callable[[Tone], None]
    may_send_to: Callable[[str], bool]
    tape: Tape | None = None
    """What keeps all of it, if anything does."""


class Voice:
    """Sends one packet a tick once it was started, and counts what comes from the beginning."""

    def __init__(self, sock: socket.socket, reports: Reports, ticker: Ticker, ears: Ears) -> None:
        self._said, self._heard = Said(secrets.randbits(32)), Heard()
        self._reports = reports
        self.plan = Audio()
        self._socket = sock
        self._ticker = ticker
        self._ears = ears
        self._remote = Remote()
        self._to: tuple[str, int] | None = None
        self._keypad, self._digits, self._hearing = Keypad(), DigitReader(), Hearing()
        self._sequence, self._timestamp = secrets.randbits(16), secrets.randbits(32)
        self._first = True
        self._ticks = 0
        self._debt = 0
        self._shift: int | None = None
        """How much later our timestamps are than those of the caller's that are sent back."""
        asyncio.get_running_loop().add_reader(sock.fileno(), self._read)

    @property
    def sent(self) -> int:
        """RTP packets that left."""
        return self._said.packets

    @property
    def received(self) -> int:
        """RTP packets that came."""
        return self._heard.received

    @property
    def lost(self) -> int:
        """Those of the caller's that did not."""
        return self._heard.lost

    def start(self, remote: Remote) -> None:
        """Send as the caller's SDP asks; again whenever that changes."""
        self._remote = remote
        usable = remote.address is not None and self._ears.may_send_to(remote.address[0])
        self._to = remote.address if usable else None
        self._ticker.add(self._tick)

    def tune(self, plan: Audio) -> None:
        """Send something else from now on."""
        self.plan = plan
        self._ticks = 0
        self._shift = None

    def press(self, digits: Digits) -> bool:
        """Send digits; False when the caller cannot take them."""
        if not self._remote.digits_type:
            return False
        self._keypad.press(digits)
        return True

    def close(self) -> None:
        """Stop, and free the port."""
        self._ticker.discard(self._tick)
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._reports.close()
        self._tell(self._hearing.end())

    def _tick(self) -> None:
        if self._remote.listens and self._to is not None:
            self._speak()
        self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        if self._to is not None:
            self._said.timestamp = self._timestamp
            self._reports.tick(self._said, self._heard, self._to)

    def _speak(self) -> None:
        plan = self.plan
        events = self._keypad.tick()
        if events:
            self._send_events(events)
            return
        if plan.send in {"nothing", "echo"} or self._remote.codec.upper() not in ENCODABLE:
            return
        if plan.stop_after_s is not None and self._ticks * TICK_S >= plan.stop_after_s:
            return
        hz = plan.hz if plan.send == "tone" else 0.0
        frames = _frames(self._remote.codec.upper(), hz)
        self._send(frames[self._ticks % len(frames)], self._remote.payload_type)
        self._ticks += 1

    def _send_events(self, packets: Sequence[EventPacket]) -> None:
        now = self._timestamp
        for packet in packets:
            # All packets of an event bear the time it began.
            self._timestamp = (now - packet.elapsed) & 0xFFFFFFFF
            self._first = packet.first
            self._send(packet.payload, self._remote.digits_type)
        self._timestamp = now

    def _send(self, payload: bytes, payload_type: int) -> None:
        self._debt += self.plan.loss_percent
        lost, self._debt = self._debt >= 100, self._debt % 100
        marker = _MARKER if self._first else 0
        header = _HEADER.pack(
            _VERSION, marker | payload_type, self._sequence, self._timestamp, self._said.ssrc
        )
        self._sequence = (self._sequence + 1) % _WRAP
        self._first = False
        if lost or self._to is None:
            return
        try:
            self._socket.sendto(header + payload, self._to)
        except OSError:
            return  # A full buffer or an unreachable caller loses this packet, as networks do.
        self._said.packets += 1
        self._said.octets += len(payload)

    def _read(self) -> None:
        for _ in range(_READS_MAX):
            try:
                packet, source = self._socket.recvfrom(_PACKET_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue  # A pending ICMP error; the call's signalling decides, not this.
            if len(packet) >= _HEADER.size and packet[0] & 0xC0 == _VERSION and self.plan.receive:
                self._take(packet)
                self._latch((source[0], source[1]))

    def _take(self, packet: bytes) -> None:
        first, second, sequence, timestamp, self._heard.ssrc = _HEADER.unpack_from(packet)
        payload = packet[_HEADER.size + 4 * (first & 0x0F) :]
        self._heard.received += 1
        self._count(sequence)
        payload_type = second & 0x7F
        if payload_type == self._remote.digits_type:
            if digit := self._digits.read(payload, timestamp):
                self._ears.on_digit(digit)
                if self.plan.echo_digits:
                    self.press(Digits(digits=digit))
        elif payload_type == self._remote.payload_type:
            if self._remote.codec.upper() in ENCODABLE:
                self._hear(payload, timestamp)
            if self.plan.send == "echo" and self._to is not None and self._remote.listens:
                self._send_back(payload, timestamp)

    def _hear(self, payload: bytes, timestamp: int) -> None:
        self._tell(self._hearing.hear(payload, self._remote.codec))
        if self._ears.tape is not None:
            self._ears.tape.keep(payload, timestamp, self._remote.codec)

    def _send_back(self, payload: bytes, timestamp: int) -> None:
        """Echo a packet at once; what never came, or late, is missing or late in the echo, too."""
        if self._shift is None:
            self._shift = (self._timestamp - timestamp) & 0xFFFFFFFF
        now, self._timestamp = self._timestamp, (timestamp + self._shift) & 0xFFFFFFFF
        self._send(payload, self._remote.payload_type)
        self._timestamp = now

    def _count(self, sequence: int) -> None:
        """Count gaps (RFC 3550 A.3); what comes late was counted as lost before."""
        heard = self._heard
        if heard.received == 1:
            heard.highest = sequence
            return
        ahead = (sequence - heard.highest) % _WRAP
        if 0 < ahead < _WRAP // 2:
            heard.lost += ahead - 1
            heard.highest += ahead
        elif ahead:
            heard.lost = max(0, heard.lost - 1)

    def _latch(self, source: tuple[str, int]) -> None:
        """Answer to where the audio comes from, if only its port differs (RFC 4961)."""
        described = self._remote.address
        same_host = described is None or described[0] == source[0]
        if self._remote.codec and same_host and self._ears.may_send_to(source[0]):
            self._to = source

    def _tell(self, heard: Tone | None) -> None:
        if heard is not None:
            self._ears.on_tone(heard)


@lru_cache(maxsize=64)
def _frames(codec: str, hz: float) -> tuple[bytes, ...]:
    """Encode a second of a tone, which then goes round; 0 Hz is silence."""
    if not hz:
        return (bytes([table(codec)[0]]) * FRAME_SAMPLES,)
    return tuple(encode(samples, codec) for samples in tone(hz, 1.0))
