"""What happens to a leg, as its owner is told."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from call_manager.channel.records import Q850


@dataclass(frozen=True, slots=True)
class Progress:
    """A provisional answer above 100."""

    at: datetime
    code: int
    reason_phrase: str
    early_media: bool = False
    """Whether it brought a usable SDP."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The carrier answered; ACK is on its way and media flows."""

    at: datetime
    codec: str


class MediaFailure(enum.StrEnum):
    """Why an answered leg could carry no audio; it was ended with BYE."""

    NONE = "none"
    NO_SDP = "no_sdp"
    """The 2xx had no session description, or one that cannot be read."""
    NO_COMMON_CODEC = "no_common_codec"
    """The answer names no codec that was offered, or refuses the stream."""
    NOT_ENCODABLE = "not_encodable"
    """The carrier picked an offered codec that this machine cannot encode."""


class EndedBy(enum.StrEnum):
    """Who ended a leg."""

    REMOTE = "remote"
    LOCAL = "local"
    TIMEOUT = "timeout"
    """No answer at all (Timer B), or the peer vanished."""
    ERROR = "error"
    """We could not send: the name did not resolve, the journal refused, the socket failed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The leg is over; the last event of every leg, exactly once."""

    at: datetime
    by: EndedBy
    code: int | None
    """The final SIP status of the INVITE, None when none came; 200 for a leg that was answered."""
    reason_phrase: str
    detail: str = ""
    """For `ERROR`, one plain sentence for the record."""
    q850: Q850 | None = None
    """From the final answer's or the BYE's `Reason` header."""
    reached: bool = True
    """False when no INVITE can have reached the carrier: not resolved, refused, no TLS. What keeps
    us from sending one to any carrier says nothing about this one, and leaves it True."""
    media: MediaFailure = MediaFailure.NONE
    """Why we hung an answered leg up ourselves."""


ChannelEvent = Progress | Answered | Ended
