"""Opens connections to carriers: TCP, and TLS with whom the provider names."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
from dataclasses import replace

from call_manager.channel import TlsPeer, Transport
from call_manager.sip.effects import Destination
from call_manager.sip.transport.certificates import CertificateError, TrustedBy, check
from call_manager.sip.transport.stream import Connection
from mesh.addresses import write_address


class NotConnected(OSError):
    """No connection could be made; the text is one sentence for the record."""

    def __str__(self) -> str:
        return str(self.args[0])


class Connector:
    """Makes the handshakes, each within `connect_s`, or `hurried_s` where UDP would do."""

    def __init__(self, connect_s: float, hurried_s: float) -> None:
        self._connect_s = connect_s
        self._hurried_s = hurried_s
        self._trusted_by = TrustedBy()
        self._source: str | None = None

    def answer_at(self, host: str) -> None:
        """Connect from the first address that is listened at: carriers know us by it."""
        if self._source is None and not ipaddress.ip_address(host).is_unspecified:
            self._source = host

    async def open(self, connection: Connection, to: Destination) -> None:
        """Connect, over TLS with whom the provider names; raises `NotConnected`."""
        tls = to.transport is Transport.TLS
        where = write_address(to.address)
        try:
            context = self._trusted_by.context(to.tls_ca) if tls else None
            async with asyncio.timeout(self._connect_s * (2 if tls else 1)):
                sock = await self._dial(to)
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    sock=sock,
                    ssl=context,
                    server_hostname=to.tls_host if tls else None,
                )
            if tls:
                connection.tls_peer = _met(connection, to.tls_host)
        except CertificateError as error:
            connection.cut(str(error))
            raise NotConnected(str(error)) from error
        except ssl.SSLCertVerificationError as error:
            why = f"The carrier's certificate is not trusted: {error.verify_message}."
            raise NotConnected(why) from error
        except ssl.SSLError as error:
            said = (error.reason or str(error)).replace("_", " ").lower()
            raise NotConnected(f"TLS with the carrier at {where} failed: {said}.") from error
        except TimeoutError as error:
            raise NotConnected(f"The carrier at {where} did not answer in time.") from error
        except (OSError, ValueError) as error:  # A name that no certificate can be for.
            why = reason_of(error) or "it closed the connection"
            raise NotConnected(f"The carrier at {where} cannot be reached: {why}.") from error

    async def _dial(self, to: Destination) -> socket.socket:
        """Make the TCP connection, from the address we listen at; raises `OSError`."""
        family = socket.AF_INET6 if ":" in to.address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if self._source is not None:
                sock.bind((self._source, 0))
            async with asyncio.timeout(self._hurried_s if to.hurried else self._connect_s):
                await asyncio.get_running_loop().sock_connect(sock, to.address)
        except BaseException:
            sock.close()
            raise
        return sock


def reason_of(error: Exception) -> str:
    """Return why nothing can be sent, in words of the system's without their number."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EINVAL:
        # So Linux says it of a socket at 127.0.0.1 that is to reach another machine.
        return "no way leads there from the address that SIP is sent from"
    return os.strerror(number) if number else str(error)


def _met(connection: Connection, host: str) -> TlsPeer:
    """Check whom a finished handshake met; raises `CertificateError`."""
    tls = connection.known("ssl_object")
    shown = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None
    if not isinstance(tls, ssl.SSLObject) or shown is None:
        raise CertificateError("The carrier showed no certificate.")
    cipher = tls.cipher()
    return replace(
        check(shown, host), version=tls.version() or "", cipher=cipher[0] if cipher else ""
    )
