"""What an administrator is warned of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class WarningCode(StrEnum):
    """The rules of the linter, by the names that clients see."""

    POSTFIX_SETS_DOMAIN = "postfix_sets_domain"
    PORT_UNUSUAL = "port_unusual"
    HOSTNAME_REWRITTEN = "hostname_rewritten"
    HOST_UNRESOLVED = "host_unresolved"
    HOST_PRIVATE = "host_private"
    HEADER_LOOKS_RESERVED = "header_looks_reserved"
    HEADER_LOOKS_SECRET = "header_looks_secret"  # noqa: S105  (a rule's name)
    SECRET_LOOKS_MASKED = "secret_looks_masked"  # noqa: S105
    SECRET_HEADER_ABSENT = "secret_header_absent"  # noqa: S105
    HEADERS_LARGE = "headers_large"
    CODEC_UNKNOWN = "codec_unknown"
    CODECS_UNPLAYABLE = "codecs_unplayable"
    NUMBER_NOT_E164 = "number_not_e164"
    CREDENTIALS_INCOMPLETE = "credentials_incomplete"
    ROUTES_OUT_OF_SERVICE = "routes_out_of_service"
    CARRIER_SIDE_LEFT = "carrier_side_left"
    PORT_NOT_FOR_TRANSPORT = "port_not_for_transport"
    TLS_CA_UNUSED = "tls_ca_unused"
    TLS_CA_EXPIRES = "tls_ca_expires"
    FAILOVER_RINGS_AGAIN = "failover_rings_again"
    TLS_TO_ADDRESS = "tls_to_address"


@dataclass(frozen=True, slots=True)
class ProviderWarning:
    """Something that can be used, but hardly as it was meant. Never holds a secret."""

    code: WarningCode
    field: str
    message: str
    """What will happen, in one sentence."""
    fix: str
    """What to do, in one sentence."""
    ids: tuple[UUID, ...] = ()
    """What else it is about."""
