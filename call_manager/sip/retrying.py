"""What a leg's further INVITEs say, when the carrier's refusal tells how to go on."""

from __future__ import annotations

from call_manager.sip.message import Authenticator, Headers, Request, Response
from call_manager.sip.session_timer import Wish


class Retrying:
    """Answers to 401, 407 (RFC 3261 section 22) and 422 (RFC 4028 section 7.4) of one leg."""

    def __init__(self, authenticator: Authenticator | None, wish: Wish) -> None:
        self._authenticator = authenticator
        self._answering = None if authenticator is None else authenticator.begin()
        self._raised = False
        self.wish = wish
        """The session timer that the next INVITE asks for."""

    def elsewhere(self) -> Headers:
        """Return what an INVITE says first at an address; nobody there has challenged it yet."""
        if self._authenticator is not None:
            self._answering = self._authenticator.begin()
        return self.wish.headers()

    def after(self, request: Request, refusal: Response) -> Headers | None:
        """Return what an INVITE says that heeds a refusal; None when there is nothing to heed."""
        answering = self._answering
        if refusal.code in {401, 407}:
            headers = () if answering is None else answering.answer(refusal, request)
            return (*self.wish.headers(), *headers) if headers else None
        longer = self.wish.raised(refusal) if refusal.code == 422 and not self._raised else None
        if longer is None:
            return None
        self._raised, self.wish = True, longer
        headers = () if answering is None else answering.again(request)
        return (*self.wish.headers(), *headers)
