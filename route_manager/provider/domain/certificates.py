"""The certificates that a carrier's own may be issued by, as an administrator pastes them."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from typing import Final

from cryptography import x509

from route_manager.errors import InvalidTlsCa

CERTIFICATES_MAX: Final = 20

_LABEL: Final = re.compile(r"-----BEGIN ([^-\r\n]*)-----")  # RFC 7468 section 3


def check_tls_ca(pem: str) -> None:
    """Raise InvalidTlsCa unless the text is empty or 1 to 20 certificates in PEM (RFC 7468).

    Explanatory text between them is allowed; another block, such as a private key, is not.
    """
    if not pem:
        return
    labels = _LABEL.findall(pem)
    if any("PRIVATE KEY" in label for label in labels):
        raise _refused("There is a private key in it, which was not stored and belongs nowhere.")
    if set(labels) != {"CERTIFICATE"}:
        raise _refused("It is not made of certificates in PEM form.")
    if len(labels) > CERTIFICATES_MAX:
        raise _refused(f"There are more than {CERTIFICATES_MAX} certificates.")
    if not pem.isascii() or "\0" in pem:
        raise _refused("It holds other characters than those of ASCII.")
    try:
        found = certificates(pem)
        # What uses them is stricter here and there.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ValueError, ssl.SSLError) as error:
        raise _refused("One of the certificates cannot be read.") from error
    if len(found) != len(labels):
        raise _refused("One of the certificates is cut short.")


def certificates(pem: str) -> Sequence[x509.Certificate]:
    """Return the certificates of an acceptable text; none of an empty one."""
    return x509.load_pem_x509_certificates(pem.encode("ascii")) if pem else ()


def _refused(message: str) -> InvalidTlsCa:
    return InvalidTlsCa("tls_ca", message)
