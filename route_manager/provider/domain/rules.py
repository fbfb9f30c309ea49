"""Which settings of a provider are acceptable."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from mesh.hosts import host_of
from route_manager.errors import (
    InvalidCodecs,
    InvalidSipCredentials,
    InvalidTechPostfix,
    InvalidTechPrefix,
)
from route_manager.provider.domain.headers import check_headers, has_broken_characters
from route_manager.provider.domain.hostname import check_hostname
from route_manager.provider.domain.provider import ProviderSettings
from route_manager.provider.domain.reaching import check_reaching
from route_manager.provider.domain.secrets import check_secret_headers

PREFIX_MAX: Final = 64
POSTFIX_MAX: Final = 255
CODECS_MAX: Final = 255
CODEC_NAME_MAX: Final = 32
CODEC_COUNT_MAX: Final = 16

# Narrower than `user` of RFC 3261 section 25.1: no character that starts a parameter, a
# password or another part of the URI.
_NUMBER_PART: Final = re.compile(r"[A-Za-z0-9+#*_.-]*")
# Media type names as in SDP (RFC 8866 section 9, `token`), in RFC 3261's narrower alphabet.
_CODEC: Final = re.compile(rf"[A-Za-z0-9.!%*_+`'~-]{{1,{CODEC_NAME_MAX}}}")

ALL_FIELDS: Final = frozenset(ProviderSettings.__dataclass_fields__)
"""The names of all settings."""


def checked(
    settings: ProviderSettings, *, lab: bool, fields: Collection[str] = ALL_FIELDS
) -> ProviderSettings:
    """Return the settings in their stored form, or raise what is wrong with them.

    Only `fields` are judged (an update must not fail on what it does not touch); the user name
    and the password are judged together, and so are the hostname and the port. Codecs are stored
    trimmed. Raises InvalidHostname, InvalidTechPrefix, InvalidTechPostfix, InvalidTechHeaders,
    InvalidSecretHeaders, InvalidCodecs, InvalidSipCredentials and what `check_reaching` does.
    """
    if "hostname" in fields:
        check_hostname(settings.hostname, lab=lab)
    if "tech_prefix" in fields:
        check_prefix(settings.tech_prefix)
    if "tech_postfix" in fields:
        check_postfix(settings.tech_postfix)
    if "tech_headers" in fields:
        check_headers(settings.tech_headers)
    if "secret_headers" in fields:
        check_secret_headers(settings.secret_headers)
    if {"sip_username", "sip_password"} & set(fields):
        check_credentials(settings.sip_username, settings.sip_password)
    check_reaching(settings, lab=lab, fields=fields)
    if "codecs" in fields:
        return replace(settings, codecs=normal_codecs(settings.codecs))
    return settings


def check_prefix(prefix: str) -> None:
    """Raise InvalidTechPrefix unless the prefix may stand before a number."""
    if len(prefix) > PREFIX_MAX or not _NUMBER_PART.fullmatch(prefix):
        raise InvalidTechPrefix(
            "tech_prefix",
            f"The prefix is not made of up to {PREFIX_MAX} digits, letters and + # * - _ . only.",
        )


def check_postfix(postfix: str) -> None:
    """Raise InvalidTechPostfix unless the postfix may stand after a number.

    After a single `@` there may be a domain with an optional port: it becomes the domain of the
    Request-URI, and the INVITE goes to the hostname all the same.
    """
    part, at, domain = postfix.partition("@")
    if len(postfix) > POSTFIX_MAX or not _NUMBER_PART.fullmatch(part):
        raise InvalidTechPostfix(
            "tech_postfix",
            f"The postfix is not made of up to {POSTFIX_MAX} digits, letters and + # * - _ ."
            " only, or of those, an @ and a domain.",
        )
    if at and host_of(domain) is None:
        raise InvalidTechPostfix(
            "tech_postfix", "After the @ of the postfix there is no domain with an optional port."
        )


def normal_codecs(codecs: str) -> str:
    """Return the codec list without spaces, or raise InvalidCodecs.

    An empty list means the platform's own. At most 255 characters and 16 names of up to 32: an
    INVITE has to hold a description of each.
    """
    if len(codecs) > CODECS_MAX:
        raise InvalidCodecs("codecs", f"The list is longer than {CODECS_MAX} characters.")
    if codecs == "":
        return ""
    names = [name.strip(" ") for name in codecs.split(",")]
    if len(names) > CODEC_COUNT_MAX:
        raise InvalidCodecs("codecs", f"The list has more than {CODEC_COUNT_MAX} elements.")
    for name in names:
        if name == "":
            raise InvalidCodecs("codecs", "The list has an empty element.")
        if not _CODEC.fullmatch(name):
            raise InvalidCodecs(
                "codecs",
                f"The list has an element that is no token of 1 to {CODEC_NAME_MAX} characters"
                " (RFC 3261).",
            )
    if len({name.lower() for name in names}) < len(names):
        raise InvalidCodecs("codecs", "The list names a codec twice.")
    return ",".join(names)


def check_credentials(username: str, password: str) -> None:
    """Raise InvalidSipCredentials for a password without a user name, or control characters."""
    for field, value in (("sip_username", username), ("sip_password", password)):
        if has_broken_characters(value):
            raise InvalidSipCredentials(field, f"{field} holds a control character.")
    if password and not username:
        raise InvalidSipCredentials("sip_password", "There is a password without a user name.")
