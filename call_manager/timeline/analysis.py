"""What a call's SIP analysis holds: its messages, attempts, audio, and why it ended (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from call_manager.call.attempt import Attempt
from call_manager.call.domain import Call, CallStatus
from call_manager.channel import MediaReport
from call_manager.explanation import Explanation, explain
from call_manager.explanation.evidence import Evidence, MessageLabel
from call_manager.timeline.domain import StoredMessage, shown


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything there is to learn from the wire of one call."""

    messages: tuple[StoredMessage, ...]
    """Oldest first; at most `domain.MESSAGES_MAX`."""
    truncated: bool
    """Whether there are more."""
    attempts: tuple[Attempt, ...]
    audio: MediaReport | None
    """Of the last attempt that had any; None while it lives, and without audio."""
    explanation: Explanation | None
    """None while the call lives."""


def analyse(
    call: Call, attempts: tuple[Attempt, ...], messages: Sequence[StoredMessage]
) -> Analysis:
    """Put a call's trace, attempts and messages together; `messages` may be more than fit."""
    fitting = shown(messages)
    labels = [MessageLabel(message.at, message.sent, message.method) for message in fitting]
    audible = [attempt.media for attempt in attempts if attempt.media is not None]
    return Analysis(
        messages=fitting,
        truncated=len(fitting) < len(messages),
        attempts=attempts,
        audio=audible[-1] if audible else None,
        explanation=explained(call, attempts, labels),
    )


def explained(
    call: Call, attempts: Sequence[Attempt], labels: Sequence[MessageLabel]
) -> Explanation | None:
    """Return why a call ended; None while it lives."""
    if call.status is not CallStatus.HANGUP:
        return None
    return explain(Evidence(call, attempts, labels))
