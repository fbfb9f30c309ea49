"""Whose packets are heard on a leg, and what they are (RFC 3550 appendix A.1; no sockets)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from call_manager.media.audience import Audience
from call_manager.media.capture import Address
from call_manager.media.events import EventReader
from call_manager.media.reception import (
    HEADER,
    OTHER_PAYLOADS_MAX,
    Fields,
    Reception,
    payload_span,
)
from call_manager.media.rtcp_session import RtcpSession

DTMF_PAYLOAD: Final = 101
"""What we offer for telephone events (RFC 4733)."""

COMFORT_NOISE: Final = 13
"""RFC 3389; harmless although nobody agreed on it."""

RTCP_KINDS: Final = range(192, 224)
"""RFC 5761 section 4: an RTCP packet by its second octet, on a port that both use."""

_PLAIN: Final = 0x80  # Version 2, no padding, no extension, no contributing source.
_STATIC: Final = {0: "PCMU", 8: "PCMA"}  # RFC 3551 table 4


@dataclass(frozen=True, slots=True)
class Expected:
    """What the peer's description says that it sends."""

    codec: str
    payload_type: int
    also: frozenset[int] = frozenset()
    """The payload types of other codecs that it may send."""
    events: int | None = None
    """Its own payload type for telephone events, which some use instead of ours."""


class Hearing:
    """Takes what comes to a leg's port, and tells the peer's packets from others."""

    def __init__(self, session: RtcpSession) -> None:
        self.session = session
        self.elsewhere: Reception | None = None
        """What came from another host than the described one."""
        self.foreign: Address | None = None
        self.source: Address | None = None
        """Where the peer's last packet came from."""
        self.errors = 0
        self.others: set[int] = set()
        """Payload types that nobody agreed on."""
        self.audience: Audience | None = None
        """Who hears the audio; as a rule nobody."""
        self.on_digit: Callable[[str], None] = _nobody
        self._reader = EventReader()
        self._events = frozenset({DTMF_PAYLOAD})
        self._codecs: dict[int, str] = {}
        self._host: str | None = None
        self._expected = frozenset({DTMF_PAYLOAD, COMFORT_NOISE})
        self._usual = -1
        self._usual_codec = ""
        self._usual_source: Any = None

    def expect(self, host: str | None, wanted: Expected) -> None:
        """Expect audio from `host`, or from anywhere when it is None.

        A peer that is described as another host than was heard so far, is another peer.
        """
        if host is not None and self.source is not None and self.source[0] != host:
            self.elsewhere, self.foreign = self.session.reception, self.source
            self.session.reception, self.source = Reception(), None
        self._host = host
        self._usual, self._usual_source = wanted.payload_type, None
        self._usual_codec = wanted.codec
        also = {kind: codec for kind, codec in _STATIC.items() if kind in wanted.also}
        self._codecs = {**also, wanted.payload_type: wanted.codec}
        # The peer sends by our offer (RFC 3264 section 5.1), or all the same by its own numbers.
        self._events = frozenset({DTMF_PAYLOAD, wanted.events or DTMF_PAYLOAD}) - {self._usual}
        self._expected = wanted.also | self._events | {wanted.payload_type, COMFORT_NOISE}

    def hears(self, host: str) -> bool:
        """Tell whether a host is the peer's, as far as it was described."""
        return self._host is None or host == self._host

    def take(self, buffer: bytearray, size: int, at_ns: int, source: Any) -> bool:
        """Count one packet; True when it is the peer's first from this address.

        `source` is as sockets give it: a host, a port, and for IPv6 more.
        """
        if size >= HEADER.size:
            fields = HEADER.unpack_from(buffer)
            if fields[1] == self._usual and source == self._usual_source and fields[0] == _PLAIN:
                self.session.reception.note(fields, size - HEADER.size, at_ns)
                if self.audience is not None:
                    payload = bytes(buffer[HEADER.size : size])
                    self.audience.hear(payload, self._usual_codec, fields[3], fields[4])
                return False
            if buffer[1] not in RTCP_KINDS:
                return self._take_unusual(buffer, size, at_ns, source)
        if size >= 2 and buffer[1] in RTCP_KINDS:
            if self._host is None or source[0] == self._host:
                self.session.take(bytes(buffer[:size]), at_ns)
        else:
            self.errors += 1
        return False

    def _take_unusual(self, buffer: bytearray, size: int, at_ns: int, source: Any) -> bool:
        span = payload_span(buffer, size)
        if span is None or size >= len(buffer):
            self.errors += 1
            return False
        fields: Fields = HEADER.unpack_from(buffer)
        address = (source[0], source[1])
        if self._host is not None and address[0] != self._host:
            if self.elsewhere is None:
                self.elsewhere, self.foreign = Reception(), address
            self.elsewhere.note(fields, span[1] - span[0], at_ns)
            return False
        payload_type = fields[1] & 0x7F
        if payload_type not in self._expected and len(self.others) < OTHER_PAYLOADS_MAX:
            self.others.add(payload_type)
        timed = payload_type not in self._events
        self.session.reception.note(fields, span[1] - span[0], at_ns, timed=timed)
        self._hear(bytes(buffer[span[0] : span[1]]), payload_type, fields)
        fresh = self._usual_source is None or address != self.source
        self.source, self._usual_source = address, source
        return fresh

    def _hear(self, payload: bytes, payload_type: int, fields: Fields) -> None:
        """Take what a packet of the peer's says: a digit, or audio that somebody listens to."""
        if payload_type in self._events:
            if digit := self._reader.read(payload, fields):
                self.on_digit(digit)
        elif self.audience is not None and (codec := self._codecs.get(payload_type)):
            self.audience.hear(payload, codec, fields[3], fields[4])


def _nobody(_digit: str) -> None:
    """Leave a digit that nobody is there for."""
