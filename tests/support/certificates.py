"""A throw-away certification authority, and servers' certificates of every kind of wrong."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, as files."""

    certificate: Path
    key: Path

    def server(
        self, *, versions: tuple[ssl.TLSVersion, ssl.TLSVersion] | None = None
    ) -> ssl.SSLContext:
        """A server that shows it, with the lowest and highest version it speaks."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if versions is not None:
            context.minimum_version, context.maximum_version = versions
        return context


class Authority:
    """Issues certificates for test carriers."""

    def __init__(self, directory: Path, name: str = "Carriers' test CA") -> None:
        self._directory = directory
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._issued = 0
        certificate = (
            self._builder(_name(name), self._key, days=30)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, SHA256())
        )
        self.pem = certificate.public_bytes(Encoding.PEM).decode()

    def issue(self, *names: x509.GeneralName, days: int = 30) -> Issued:
        """Issue a certificate for these names; negative `days` have passed since it ended."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_name("sip.carrier.example"), key, days=days)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, SHA256())
        self._issued += 1
        issued = Issued(
            self._directory / f"{self._issued}.crt", self._directory / f"{self._issued}.key"
        )
        issued.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        issued.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return issued

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
        )


def dns(name: str) -> x509.GeneralName:
    return x509.DNSName(name)


def ip(address: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(address))


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)
