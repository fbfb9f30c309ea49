"""Whether an INVITE may ring: its session interval, its credentials, its audio."""

from __future__ import annotations

from dataclasses import dataclass

from call_manager.simulator.behaviour import Behaviour, Challenge, Refuse
from call_manager.simulator.digest import Verdict
from call_manager.simulator.invitation import Invitation
from call_manager.simulator.sessions import too_small
from call_manager.simulator.trunk import Trunk
from call_manager.sip.message import Response


@dataclass(frozen=True, slots=True)
class Challenged:
    """The caller must say who it is, and may ask again."""

    status: int
    response: Response


class Admission:
    """Decides on the INVITEs of one call."""

    def __init__(self, trunk: Trunk, behaviour: Behaviour) -> None:
        self._trunk = trunk
        self._behaviour = behaviour
        self._was_stale = False

    def objection(self, invitation: Invitation) -> Challenged | Refuse | None:
        """Return what the INVITE is answered with at once; None when the phone may ring."""
        session, asked = self._behaviour.session, self._behaviour.challenge
        if too_small(session, invitation.request):
            return Refuse(code=422, headers={"Min-SE": str(session.min_se_s)})
        if asked is not None and "INVITE" in asked.requests:
            objection = self._judge(invitation, asked)
            if objection is not None:
                return objection
        return self._agree(invitation) if self._behaviour.needs_audio else None

    def _judge(self, invitation: Invitation, asked: Challenge) -> Challenged | Refuse | None:
        """Check the caller's credentials; a caller without gets a challenge."""
        verdict = self._trunk.guard.judge(asked, invitation.request)
        if verdict is Verdict.WRONG:
            return Refuse(code=403)
        if verdict is Verdict.RIGHT and asked.stale_once and not self._was_stale:
            self._was_stale, verdict = True, Verdict.STALE
        if verdict is Verdict.RIGHT and not asked.never:
            self._trunk.report("authenticated", call=invitation.request.call_id)
            return None
        stale = verdict is Verdict.STALE
        headers = self._trunk.guard.challenge(asked, invitation.request.call_id, stale=stale)
        return Challenged(asked.code, invitation.challenged(asked.code, headers))

    def _agree(self, invitation: Invitation) -> Refuse | None:
        """Agree on the audio before the phone rings; a call that cannot be heard is refused."""
        call_id = invitation.request.call_id
        invitation.line = self._trunk.audio.open(call_id, self._behaviour.audio)
        if invitation.line is None:
            return Refuse(code=503)
        return None if invitation.agrees(self._behaviour) else Refuse(code=488)
