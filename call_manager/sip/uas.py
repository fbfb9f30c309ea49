"""What a request must be before anybody looks at what it asks (RFC 3261 section 8.2)."""

from __future__ import annotations

from typing import Final

from call_manager.sip.message import Headers, Request
from call_manager.sip.sdp import CONTENT_TYPE
from call_manager.sip.session_timer import OPTION

EXTENSIONS: Final = frozenset({OPTION})
VERSION: Final = "2.0"
ACCEPT: Final[Headers] = (("Accept", CONTENT_TYPE), ("Accept-Encoding", "identity"))
CAPABILITIES: Final[Headers] = (
    *ACCEPT,
    ("Accept-Language", "en"),
    ("Supported", ", ".join(sorted(EXTENSIONS))),
)
"""What an OPTIONS is told besides Allow (section 11.2)."""

_SCHEMES: Final = frozenset({"sip", "sips", "tel"})

Refusal = tuple[int, Headers]
"""The status, and the headers that say what would have been taken."""


def refusal(request: Request, allow: str) -> Refusal | None:
    """Judge a request other than ACK and CANCEL in the order of section 8.2; None lets it pass.

    `allow` is the value of Allow where the request came: those methods are taken there.
    """
    if request.version != VERSION:
        return 505, ()
    if request.method not in allow.split(", "):
        return 405, (("Allow", allow),)
    if request.uri.partition(":")[0].lower().lstrip("<") not in _SCHEMES:
        return 416, ()
    required = [option for option in request.values("Require") if option.lower() not in EXTENSIONS]
    if required:
        return 420, tuple(("Unsupported", option) for option in required)
    if request.method in {"INVITE", "UPDATE"} and not _readable(request):
        return 415, ACCEPT
    return None


def _readable(request: Request) -> bool:
    """Whether a body, which must be a session description, is one (section 8.2.3).

    A body without a type is read as one: peers forget it, and a wrong guess costs a 488.
    """
    optional = "handling=optional" in request.value("Content-Disposition").lower().replace(" ", "")
    if not request.body or optional:
        return True
    kind = request.value("Content-Type").partition(";")[0].strip(" \t").lower()
    coding = request.value("Content-Encoding").strip(" \t").lower()
    return kind in {"", CONTENT_TYPE} and coding in {"", "identity"}
