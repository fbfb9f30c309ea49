"""The registry of call metadata: which keys exist, of what type, and who may set them when.

CONTRACT.md section 3.8. Nothing public carries these as input: they come on the internal
CallsCreate only, and are refused in the order unknown key, wrong type, key not allowed.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from google.protobuf.struct_pb2 import Value

from mesh.identity import LAB_PEER
from mesh.metadata import (
    MetadataKey,
    MetadataRegistry,
    TypeMismatch,
    parse_bool,
    parse_str,
    parse_uuid_list,
)

FORCED_PROVIDERS_MAX: Final = 8
"""The most carriers a call may be forced onto; DialrouteList takes no more."""

_PROVIDER_TESTERS: Final = frozenset({"route_manager", LAB_PEER})
_WHEN_TESTING: Final = "On every call of a provider call: an administrator's test of one carrier."


def parse_provider_ids(value: Value) -> tuple[UUID, ...]:
    """Read 1 to 8 different UUIDs; one bad entry spoils the list.

    The predecessor skipped bad entries, which dials another carrier than the one that was meant.
    """
    expected = f"array of 1 to {FORCED_PROVIDERS_MAX} different UUIDs"
    try:
        read = parse_uuid_list(value)
    except TypeMismatch as error:
        raise TypeMismatch(expected) from error
    if not 1 <= len(read) <= FORCED_PROVIDERS_MAX or len(set(read)) != len(read):
        raise TypeMismatch(expected)
    return read


ROUTE_PROVIDER_IDS: Final = MetadataKey(
    "route_provider_ids",
    parse_provider_ids,
    "Dial exactly these carriers, in this order, whatever the customer's routes say.",
    _PROVIDER_TESTERS,
    _WHEN_TESTING,
)
SKIP_SOURCE_VALIDATION: Final = MetadataKey(
    "skip_source_validation",
    parse_bool,
    "Show the source as it was given, even if the customer does not own it.",
    _PROVIDER_TESTERS,
    _WHEN_TESTING,
)
RTP_DEBUG: Final = MetadataKey(
    "rtp_debug",
    parse_bool,
    "Capture the call's RTP.",
    _PROVIDER_TESTERS,
    _WHEN_TESTING,
)
CODECS: Final = MetadataKey(
    "codecs",
    parse_str,
    "Offer these codecs, comma-separated, in this order.",
    frozenset(),
    "By call_manager itself, for SIP destinations, from the customer's outbound configuration.",
)

CALL_METADATA: Final = MetadataRegistry(
    ROUTE_PROVIDER_IDS, SKIP_SOURCE_VALIDATION, RTP_DEBUG, CODECS
)
"""Every key a call may carry."""
