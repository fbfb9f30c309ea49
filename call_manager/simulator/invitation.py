"""An INVITE that waits for its answer: whether it may go on, and what it can be answered with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from call_manager.simulator.answers import over, respond, worded
from call_manager.simulator.behaviour import Answer, Behaviour, Provisional, Refuse
from call_manager.simulator.q850 import reason_header
from call_manager.simulator.sdp import (
    BROKEN,
    Line,
    Remote,
    answer_to,
    understand,
    without_audio,
)
from call_manager.sip.dialog import Dialog, contact_of
from call_manager.sip.effects import Destination
from call_manager.sip.message import Headers, Request, Response
from call_manager.sip.requests import ALLOW, Identity


@dataclass(slots=True)
class Invitation:
    """An INVITE, and what was said to it so far."""

    request: Request
    source: Destination
    identity: Identity
    """What we say of ourselves over the transport it came by."""
    tags: dict[int, str] = field(default_factory=dict)
    provisional: Response | None = None
    """The newest; a repeated INVITE gets it again."""
    line: Line | None = None
    """Our side of the audio; None while the call needs none."""
    remote: Remote = field(default_factory=Remote)

    def tag(self, phone: int) -> str:
        """Return the To tag of one of the phones that the INVITE was forked to."""
        return self.tags.setdefault(phone, secrets.token_hex(8))

    def challenged(self, code: int, headers: Headers) -> Response:
        """Ask for credentials."""
        return respond(self.request, code, to_tag=self.tag(1), extra=headers)

    def agrees(self, behaviour: Behaviour) -> bool:
        """Take the caller's audio; False when there is an offer that nothing fits."""
        offered = self.request.body
        remote = understand(offered) if offered else Remote()
        self.remote = remote or Remote()
        return remote is not None or behaviour.picks

    def progress(self, step: Provisional) -> Response:
        """Build a provisional answer, and keep it."""
        body, tag = b"", ""
        extra: Headers = ()
        if step.code > 100:
            tag = self.tag(step.phone)
            extra = over((("Contact", self.identity.contact), ("Allow", ALLOW)), step.headers)
            if step.brings_sdp and self.line is not None:
                body = answer_to(self.line, self.remote)
        response = respond(self.request, step.code, to_tag=tag, extra=extra, body=body)
        self.provisional = worded(response, step.reason)
        return self.provisional

    def refusal(self, step: Refuse) -> Response:
        """Build a final answer that is no success."""
        reason = (reason_header(step.q850),) if step.q850 else ()
        extra = over(reason, step.headers)
        response = respond(self.request, step.code, to_tag=self.tag(1), extra=extra)
        return worded(response, step.reason)

    def pick(self, step: Answer) -> Remote:
        """Choose the codec as the answer wants it."""
        if not (step.codec and self.request.body):
            return self.remote
        return understand(self.request.body, step.codec) or self.remote

    def success(self, step: Answer, line: Line, session: Headers) -> Response:
        """Build a 2xx; `session` is what it says of session timers."""
        usual = (
            ("Contact", self.identity.contact),
            ("Allow", ALLOW),
            ("Supported", ""),
            ("Server", self.identity.user_agent),
            *session,
        )
        tag, extra = self.tag(step.phone), over(usual, step.headers)
        body = answer_to(line, self.pick(step))
        if step.sdp != "usual":
            body = {"none": b"", "broken": BROKEN, "refused": without_audio(body)}[step.sdp]
        response = respond(self.request, step.code, to_tag=tag, extra=extra, body=body)
        return worded(response, step.reason)

    def dialog(self, phone: int) -> Dialog:
        """Create the dialog as the side that was invited (section 12.1.1)."""
        to_header = self.request.value("To")
        return Dialog(
            call_id=self.request.call_id,
            local=f"{to_header};tag={self.tag(phone)}",
            remote=self.request.value("From"),
            target=contact_of(self.request),
            route_set=tuple(self.request.values("Record-Route")),
            local_address=self.identity.sent_by,
            invite_cseq=self.request.cseq.number,
            local_cseq=0,
            remote_cseq=self.request.cseq.number,
            transport=self.identity.transport,
        )
