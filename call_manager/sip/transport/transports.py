"""All that carries a channel's messages: one UDP socket, and streams (RFC 3261 section 18)."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from call_manager.channel import TlsPeer, Transport
from call_manager.sip.effects import Address, Destination, read_address
from call_manager.sip.requests import Identity
from call_manager.sip.settings import SipSettings
from call_manager.sip.transport.certificates import server_context
from call_manager.sip.transport.stream import StreamHandlers
from call_manager.sip.transport.streams import Streams
from call_manager.sip.transport.udp import Handlers, UdpSocket
from mesh.addresses import write_address
from mesh.clock import Clock
from mesh.start import StartRefused, listening_at

PORTS_TRIED: Final = 32
"""Free UDP ports tried until one is free for TCP, too."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a channel listens."""

    address: Address
    """Of UDP and TCP."""
    tls: Address | None


@dataclass(frozen=True, slots=True)
class Carried:
    """How one message left."""

    at: datetime
    local: str
    """Our end of the connection, `host:port`; empty for datagrams."""
    tls_peer: TlsPeer | None = None


def identity_of(settings: SipSettings, bound: Bound) -> Identity:
    """What we say of ourselves once we listen."""
    advertised = settings.advertise(bound.address)
    tls = settings.advertise_tls(bound.tls, advertised[0])
    return Identity(write_address(advertised), settings.user_agent, tls)


class Transports:
    """Sends to any destination, and hears at every listener."""

    def __init__(
        self,
        settings: SipSettings,
        clock: Clock,
        datagrams: Handlers,
        streams: StreamHandlers,
        in_use: Callable[[Destination], bool],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.udp = UdpSocket(clock, datagrams)
        self.streams = Streams(clock, streams, in_use, settings.streams)

    def open(self) -> Bound:
        """Bind every listener; raises `StartRefused` when one cannot be."""
        with listening_at(self._settings.listen, "SIP", "VBMESH_SIP_LISTEN"):
            bound = self._bind(read_address(self._settings.listen))
        tls = self._settings.tls
        if tls is None:
            self.streams.start()
            return Bound(bound, None)
        try:
            context = server_context(tls.certificate, tls.key)
        except (OSError, ssl.SSLError) as error:
            raise StartRefused(
                f"cannot read the certificate and key for SIP over TLS ({error}). "
                "Set VBMESH_SIP_TLS_CERT and VBMESH_SIP_TLS_KEY to PEM files that belong together."
            ) from error
        with listening_at(tls.listen, "SIP over TLS", "VBMESH_SIP_TLS_LISTEN"):
            secured = self.streams.listen(read_address(tls.listen), context)
        self.streams.start()
        return Bound(bound, secured)

    async def send(self, raw: bytes, to: Destination) -> Carried:
        """Send one message, over a new connection if need be; raises `OSError`."""
        if to.transport is Transport.UDP:
            at = self._clock.now()
            self.udp.send(raw, to.address)
            return Carried(at, "")
        connection = await self.streams.connect(to)
        return Carried(connection.send(raw), connection.destination.local, connection.tls_peer)

    def reply(self, raw: bytes, to: Destination) -> None:
        """Send where a message just came from, or not at all; raises `OSError`."""
        if to.transport is Transport.UDP:
            self.udp.send(raw, to.address)
        elif (connection := self.streams.find(to)) is not None:
            connection.send(raw)

    async def close(self) -> None:
        """Close everything."""
        self.udp.close()
        await self.streams.close()

    def _bind(self, address: Address) -> Address:
        """Bind UDP and TCP to one port; a free one is looked for where none is named."""
        for remaining in reversed(range(PORTS_TRIED)):
            bound = self.udp.bind(address)
            try:
                self.streams.listen(bound)
            except OSError:
                self.udp.close()
                if address[1] or not remaining:
                    raise
            else:
                return bound
        raise AssertionError("The last try returns or raises.")
