"""A throw-away certificate authority, so that a TLS call can be tried without a real one."""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LASTS: Final = timedelta(days=30)
RENEWED_BEFORE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LabFiles:
    """The files of a lab's authority."""

    directory: Path

    @property
    def ca(self) -> Path:
        """The authority's certificate, which whoever calls must trust."""
        return self.directory / "ca.pem"

    @property
    def certificate(self) -> Path:
        """The carrier's certificate."""
        return self.directory / "cert.pem"

    @property
    def key(self) -> Path:
        """The carrier's private key; the authority's own is never written."""
        return self.directory / "key.pem"


def prepare(directory: Path, host: str) -> LabFiles:
    """Return files for a carrier at an IP address; those of an earlier run while they are good.

    Raises `OSError` when the directory cannot be written.
    """
    files = LabFiles(directory)
    if not _are_good(files, host):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _issue(files, host)
    return files


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what a listener for TLS 1.2 and later needs; raises `OSError`, `ssl.SSLError` too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def _are_good(files: LabFiles, host: str) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        authority = x509.load_pem_x509_certificate(files.ca.read_bytes())
        certificate.verify_directly_issued_by(authority)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        server_context(files.certificate, files.key)
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound, InvalidSignature):
        return False
    lasts = certificate.not_valid_after_utc - datetime.now(UTC)
    hosts = names.get_values_for_type(x509.IPAddress)
    return lasts > RENEWED_BEFORE and ipaddress.ip_address(host) in hosts


def _issue(files: LabFiles, host: str) -> None:
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in "12")
    authority = _name("voipbin-mesh lab authority")
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    ca = (
        _about(authority, authority, authority_key.public_key())
        .add_extension(constraints, critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    names = [x509.IPAddress(ipaddress.ip_address(host)), x509.DNSName("localhost")]
    certificate = (
        _about(_name("simulated carrier"), authority, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(files.key, private, 0o600)
    _write(files.certificate, certificate.public_bytes(pem), 0o644)
    _write(files.ca, ca.public_bytes(pem), 0o644)


def _about(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # Clocks differ.
        .not_valid_after(now + LASTS)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write(path: Path, octets: bytes, mode: int) -> None:
    # A key is never readable by others, not even for the moment between two calls.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(octets)
