"""One confirmed dialog in use: its ACK, its BYE, and the peer's requests (RFC 3261 12 to 15)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from call_manager.channel import EndedBy, MediaFailure
from call_manager.sip.context import SessionContext
from call_manager.sip.description import Description
from call_manager.sip.dialog import Dialog
from call_manager.sip.effects import Destination, TimerKey
from call_manager.sip.endings import CLEARED, UNACKNOWLEDGED, Ending, of_media
from call_manager.sip.message import Answering, Headers, Request, Response, q850_of, write_reason
from call_manager.sip.refresher import Refresher
from call_manager.sip.requests import ALLOW, answer
from call_manager.sip.sdp import read
from call_manager.sip.session_timer import OPTION, too_short
from call_manager.sip.uas import CAPABILITIES, refusal

UNANSWERED_BYE: Final = "The peer never answered our BYE."


class Session:
    """A confirmed dialog that lives until either side's BYE is over."""

    def __init__(self, dialog: Dialog, context: SessionContext) -> None:
        self.dialog = dialog
        self._context = context
        self._exchange = context.exchange
        self._ack = dialog.ack()
        self._ending: Ending | None = None
        """Why we are ending it."""
        self._over = False
        self._answering: Answering | None = None
        self._description = None if context.audio is None else Description(context.audio)
        self._unacknowledged = -1
        """The CSeq of the peer's re-INVITE whose 2xx waits for its ACK; -1 for none."""
        self._offered = False
        """Whether that 2xx made an offer, which the ACK answers."""
        self._refresher = Refresher(self, context)

    @property
    def open(self) -> bool:
        """Whether no BYE was sent or received yet."""
        return self._ending is None and not self._over

    @property
    def settled(self) -> bool:
        """Whether no offer and no INVITE of the peer is under way (section 14.1)."""
        return self._unacknowledged < 0

    @property
    def described(self) -> bytes:
        """The session description we sent last."""
        return b"" if self._description is None else self._description.text

    def begin(self, success: Response) -> None:
        """Keep the session alive as the 2xx to our INVITE agrees (RFC 4028)."""
        self._refresher.begin(success)

    def acknowledge(self) -> None:
        """Send the ACK; once for every 2xx that arrives, however the 2xx differs (13.2.2.4)."""
        self._exchange.transmit(self._ack, self._context.hop(self.dialog))

    def bye(self, ending: Ending = CLEARED) -> None:
        """End the dialog; asking again is harmless."""
        if self.open:
            self._ending = ending
            self._refresher.stop()
            authenticator = self._context.authenticator
            self._answering = None if authenticator is None else authenticator.begin()
            self._send_bye(ending, ())

    def hear(self, response: Response) -> None:
        """Take the answer in a 2xx to our re-INVITE; one that says nothing changes nothing."""
        audio = self._context.audio
        remote = None if audio is None else read(response.body, audio.codecs)
        if remote is not None and remote.problem is MediaFailure.NONE:
            self._context.on_audio(remote)

    def on_timer(self, key: TimerKey) -> bool:
        """One of the timers set here ran out; False for any other."""
        return self._refresher.on_timer(key)

    def on_ack(self, request: Request) -> None:
        """The peer acknowledged our 2xx; its ACK answers an offer that we made in it."""
        if request.cseq.number != self._unacknowledged:
            return
        self._unacknowledged = -1
        audio = self._context.audio
        # One without an answer breaks section 13.2.1, but takes nothing from what was agreed.
        if self._offered and request.body and audio is not None and self.open:
            remote = read(request.body, audio.codecs)
            if remote.problem is MediaFailure.NONE:
                self._context.on_audio(remote)
            else:
                self.bye(of_media(remote, audio.codecs))
        self._offered = False

    def on_request(self, request: Request, source: Destination) -> None:
        """Answer a request of this dialog that is not a retransmission."""
        if request.cseq.number <= self.dialog.remote_cseq:
            self._answer(request, 500, source)  # section 12.2.2: out of order
            return
        self.dialog.remote_cseq = request.cseq.number
        refused = refusal(request, ALLOW)
        if request.method == "BYE":
            self._on_bye(request, source)
        elif not self.open:
            self._answer(request, 481, source)
        elif refused is not None:
            self._answer(request, refused[0], source, refused[1])
        elif request.method in {"INVITE", "UPDATE"}:
            self._on_offer(request, source)
        else:
            self._answer(request, 200, source, (("Allow", ALLOW), *CAPABILITIES))

    def _send_bye(self, ending: Ending, extra: Headers) -> None:
        headers = (
            ("User-Agent", self._context.identity.user_agent),
            *((write_reason(ending.q850),) if ending.q850 is not None else ()),
            *extra,
        )
        request = self.dialog.request("BYE", headers)
        self._exchange.send(
            request,
            self._context.hop(self.dialog),
            lambda response: self._on_bye_answer(ending, request, response),
        )

    def _on_bye_answer(self, ending: Ending, request: Request, response: Response | None) -> None:
        odd = ""
        if response is None:
            odd = UNANSWERED_BYE
        elif response.code < 200:
            return
        elif response.code in {401, 407} and self._answering is not None:
            if headers := self._answering.answer(response, request):
                self._send_bye(ending, headers)
                return
            odd = f"The peer answered our BYE with {response.code}."
        elif response.code >= 300 and response.code not in {408, 481}:
            # Section 15.1.1: 408 and 481 end the dialog, too.
            odd = f"The peer answered our BYE with {response.code}."
        self._end(replace(ending, detail=ending.detail or odd))

    def _on_bye(self, request: Request, source: Destination) -> None:
        self._answer(request, 200, source)
        # When both sides hang up at once, ours was first as far as we can know.
        self._end(self._ending or Ending(EndedBy.REMOTE, q850=q850_of(request)))

    def _on_offer(self, request: Request, source: Destination) -> None:
        """Answer a re-INVITE or UPDATE: same codecs, hold tolerated (section 14.2, RFC 3311)."""
        offers = request.method == "INVITE" or bool(request.body)
        timing = self._exchange.timing
        if offers and (self._refresher.inviting or not self.settled):
            self._answer(request, 491, source)  # Both sides offer at once.
        elif too_short(request, timing):
            self._answer(request, 422, source, (("Min-SE", str(timing.session_min_s)),))
        elif not offers:
            self._accept(request, b"", source)
        elif (body := self._describe(request)) is None:
            self._answer(request, 488, source)
        else:
            self._accept(request, body, source)

    def _describe(self, request: Request) -> bytes | None:
        """Answer the peer's offer, or make one; None for media that cannot be had."""
        description = self._description
        if description is None:
            return None
        if not request.body:
            self._offered = True
            return description.offer()
        remote = read(request.body, description.audio.codecs)
        if remote.problem is not MediaFailure.NONE:
            return None
        self._context.on_audio(remote)
        return description.answer(remote)

    def _accept(self, request: Request, body: bytes, source: Destination) -> None:
        self.dialog.refresh_target(request)
        extra = (
            ("Contact", self._context.identity.contact),
            ("Allow", ALLOW),
            ("Supported", OPTION),
            *self._refresher.accept(request),
        )
        if request.method == "INVITE":
            self._unacknowledged = request.cseq.number
        response = answer(request, 200, extra=extra, body=body)
        self._exchange.answer(request, response, source, self._on_unacknowledged)

    def _on_unacknowledged(self) -> None:
        self._unacknowledged = -1
        self.bye(UNACKNOWLEDGED)

    def _answer(
        self, request: Request, code: int, source: Destination, extra: Headers = ()
    ) -> None:
        self._exchange.answer(request, answer(request, code, extra=extra), source)

    def _end(self, ending: Ending) -> None:
        if not self._over:
            self._over = True
            self._refresher.stop()
            self._context.on_end(ending)
