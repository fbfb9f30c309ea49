"""One confirmed dialog in use: its ACK, its BYE, and the peer's requests (RFC 3261 12 to 15)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from call_manager.channel import Credentials, EndedBy
from call_manager.sip.dialog import Dialog
from call_manager.sip.effects import Destination, Hop
from call_manager.sip.exchange import Exchange
from call_manager.sip.message import Headers, Request, Response, answer_challenge
from call_manager.sip.requests import ALLOW, METHODS, Identity, answer
from call_manager.sip.sdp import LocalAudio, RemoteAudio, read, write_answer, write_offer

UNANSWERED_BYE: Final = "The peer never answered our BYE."

OnEnd = Callable[[EndedBy, str], None]
"""Told once how the dialog ended: by whom, and one sentence when something was odd."""


def ignore_end(_by: EndedBy, _detail: str) -> None:
    """For dialogs nobody waits for: the extra answers of a forked INVITE."""


@dataclass(slots=True)
class SessionContext:
    """What a session shares with its leg."""

    exchange: Exchange
    identity: Identity
    destination: Destination
    """Where the INVITE went; used when the dialog's own next hop cannot be."""
    on_end: OnEnd = ignore_end
    on_audio: Callable[[RemoteAudio], None] = field(default=lambda _: None)
    pinned: bool = False
    """Whether `destination` is used even when the dialog names a next hop."""
    credentials: Credentials | None = None
    audio: LocalAudio | None = None
    """Our side of the media; None refuses every media change, as for a call being ended."""


class Session:
    """A confirmed dialog that lives until either side's BYE is over."""

    def __init__(self, dialog: Dialog, context: SessionContext) -> None:
        self.dialog = dialog
        self._context = context
        self._exchange = context.exchange
        self._ack = dialog.ack()
        self._ending = False
        self._over = False
        self._challenged = False
        self._sdp_version = 1

    @property
    def open(self) -> bool:
        """Whether no BYE was sent or received yet."""
        return not self._ending and not self._over

    def acknowledge(self) -> None:
        """Send the ACK; once for every 2xx that arrives, however the 2xx differs (13.2.2.4)."""
        self._exchange.transmit(self._ack, self._hop())

    def bye(self) -> None:
        """End the dialog; asking again is harmless."""
        if self.open:
            self._ending = True
            self._send_bye(())

    def on_request(self, request: Request, source: Destination) -> None:
        """Answer a request of this dialog that is not a retransmission."""
        if request.cseq.number <= self.dialog.remote_cseq:
            self._answer(request, 500, source)  # section 12.2.2: out of order
            return
        self.dialog.remote_cseq = request.cseq.number
        if request.method == "BYE":
            self._on_bye(request, source)
        elif not self.open:
            self._answer(request, 481, source)
        elif required := request.values("Require"):
            unsupported = tuple(("Unsupported", option) for option in required)
            self._answer(request, 420, source, unsupported)
        elif request.method in {"INVITE", "UPDATE"}:
            self._on_offer(request, source)
        elif request.method in METHODS:
            self._answer(request, 200, source, (("Allow", ALLOW), ("Accept", "application/sdp")))
        else:
            self._answer(request, 405, source, (("Allow", ALLOW),))

    def _hop(self) -> Hop:
        return Hop("" if self._context.pinned else self.dialog.next_hop, self._context.destination)

    def _send_bye(self, extra: Headers) -> None:
        agent = ("User-Agent", self._context.identity.user_agent)
        request = self.dialog.request("BYE", (agent, *extra))
        self._exchange.send(
            request, self._hop(), lambda response: self._on_bye_answer(request, response)
        )

    def _on_bye_answer(self, request: Request, response: Response | None) -> None:
        if response is None:
            self._end(EndedBy.LOCAL, UNANSWERED_BYE)
        elif response.code < 200:
            return
        elif response.code in {401, 407} and (header := self._authorization(request, response)):
            self._challenged = True
            self._send_bye((header,))
        elif response.code < 300 or response.code in {408, 481}:
            self._end(EndedBy.LOCAL, "")  # section 15.1.1: 408 and 481 end the dialog, too
        else:
            self._end(EndedBy.LOCAL, f"The peer answered our BYE with {response.code}.")

    def _authorization(self, request: Request, response: Response) -> tuple[str, str] | None:
        if self._context.credentials is None or self._challenged:
            return None
        return answer_challenge(response, request, self._context.credentials)

    def _on_bye(self, request: Request, source: Destination) -> None:
        self._answer(request, 200, source)
        # When both sides hang up at once, ours was first as far as we can know.
        self._end(EndedBy.LOCAL if self._ending else EndedBy.REMOTE, "")

    def _on_offer(self, request: Request, source: Destination) -> None:
        """Answer a re-INVITE or UPDATE: same codecs, hold tolerated (section 14.2, RFC 3311)."""
        audio = self._context.audio
        wants_sdp = request.method == "INVITE" or bool(request.body)
        if audio is None and wants_sdp:
            self._answer(request, 488, source)
            return
        body = b""
        if audio is not None and request.body:
            remote = read(request.body, audio.codecs)
            if not remote.codec:
                self._answer(request, 488, source)
                return
            self._sdp_version += 1
            body = write_answer(audio, remote, version=self._sdp_version)
            self._context.on_audio(remote)
        elif audio is not None and wants_sdp:
            self._sdp_version += 1
            body = write_offer(audio, version=self._sdp_version)
        self.dialog.refresh_target(request)
        extra = (("Contact", self._context.identity.contact), ("Allow", ALLOW))
        response = answer(request, 200, extra=extra, body=body)
        self._exchange.answer(request, response, source, self.bye)

    def _answer(
        self, request: Request, code: int, source: Destination, extra: Headers = ()
    ) -> None:
        self._exchange.answer(request, answer(request, code, extra=extra), source)

    def _end(self, by: EndedBy, detail: str) -> None:
        if not self._over:
            self._over = True
            self._context.on_end(by, detail)
