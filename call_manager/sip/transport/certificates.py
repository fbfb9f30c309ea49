"""TLS as SIP asks for it: whom a certificate must be for, and whom we met (RFC 5922, RFC 3261 26).

There is no way to leave the check out.
"""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from call_manager.channel import TlsPeer
from call_manager.sip.message import MalformedMessageError, host_port_of

CONTEXTS_MAX: Final = 64
NAMES_SHOWN: Final = 5
"""Names of a wrong certificate that its sentence lists."""


class CertificateError(Exception):
    """A certificate is not the carrier's; the text is one sentence for the record."""


class TrustedBy:
    """Client contexts, one for each set of certificates that providers are trusted by."""

    def __init__(self) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}

    def context(self, ca: str) -> ssl.SSLContext:
        """Return a context that trusts `ca` (PEM), or the machine's roots where it is empty.

        Raises `CertificateError` for what holds no certificate.
        """
        key = hashlib.sha256(ca.encode()).hexdigest()
        found = self._contexts.get(key)
        if found is None:
            found = _client(ca)
            while len(self._contexts) >= CONTEXTS_MAX:
                del self._contexts[next(iter(self._contexts))]
            self._contexts[key] = found
        return found


def _client(ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Whom the certificate is for is asked by `check`: Python knows no SIP URIs (RFC 5922 7.1).
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    if not ca:
        context.load_default_certs()
        return context
    # A provider may name the very certificate, or what stands between it and a root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=ca)
    except (ssl.SSLError, ValueError) as error:
        raise CertificateError("The provider's CA is not a certificate in PEM.") from error
    return context


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what our own listener shows; raises `OSError` or `ssl.SSLError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # Cheap for a peer, and dear for us.
    context.load_cert_chain(certificate, key)
    return context


def check(certificate: bytes, host: str) -> TlsPeer:
    """Check that a certificate (DER) is for a host; returns what is known of it.

    It is for the hosts of its SIP URIs without a user, or else its DNS names, and its IP
    addresses; each counts whole, without wildcards (RFC 5922 sections 7.1 and 7.2).
    Raises `CertificateError`.
    """
    try:
        found = x509.load_der_x509_certificate(certificate)
        names = list(_names(found))
        peer = TlsPeer(
            version="",
            cipher="",
            subject=found.subject.rfc4514_string(),
            issuer=found.issuer.rfc4514_string(),
            not_after=found.not_valid_after_utc,
            fingerprint=found.fingerprint(SHA256()).hex(),
        )
    except (ValueError, x509.DuplicateExtension) as error:
        raise CertificateError("The carrier's certificate cannot be read.") from error
    if _plain(host) not in names:
        shown = ", ".join(names[:NAMES_SHOWN]) or "nobody by name"
        raise CertificateError(f"The carrier's certificate is for {shown}, not for {host}.")
    return peer


def _names(certificate: x509.Certificate) -> Iterator[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return
    names = extension.value
    domains = [
        uri
        for uri in map(_domain, names.get_values_for_type(x509.UniformResourceIdentifier))
        if uri
    ]
    yield from domains or map(_plain, names.get_values_for_type(x509.DNSName))
    yield from map(str, names.get_values_for_type(x509.IPAddress))


def _domain(uri: str) -> str:
    """Return the domain a SIP URI stands for; empty for any other URI, or a person's."""
    if "@" in uri or uri[:4].lower() != "sip:":
        return ""
    try:
        return _plain(host_port_of(uri)[0])
    except MalformedMessageError:
        return ""


def _plain(host: str) -> str:
    """Write a host so that equal ones are equal texts."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.rstrip(".").lower()
