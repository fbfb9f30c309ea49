"""One leg's RTP stream (RFC 3550, RFC 3551): silence and sounds out, what comes in measured."""

from __future__ import annotations

import secrets
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from call_manager.channel import MediaReport
from call_manager.media.arrivals import ANCILLARY_BYTES, arrival_ns, stamp
from call_manager.media.capture import Address, Capture, CapturedPacket
from call_manager.media.control import Control
from call_manager.media.duplex import Duplex
from call_manager.media.hearing import RTCP_KINDS, Expected, Hearing
from call_manager.media.measuring import opinion, sent_count
from call_manager.media.reception import HEADER
from call_manager.media.rtcp_session import RtcpSession
from call_manager.media.sending import Voice
from call_manager.media.ticker import TICK_NS, Ticker
from call_manager.media.tones import FRAME_SAMPLES
from mesh.addresses import write_address

READS_MAX: Final = 32  # Per turn, so that one flooded leg does not starve the others.
SELDOM_TICKS: Final = 25
FLUSH_SELDOMS: Final = 2
STRANGERS_KEPT: Final = 500
"""Captured packets of hosts that nobody described; ten seconds of audio."""


@dataclass(frozen=True, slots=True)
class PeerTerms:
    """What the peer's description says beyond its address and codec."""

    direction: str = "sendrecv"
    """The peer's view (RFC 8866 section 6.7)."""
    payloads: frozenset[int] = frozenset()
    """The payload types it may send besides the codec's own and telephone events."""
    rtcp: Address | None = None
    """Where it wants RTCP (RFC 3605); None is the port above RTP's."""
    rtcp_mux: bool = False
    """Whether RTCP goes over RTP's port (RFC 5761)."""
    events: int | None = None
    """Its payload type for telephone events (RFC 4733); None when it takes none."""


NO_TERMS: Final = PeerTerms()


