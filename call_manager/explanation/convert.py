"""An explanation for the wire (pure)."""

from __future__ import annotations

from voipbin.call.v1 import call_pb2

from call_manager.explanation.rule import Explanation


def explanation_to_proto(found: Explanation) -> call_pb2.CallExplanation:
    """Return why a call ended, for an answer."""
    return call_pb2.CallExplanation(
        rule=found.rule,
        sentence=found.sentence,
        fix=found.fix,
        attempt_id="" if found.attempt_id is None else str(found.attempt_id),
        message_index=found.message_index,
    )
