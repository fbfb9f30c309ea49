"""What a rule is, and what it says."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from call_manager.explanation.evidence import Evidence


class Shows(enum.StrEnum):
    """Which message of the trace shows what a rule says."""

    NOTHING = "none"
    INVITE = "the last INVITE we sent"
    FINAL = "the final answer"
    CHALLENGE = "the answer that asks who is calling"
    CANCEL = "our CANCEL"
    THEIR_BYE = "the carrier's BYE"
    OUR_BYE = "our BYE"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table. The first row that applies explains the call."""

    name: str
    """Stable; programs may rely on it."""
    applies: Callable[[Evidence], bool]
    when: str
    """What `applies` asks, in words, for the documentation."""
    sentence: str
    """What happened. May name `{code}`, `{reason}`, `{address}`, `{transport}`, `{codec}`,
    `{detail}`, `{why}` (the detail without what names the carrier), `{seconds}`, `{cause}`,
    `{earlier}`, `{percent}`."""
    fix: str = ""
    """What would likely mend it; empty when there is nothing to mend."""
    shows: Shows = Shows.NOTHING


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened to one call."""

    rule: str
    sentence: str
    fix: str
    attempt_id: UUID | None
    """The attempt it is about."""
    message_index: int | None
    """The place in the trace of the message that shows it, from 0."""
