"""What the carrier's answers are made of: status lines of its own, and the SDP (RFC 3264)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from call_manager.sip.message import Headers, Request, Response
from call_manager.sip.requests import answer
from call_manager.sip.sdp import DEFAULT_CODECS, LocalAudio, RemoteAudio, read
from call_manager.sip.sdp import write_answer as write_sdp_answer
from call_manager.sip.sdp import write_offer as write_sdp_offer

PHRASES: Final = {  # RFC 3261 section 21
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    503: "Service Unavailable",
    603: "Decline",
}


def respond(
    request: Request, code: int, *, to_tag: str = "", extra: Headers = (), body: bytes = b""
) -> Response:
    """Build one of the carrier's responses (section 8.2.6.2)."""
    built = answer(request, 200, to_tag=to_tag, extra=extra, body=body)
    return replace(built, code=code, reason=PHRASES[code])


@dataclass(frozen=True, slots=True)
class Negotiation:
    """Both sides of the audio: the caller's as understood, ours as written."""

    remote: RemoteAudio
    """Empty while the caller's side is still to come with its ACK."""
    local: LocalAudio
    body: bytes


def negotiate(offer: bytes, local: LocalAudio) -> Negotiation | None:
    """Answer an offer, or offer when there was none (section 13.2.1); None when no codec fits."""
    if not offer:
        return Negotiation(RemoteAudio(), local, write_sdp_offer(local))
    remote = read(offer, DEFAULT_CODECS)
    if not remote.codec:
        return None
    return Negotiation(remote, local, write_sdp_answer(local, remote, version=1))
