"""Why we end a dialog, in our words and in the telephone network's (ITU-T Q.850)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from call_manager.channel import Q850, EndedBy, MediaFailure
from call_manager.sip.message import Headers, write_reason
from call_manager.sip.sdp import REFUSED, RemoteAudio


@dataclass(frozen=True, slots=True)
class Ending:
    """How a dialog ended."""

    by: EndedBy
    detail: str = ""
    """One sentence when something was odd."""
    q850: Q850 | None = None
    """What the BYE says, ours or theirs."""
    media: MediaFailure = MediaFailure.NONE


_CLEARING: Final = Q850(16, "Normal call clearing")
CLEARED: Final = Ending(EndedBy.LOCAL, q850=_CLEARING)
CANCELLED: Final[Headers] = (write_reason(_CLEARING),)
"""What our CANCEL says."""
COMPLETED_ELSEWHERE: Final[Headers] = (("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),)
"""What it says when another leg was answered: this phone shows no missed call (RFC 3326)."""
NOT_CHOSEN: Final = Ending(EndedBy.LOCAL, q850=Q850(26, "Non-selected user clearing"))
"""For the further answers of a fork."""
LEFT_BEHIND: Final = Ending(EndedBy.LOCAL, q850=Q850(41, "Temporary failure"))
"""For what a crash of ours left."""
UNACKNOWLEDGED: Final = Ending(
    EndedBy.TIMEOUT,
    "The carrier never acknowledged our answer to its re-INVITE.",
    Q850(102, "Recovery on timer expiry"),
)

_NO_CODEC: Final = Q850(65, "Bearer capability not implemented")
_NO_SDP: Final = Q850(95, "Invalid message")


def of_media(audio: RemoteAudio, offered: Sequence[str]) -> Ending:
    """Say why a leg is ended whose answer lets no audio flow."""
    match audio.problem:
        case MediaFailure.NO_SDP:
            why = "The carrier answered without a session description that can be read"
            return Ending(
                EndedBy.ERROR, f"{why}, so nothing could be heard.", _NO_SDP, audio.problem
            )
        case MediaFailure.NO_COMMON_CODEC:
            instead = f"takes {audio.unusable}, " if audio.unusable else "takes "
            why = f"The carrier's answer {instead}none of the offered codecs ({', '.join(offered)})"
            if audio.unusable == REFUSED:
                why = f"The carrier's answer refuses the audio ({REFUSED})"
            return Ending(
                EndedBy.ERROR, f"{why}, so nothing could be heard.", _NO_CODEC, audio.problem
            )
        case _:
            why = f"The carrier picked {audio.codec}, which this machine cannot encode."
            return Ending(EndedBy.ERROR, why, _NO_CODEC, audio.problem)


def expired(interval_s: int) -> Ending:
    """Say that nobody refreshed a session in time (RFC 4028 section 10)."""
    detail = f"The session was not refreshed within its {interval_s} s, so it was ended."
    return Ending(EndedBy.TIMEOUT, detail, Q850(102, "Recovery on timer expiry"))


def refused_refresh(code: int | None) -> Ending:
    """Say that a peer no longer knows the session, or answers nothing any more."""
    if code is None:
        detail = "The carrier did not answer when the session was refreshed."
    else:
        detail = f"The carrier answered {code} when the session was refreshed: it knows no call."
    return Ending(EndedBy.TIMEOUT, detail, Q850(102, "Recovery on timer expiry"))
