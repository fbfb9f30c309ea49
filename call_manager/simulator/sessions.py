"""Session timers as the carrier keeps, or breaks, them (RFC 4028); pure."""

from __future__ import annotations

from typing import Final

from call_manager.simulator.behaviour import SessionTimer
from call_manager.sip.message import Headers, Request
from call_manager.sip.session_timer import OPTION, seconds, supports

EARLY_MAX_S: Final = 32.0
"""How long before the end of the interval an unrefreshed session is ended (section 10)."""


def too_small(plan: SessionTimer, invite: Request) -> bool:
    """Tell whether an INVITE asks for a shorter session than the carrier takes (section 9)."""
    asked = seconds(invite.value("Session-Expires"))
    return 0 < asked < plan.min_se_s


class SessionWatch:
    """The session timer of one dialog."""

    def __init__(self, plan: SessionTimer) -> None:
        self._plan = plan
        self._running = False

    @property
    def by_invite(self) -> bool:
        """Whether the carrier refreshes with re-INVITE."""
        return self._plan.refresh == "invite"

    @property
    def _ours(self) -> bool:
        return self._plan.refresher == "carrier"

    def in_answer(self, request: Request) -> Headers:
        """Return the headers of a 2xx to the caller's request, where the caller is `uac`."""
        if not self._plan.expires_s:
            return ()
        self._running = True
        value = f"{self._plan.expires_s};refresher={'uas' if self._ours else 'uac'}"
        require = () if self._ours or not supports(request) else (("Require", OPTION),)
        return (*require, ("Session-Expires", value))

    def in_request(self) -> Headers:
        """Return the headers of a request of the carrier's, where the caller is `uas`."""
        if not self._running:
            return ()
        value = f"{self._plan.expires_s};refresher={'uac' if self._ours else 'uas'}"
        return (("Supported", OPTION), ("Session-Expires", value))

    def timers(self) -> dict[str, float]:
        """Return what runs from a refresh on, by name, in seconds."""
        interval = float(self._plan.expires_s)
        if not self._running or (self._ours and self._plan.refresh == "never"):
            return {}
        if self._ours:
            return {"refresh": interval / 2}
        return {"expire": interval - min(EARLY_MAX_S, interval / 3)}