class RtpStream:
    """The audio of one leg over bound, non-blocking UDP sockets, which it owns.

    Sends nothing before `start`; afterwards one packet per tick, silence unless a sound plays.
    What comes is read once per tick, with the time at which the kernel got it.
    """

    def __init__(
        self,
        sock: socket.socket,
        ticker: Ticker,
        may_send_to: Callable[[str], bool],
        *,
        rtcp: socket.socket | None = None,
        capture: Capture | None = None,
    ) -> None:
        self.port = int(sock.getsockname()[1])
        """The local port, for the SDP offer."""
        self.send_errors = 0
        self._socket = sock
        self._receive, self._sendto = sock.recvmsg_into, sock.sendto
        self._ticker = ticker
        self._may_send_to = may_send_to
        self._capture = capture
        self._voice = Voice()
        self._session = RtcpSession(self._voice.ssrc, self._voice.sent)
        self._hearing = Hearing(self._session)
        self.audio = Duplex(self._voice, self._hearing)
        """What is played here, and heard."""
        self._control = Control(self._session, sock, rtcp)
        self._remote: Address | None = None
        self._direction = NO_TERMS.direction
        self._latched = self._held = self._closed = False
        self._dropped = ticker.dropped
        self._until_seldom = 1 + secrets.randbelow(SELDOM_TICKS)
        self._until_flush = FLUSH_SELDOMS
        self._strangers_left = STRANGERS_KEPT
        stamp(sock)
        ticker.add(self._tick)

    @property
    def packets_sent(self) -> int:
        """RTP packets that left."""
        return self._voice.sent.packets

    @property
    def packets_received(self) -> int:
        """RTP packets that came from the peer's host."""
        return self._session.reception.packets

    @property
    def used(self) -> bool:
        """Whether there was any audio: a description of it, or packets."""
        return bool(self._voice.codec) or self.packets_received > 0

    def start(
        self,
        codec: str,
        payload_type: int,
        remote: Address | None,
        *,
        held: bool,
        terms: PeerTerms = NO_TERMS,
    ) -> None:
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
        if self._held and not held:
            self._voice.begin_talkspurt()
        self._remote = remote if usable else None
        self._held, self._direction = held, terms.direction
        self._voice.speak(codec, payload_type, terms.events)
        self.audio.speak(codec)
        host = None if self._remote is None else self._remote[0]
        self._hearing.expect(host, Expected(codec, payload_type, terms.payloads, terms.events))
        self._control.follow(self._remote, terms.rtcp, mux=terms.rtcp_mux)

    def close(self) -> None:
        """Say goodbye, stop sending and free the ports; harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        self._ticker.discard(self._tick)
        self._drain(until_ns=sys.maxsize)
        self._control.read(self._may_send_to, self._keep_control)
        self._send_control(bye=True)
        if self._capture is not None:
            self._capture.flush()
        self._control.close()
        self._socket.close()
        self.audio.close()

    def report(self, attempt_id: UUID, host: str) -> MediaReport:
        """Return what the audio was like so far; `host` is our own, as the peer knows it."""
        hearing, session, voice = self._hearing, self._session, self._voice
        books, remote = session.reception, hearing.source or self._remote
        if not books.packets and hearing.elsewhere is not None:
            # Audio that comes from another host than the described one is audio all the same.
            books, remote = hearing.elsewhere, hearing.foreign
        return MediaReport(
            attempt_id=attempt_id,
            codec=voice.codec,
            payload_type=voice.payload_type,
            local_address=write_address((host, self.port)),
            remote_address="" if remote is None else write_address(remote),
            sent=sent_count(voice.sent, session),
            received=books.count(),
            rtt_ms=session.rtt_ms,
            rtcp_packets=session.packets,
            rtcp_octets=session.octets,
            rtcp_errors=session.errors,
            rtp_errors=hearing.errors,
            mos=opinion(books, session.rtt_ms),
            other_payloads=tuple(sorted(hearing.others)),
            arrived=session.arrived,
            direction=self._direction,
            capture_full=self._capture is not None and self._capture.full,
        )

    def _tick(self) -> None:
        if self._closed:
            return
        self._drain(until_ns=self._ticker.now_ns - TICK_NS)
        voice, audience = self._voice, self._hearing.audience
        if voice.codec:
            said = None
            if audience is not None:
                audience.turn()
            if self._remote is None or self._held:
                voice.pass_over()
            else:
                said = self._send(self._remote)
            if audience is not None:
                whole = said is not None and len(said) == HEADER.size + FRAME_SAMPLES
                audience.tell(said[HEADER.size :] if said is not None and whole else None)
        self._until_seldom -= 1
        if not self._until_seldom:
            self._until_seldom = SELDOM_TICKS
            self._seldom()

    def _send(self, remote: Address) -> bytearray:
        """Send this tick's packet, and return it."""
        at_ns = self._ticker.now_ns
        packet = self._voice.packet(at_ns)
        try:
            self._sendto(packet, remote)
        except OSError:
            # A full buffer or an unreachable peer loses this packet, as the network may.
            self.send_errors += 1
            self._voice.take_back(packet)
            return packet
        if self._capture is not None:
            self._keep(bytes(packet), at_ns, remote, sent=True)
        return packet

    def _seldom(self) -> None:
        """Do what twice a second is often enough for."""
        dropped = self._ticker.dropped - self._dropped
        if dropped:
            # Audio that was never sent is missing, and what follows it is no later for that.
            self._dropped += dropped
            self._voice.advance(dropped)
            self.audio.catch_up(dropped)
        self._control.read(self._may_send_to, self._keep_control)
        self._send_control(bye=False)
        self._until_flush -= 1
        if self._capture is not None and self._until_flush <= 0:
            self._until_flush = FLUSH_SELDOMS
            self._capture.flush()

    def _send_control(self, *, bye: bool) -> None:
        voice = self._voice
        if voice.codec:
            self._control.send(self._ticker.now_ns, voice.timestamp, self._keep_control, bye=bye)

    def _drain(self, *, until_ns: int) -> None:
        """Read what came before `until_ns`, and the first packet after it.

        At its usual pace a peer has one packet waiting, and to ask whether there is another costs
        as much as reading it; a later one is read at the next turn.
        """
        buffers, receive, take = self._ticker.buffers, self._receive, self._hearing.take
        for _ in range(READS_MAX):
            try:
                size, ancillary, _, source = receive(buffers, ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # A pending ICMP error; the call's signalling decides, not this.
            at_ns = arrival_ns(ancillary)
            if take(buffers[0], size, at_ns, source):
                self._latch((source[0], source[1]))
            if self._capture is not None and self._worth_keeping(source[0]):
                packet = bytes(buffers[0][:size])
                self._keep(packet, at_ns, (source[0], source[1]), sent=False)
            if ancillary and at_ns > until_ns:
                return

    def _latch(self, source: Address) -> None:
        """Answer to where the peer's audio comes from, once per description of it.

        Another host than the described one is a stranger who found the port and wants to listen.
        """
        if self._voice.codec and not self._latched and self._may_send_to(source[0]):
            self._latched = True
            self._remote = source

    def _worth_keeping(self, host: str) -> bool:
        """Whether what came is captured: the peer's, or the first of what strangers sent.

        Those show why nothing is heard; a flood of them must not fill the capture.
        """
        if self._voice.codec and self._hearing.hears(host):
            return True
        self._strangers_left -= 1
        return self._strangers_left >= 0

    def _keep(self, packet: bytes, at_ns: int, peer: Address, *, sent: bool) -> None:
        if self._capture is None:
            return
        rtcp = len(packet) > 1 and packet[1] in RTCP_KINDS
        here = (self._capture.host, self.port)
        ends = (here, peer) if sent else (peer, here)
        self._capture.take(CapturedPacket(at_ns, sent, rtcp, *ends, packet))

    def _keep_control(self, packet: bytes, at_ns: int, peer: Address, sent: bool) -> None:
        if self._capture is not None:
            here = (self._capture.host, self._control.port)
            ends = (here, peer) if sent else (peer, here)
            self._capture.take(CapturedPacket(at_ns, sent, True, *ends, packet))
