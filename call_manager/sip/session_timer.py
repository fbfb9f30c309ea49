"""The rules of session timers: what is asked, what was agreed, who refreshes when (RFC 4028)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from call_manager.sip.message import Headers, Message, Request, Response
from call_manager.sip.timing import Timing

OPTION: Final = "timer"
INTERVAL_MAX_S: Final = 604_800  # A week; what is longer guards nothing.

_SECONDS: Final = re.compile(r"[ \t]*(\d{1,10})[ \t]*(?=;|\Z)")
_REFRESHER: Final = re.compile(r"(?i);[ \t]*refresher[ \t]*=[ \t]*(uac|uas)[ \t]*(?=;|\Z)")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request of ours asks for; an interval of 0 asks for nothing (section 7.1)."""

    interval_s: int
    min_s: int

    def headers(self, refresher: str = "") -> Headers:
        """Write it; `refresher` is `uac` in a refresh of ours, open in an INVITE."""
        if not self.interval_s:
            return ()
        suffix = f";refresher={refresher}" if refresher else ""
        return (("Session-Expires", f"{self.interval_s}{suffix}"), ("Min-SE", str(self.min_s)))

    def raised(self, refusal: Response) -> Wish | None:
        """What a 422 leaves to ask for (section 7.4); None when it names nothing longer."""
        least = seconds(refusal.value("Min-SE"))
        if not self.interval_s or least <= self.interval_s:
            return None
        return Wish(least, least)


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """What both sides agreed on."""

    interval_s: int
    ours: bool
    """Whether we refresh the session; the peer does otherwise."""

    @property
    def refresh_after_s(self) -> float:
        """When the one who refreshes does so (section 7.2)."""
        return self.interval_s / 2

    def end_after_s(self, timing: Timing) -> float:
        """When a session that nobody refreshed is ended: a little early (section 10)."""
        return self.interval_s - min(timing.give_up_s, self.interval_s / 3)

    def answered_to(self, request: Request) -> Headers:
        """Write it into the 2xx to a request of the peer, who is `uac` there (section 9)."""
        value = f"{self.interval_s};refresher={'uas' if self.ours else 'uac'}"
        # Whoever has to refresh must understand that he has to.
        require = () if self.ours or not supports(request) else (("Require", OPTION),)
        return (*require, ("Session-Expires", value))


def wish_for(interval_s: int, timing: Timing) -> Wish:
    """What a leg asks for; shorter than everybody must accept is asked for by nobody."""
    least = timing.session_min_s
    return Wish(min(max(interval_s, least), INTERVAL_MAX_S) if interval_s > 0 else 0, least)


def agreed_in(answer: Response) -> SessionTimer | None:
    """Read the 2xx to a request of ours; None: there is no session timer (section 7.2).

    An answer that forgets who refreshes means us: it costs one request, and the other reading
    might cost the call.
    """
    interval_s = seconds(answer.value("Session-Expires"))
    if interval_s == 0:
        return None
    refresher = _refresher(answer)
    return SessionTimer(interval_s, ours=refresher != "uas")


def agreed_to(request: Request, running: SessionTimer | None) -> SessionTimer | None:
    """Decide on the peer's re-INVITE or UPDATE (section 9, table 2); None: no session timer.

    One that we asked for goes on when the peer's request does not speak of it.
    """
    asked_s = seconds(request.value("Session-Expires"))
    if asked_s == 0:
        if running is None:
            return None
        return SessionTimer(running.interval_s, running.ours or not supports(request))
    ours = _refresher(request) == "uas" or not supports(request)
    return SessionTimer(asked_s, ours)


def too_short(request: Request, timing: Timing) -> bool:
    """Whether a peer's interval asks for more work than anybody may (sections 5 and 9)."""
    asked_s = seconds(request.value("Session-Expires"))
    return 0 < asked_s < timing.session_min_s and supports(request)


def supports(message: Message) -> bool:
    """Whether a message's sender knows session timers."""
    options = [*message.values("Supported"), *message.values("Require")]
    return any(option.lower() == OPTION for option in options)


def seconds(value: str) -> int:
    """Read the delta-seconds a value begins with, at most `INTERVAL_MAX_S`; 0 for none."""
    found = _SECONDS.match(value)
    return min(int(found[1]), INTERVAL_MAX_S) if found else 0


def _refresher(message: Message) -> str:
    found = _REFRESHER.search(message.value("Session-Expires"))
    return found[1].lower() if found else ""
