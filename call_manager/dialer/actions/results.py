"""What becomes of an action, and of a flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from call_manager.call.domain import HangupReason
from call_manager.call.hangup import Cause

ERROR_CHARACTERS_MAX: Final = 1024
"""What the contract takes of an error."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a flow wants its call to end."""

    cause: Cause = Cause.NORMAL
    reason: HangupReason | None = None
    """None: it follows from the cause (CONTRACT.md section 3.3)."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """An action that did what it was to do."""

    ending: Ending | None = None
    """How the call ends now; None: the flow goes on."""
    found: Mapping[str, str] = field(default_factory=dict)
    """What it found out, by variable name; each begins with `voipbin.`."""


DONE: Final = Done()
"""It found nothing, and the flow goes on."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The action that is over when the next one is asked for."""

    action_id: str = ""
    """Empty at the first question."""
    error: str = ""
    """Why it failed, one sentence; empty when it did not."""
    found: Mapping[str, str] = field(default_factory=dict)
    step: int = 0
    """Which of all the flow's actions it was: a loop may hand out the same one twice running."""


class ActionFailed(Exception):
    """An action could not do what it was to do; says why in one sentence."""
