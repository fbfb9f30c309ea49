"""Puts a leg's messages on the wire and on its record, wherever their hops turn out to be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from call_manager.channel import CallJournal, NextHop, Transport, WireMessage
from call_manager.sip.effects import Connected, Destination, Hop, Input, Unreachable
from call_manager.sip.message import SIP_PORT, MalformedMessageError, Request, Response, encode
from call_manager.sip.message.fields import place_of
from call_manager.sip.requests import Identity
from call_manager.sip.seldom import Seldom
from call_manager.sip.trace import Redaction, label_of
from call_manager.sip.transport.connecting import NotConnected, reason_of
from call_manager.sip.transport.lookup import ResolveError
from call_manager.sip.transport.resolve import Resolver
from call_manager.sip.transport.stream import Connection
from call_manager.sip.transport.transports import Carried, Transports
from call_manager.sip.transport.via import carried_by
from mesh.addresses import write_address
from mesh.clock import Clock

HOPS_MAX: Final = 16
RESOLUTIONS_MAX: Final = 64  # Of one leg; each costs several questions to the DNS.
IN_FLIGHT_MAX: Final = 64  # Branches on connections; a call has two or three at once.

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wire:
    """What all legs of a channel share."""

    transports: Transports
    resolver: Resolver
    clock: Clock
    local_address: str
    """The bound `host:port` of UDP, for the record."""
    identity: Identity


class Sender:
    """One leg's way out, and the connections it was on."""

    def __init__(
        self,
        journal: CallJournal,
        wire: Wire,
        redaction: Redaction,
        post: Callable[[Input], None],
    ) -> None:
        self._journal = journal
        self._wire = wire
        self._redaction = redaction
        self._post = post
        self._hops: dict[str, Destination] = {}
        self._resolutions = 0
        self._noise = Seldom(log)
        self._in_flight: dict[str, Destination] = {}
        """Where requests went by connection, by their branch."""
        self._used: dict[Destination, None] = {}
        self._connecting: asyncio.Future[Connection] | None = None

    def received(self, raw: bytes, source: Destination, at: datetime) -> None:
        """Record what arrived, and the connection it came on."""
        self._record(raw, source, at, sent=False)
        if source.transport is not Transport.UDP:
            self._use(source)

    def lost(self, destination: Destination) -> list[str]:
        """Forget what is in flight on a connection that is gone; returns the branches."""
        gone = [branch for branch, to in self._in_flight.items() if to == destination]
        for branch in gone:
            del self._in_flight[branch]
        return gone

    def give_up(self) -> None:
        """Wait no longer for the connection of a new call or probe."""
        if self._connecting is not None:
            self._connecting.cancel()

    def uses(self, destination: Destination) -> bool:
        """Tell whether messages came or went by this connection."""
        return destination in self._used

    async def send(self, message: Request | Response, hop: Hop) -> None:
        """Send a message to where its hop is found; one of ours that cannot leave is told."""
        branch = message.via.branch if isinstance(message, Request) else ""
        try:
            destination = await self._destination(hop)
            try:
                await self._carry(message, destination)
            except NotConnected:
                other = _instead(message, hop, destination)
                if other is None:
                    raise
                if hop.uri:
                    self._hops[hop.uri] = other
                await self._carry(message, other)
        except (OSError, MalformedMessageError) as error:
            why = reason_of(error)
            # What the record of a call or a check says needs no warning for each carrier away.
            level = logging.DEBUG if branch else logging.WARNING
            self._noise.log(level, "a SIP message could not be sent: %s", why)
            if branch:
                known = isinstance(error, NotConnected)
                detail = why if known else f"The message could not be sent: {why.rstrip('.')}."
                self._post(Unreachable(branch, detail))

    async def _carry(self, message: Request | Response, to: Destination) -> None:
        """Put one message on the wire, and on the record; raises `OSError`."""
        if isinstance(message, Request):
            message = carried_by(message, self._wire.identity.over(to.transport))
        raw = encode(message)
        if to.transport is not Transport.UDP and is_new(message):
            await self._connect(to)
        carried = await self._wire.transports.send(raw, to)
        if to.transport is not Transport.UDP:
            self._note_stream(message, to, carried)
            to = replace(to, local=carried.local)
        self._record(raw, to, carried.at, sent=True)

    async def _connect(self, to: Destination) -> None:
        """Make the connection of a new call or probe; whoever gives that up waits no longer."""
        connecting = asyncio.ensure_future(self._wire.transports.streams.connect(to))
        self._connecting = connecting
        try:
            await asyncio.wait((connecting,))
        finally:
            self._connecting = None
            connecting.cancel()
        if connecting.cancelled():
            raise NotConnected("The call was ended before a connection was made.")
        connecting.result()

    def _note_stream(self, message: Request | Response, to: Destination, by: Carried) -> None:
        """Remember what a lost connection would concern, and tell the core whom it met."""
        self._use(to)
        if not isinstance(message, Request):
            return
        branch = message.via.branch
        if message.method != "ACK":
            while len(self._in_flight) >= IN_FLIGHT_MAX:
                del self._in_flight[next(iter(self._in_flight))]
            self._in_flight[branch] = to
        self._post(Connected(branch, by.tls_peer, by.at))

    def _use(self, destination: Destination) -> None:
        while len(self._used) >= HOPS_MAX:
            del self._used[next(iter(self._used))]
        self._used[destination] = None

    async def _destination(self, hop: Hop) -> Destination:
        """Where a hop is; one that cannot be used gives way to where the INVITE went.

        So does that of a peer which moved too often.
        """
        if not hop.uri:
            return hop.destination
        if hop.uri not in self._hops:
            if self._resolutions >= RESOLUTIONS_MAX:
                return hop.destination
            if len(self._hops) >= HOPS_MAX:
                self._hops.clear()  # A peer that keeps moving costs a resolution each time.
            self._resolutions += 1
            self._hops[hop.uri] = hop.destination
            try:
                self._hops[hop.uri] = await self._resolve(hop)
            except (MalformedMessageError, ResolveError) as error:
                log.warning("the dialog's next hop is not usable, its peer is used: %s", error)
        return self._hops[hop.uri]

    async def _resolve(self, hop: Hop) -> Destination:
        """Find a dialog's next hop; raises `MalformedMessageError` or `ResolveError`.

        Over TLS an IP address must show the certificate of whom the INVITE went to, a name its
        own: anything else would let a Contact choose who may listen.
        """
        host, port = place_of(hop.uri)
        before = hop.destination
        found = (
            await self._wire.resolver.locate(NextHop(host, port, hop.transport, before.tls_ca))
        )[0]
        if hop.transport is Transport.TLS and found.tls_host == found.address[0]:
            found = replace(found, tls_host=before.tls_host or found.tls_host)
        # The connection of the INVITE is as good as a new one to the same place.
        return before if found == replace(before, tls_host=found.tls_host) else found

    def _record(self, raw: bytes, peer: Destination, at: datetime, *, sent: bool) -> None:
        message = WireMessage(
            at=at,
            sent=sent,
            method=label_of(raw),
            local_address=peer.local or self._wire.local_address,
            remote_address=write_address(peer.address),
            raw=self._redaction.of(raw),
            transport=peer.transport,
        )
        try:
            self._journal.message(message)
        except Exception:
            log.exception("the journal did not take a SIP message")


def is_new(message: Request | Response) -> bool:
    """Tell whether a message begins something: an INVITE or OPTIONS outside every dialog."""
    begins = isinstance(message, Request) and message.method in {"INVITE", "OPTIONS"}
    return begins and not message.to_tag


def _instead(message: Request | Response, hop: Hop, tried: Destination) -> Destination | None:
    """Where a message may go whose connection cannot be made; None where there is no such place.

    A request inside a dialog: where the INVITE went. A response: a new connection to the port its
    sender listens at, since the one its request came on is gone (RFC 3261 section 18.2.2).
    """
    if isinstance(message, Request):
        # A sips URI may be reached over TLS only (section 26.2.2).
        plain = hop.destination.transport is not Transport.TLS
        secure = hop.uri[:5].lower() == "sips:"
        usable = hop.uri and hop.destination != tried and not (secure and plain)
        return hop.destination if usable else None
    if tried.transport is Transport.TCP and tried.accepted:
        port = message.via.port or SIP_PORT
        return Destination((tried.address[0], port), Transport.TCP)
    return None
