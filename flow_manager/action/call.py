"""Actions on the call itself."""

from __future__ import annotations

from flow_manager.action.domain import ActionType
from flow_manager.action.option import Option, one_of, uuid

ANSWER = ActionType("answer", "Answers the call; one that is answered already stays so.")

HANGUP = ActionType(
    "hangup",
    "Ends the call.",
    (
        Option(
            "reason",
            # The reasons of CONTRACT.md section 3.3.
            one_of("normal", "failed", "busy", "cancel", "timeout", "noanswer", "dialout", "amd"),
            "Why the call ends, as its record will say; normal when left out.",
            replaceable=True,
        ),
        Option(
            "reference_id",
            uuid,
            "The call whose hangup reason is taken over (UUID).",
            replaceable=True,
        ),
    ),
)
