"""Messages of no leg: requests from strangers, and answers to calls long forgotten."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from call_manager.channel import (
    AttemptOutcome,
    AttemptState,
    DialogRecord,
    InviteRecord,
    MediaReport,
    StoredAttempt,
    WireMessage,
)
from call_manager.sip.dialog import BRANCH_PREFIX
from call_manager.sip.effects import Destination
from call_manager.sip.message import SIP_PORT, Request, Response
from call_manager.sip.requests import ALLOW, METHODS, Identity, answer
from call_manager.sip.seldom import Seldom
from call_manager.sip.transport.via import came_from
from call_manager.sip.uas import CAPABILITIES, Refusal, refusal
from mesh.addresses import write_address

_noise: Final = Seldom(logging.getLogger(__name__))
"""For all such calls together, since anybody can invent them."""

_ALLOW_OUTSIDE = ", ".join(sorted(METHODS - {"INVITE", "UPDATE", "INFO"}))


class Strangers:
    """Answers requests outside every dialog, without remembering them (RFC 3261 8.2.7)."""

    def __init__(self) -> None:
        self._tag_key = secrets.token_bytes(16)

    def answer(self, request: Request, source: Destination) -> Response | None:
        """Return 200 to OPTIONS, 481 to what claims a dialog, 405 to the rest, None to ACK.

        No calls are taken, so an INVITE is a 405 too. A retransmission gets the same To tag.
        """
        if request.method == "ACK":
            return None
        code, extra = _judge(request)
        text = f"{request.via.branch} {request.call_id}".encode("utf-8", "surrogateescape")
        tag = hashlib.blake2b(text, key=self._tag_key, digest_size=8).hexdigest()
        request = came_from(request, source.address)
        return answer(request, code, to_tag=tag, extra=extra)


def _judge(request: Request) -> Refusal:
    refused = refusal(request, _ALLOW_OUTSIDE)
    if refused is not None and refused[0] == 505:
        return refused
    if request.to_tag or request.method in {"BYE", "CANCEL"}:
        return 481, (("Allow", ALLOW),)
    return refused or (200, (("Allow", ALLOW), *CAPABILITIES))


def answers_our_invite(response: Response, us: Identity) -> bool:
    """Tell whether a response is a 2xx to an INVITE that this address sent.

    The one Via must be ours, branch and all; anything else is none of our business.
    """
    via = response.via
    return (
        response.cseq.method == "INVITE"
        and 200 <= response.code < 300
        and len(response.values("Via")) == 1
        and via.branch.startswith(BRANCH_PREFIX)
        and write_address((via.host, via.port or SIP_PORT)) in (us.address, us.tls_address)
    )


def last_of_legs(
    attempts: Iterable[StoredAttempt],
) -> tuple[list[StoredAttempt], list[StoredAttempt]]:
    """Sort a dead process's attempts: those that may be alive, and those that only look so.

    Of several attempts of one leg only the last can be alive: each earlier one had its final
    answer before the next was planned.
    """
    last: dict[str, StoredAttempt] = {}
    superseded = []
    for attempt in sorted(attempts, key=lambda stored: stored.invite.sequence):
        before = last.get(attempt.invite.sip_call_id)
        if before is not None and before.state is not AttemptState.ENDED:
            superseded.append(before)
        last[attempt.invite.sip_call_id] = attempt
    return [a for a in last.values() if a.state is not AttemptState.ENDED], superseded


def given_up(stored: StoredAttempt, at: datetime) -> AttemptOutcome:
    """The end of an attempt of which nothing more can be learnt."""
    return AttemptOutcome(stored.invite.attempt_id, None, "", None, None, None, at)


class ForgottenJournal:
    """For calls whose attempt nobody knows: their messages are logged now and then, not stored."""

    def __init__(self, about: str = "forgotten call", level: int = logging.INFO) -> None:
        self._about = about
        self._level = level

    async def invite_planned(self, record: InviteRecord) -> None:
        """Refuse: nothing is ever placed for a forgotten call. Raises `RuntimeError`."""
        raise RuntimeError(f"An INVITE was planned for the forgotten call {record.sip_call_id}.")

    async def dialog_confirmed(self, record: DialogRecord) -> None:
        """Nothing is known that this dialog could be kept with."""

    async def attempt_updated(self, outcome: AttemptOutcome) -> None:
        """Nothing is known that this outcome could be kept with."""

    def rtp(self, chunk: bytes) -> None:
        """Nothing is heard on a forgotten call."""

    async def media_measured(self, report: MediaReport) -> None:
        """Nothing is heard on a forgotten call."""

    def message(self, message: WireMessage) -> None:
        """Log which message went which way."""
        direction = "to" if message.sent else "from"
        facts = (self._about, message.method, direction, message.remote_address)
        _noise.log(self._level, "%s: %s %s %s", *facts)
